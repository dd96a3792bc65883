package queue_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/queue"
)

// usual is what a message that came over SMTP looks like.
func usual() *queue.Message {
	return &queue.Message{
		Envelope: "sender@example.org", Recipient: "someone@example.com",
		ID: "1kq8fz-3j0x-7.a1@mx1.example.net", Hostname: "mx1.example.net",
		Received: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		Connection: &queue.Connection{LocalIP: "192.0.2.1", LocalPort: 25, RemoteIP: "198.51.100.7", RemotePort: 40312,
			Secure: true, User: "account"},
	}
}

func TestBinaryOfUsualMessageIsCompact(t *testing.T) {
	data := queue.AppendBinary(nil, usual())
	require.Less(t, len(data), 200)
	got, err := queue.DecodeBinary(data)
	require.NoError(t, err)
	require.Equal(t, usual(), got)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = queue.DecodeBinary(data) }), 2.0)
	buf := make([]byte, 0, 512)
	m := usual()
	require.Zero(t, testing.AllocsPerRun(100, func() { buf = queue.AppendBinary(buf[:0], m) }))
}

func TestBinaryKeepsNothingOfTheInput(t *testing.T) {
	m := usual()
	m.Extra = map[string]json.RawMessage{"campaign": json.RawMessage(`{"id":7}`)}
	data := queue.AppendBinary(nil, m)
	got, err := queue.DecodeBinary(data)
	require.NoError(t, err)
	for i := range data {
		data[i] = 'x'
	}
	require.Equal(t, m, got)
}

func TestBinaryNeverMakesAMessageEarly(t *testing.T) {
	m := usual()
	m.NextAttempt = time.Date(2026, 5, 4, 3, 2, 1, 1, time.UTC)
	got, err := queue.DecodeBinary(queue.AppendBinary(nil, m))
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 5, 4, 3, 2, 2, 0, time.UTC), got.NextAttempt)
}

func TestBinaryTellsNoAddressesFromAnyAddress(t *testing.T) {
	m := usual()
	m.IPs = []string{}
	got, err := queue.DecodeBinary(queue.AppendBinary(nil, m))
	require.NoError(t, err)
	require.NotNil(t, got.IPs)
	require.Empty(t, got.IPs)
}

func TestBinarySkipsUnknownFields(t *testing.T) {
	data := queue.AppendBinary(nil, usual())
	data = append(data, 0xc0, 0x3f, 0x05)           // a number in field 4064
	data = append(data, 0xc1, 0x3f, 0x02, 'h', 'i') // bytes in it
	got, err := queue.DecodeBinary(data)
	require.NoError(t, err)
	require.Equal(t, usual(), got)
}

func TestBinaryDamage(t *testing.T) {
	data := queue.AppendBinary(nil, usual())
	tests := []struct {
		name, want string
		data       []byte
	}{
		{"empty", "is empty", nil},
		{"other layout", "has layout 9, expected 1", append([]byte{9}, data[1:]...)},
		{"cut within a field", "longer than itself", data[:len(data)-1]},
		{"key without value", "ends within a number", []byte{1, 3}},
		{"endless number", "too large", []byte{1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
		{"time", "time that is out of range", append([]byte{1, 4 << 1}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
		{"nested", "longer than itself at byte 5", []byte{1, 6<<1 | 1, 2, 3, 9}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m, err := queue.DecodeBinary(tc.data)
			require.Nil(t, m)
			var damage *queue.DamageError
			require.ErrorAs(t, err, &damage)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestBinaryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage().Draw(t, "message")
		m.Body = nil
		data := queue.AppendBinary(nil, m)
		got, err := queue.DecodeBinary(data)
		require.NoError(t, err)
		require.Equal(t, m, got)
		require.Equal(t, data, queue.AppendBinary(nil, got), "equal messages have equal forms")
	})
}

func FuzzDecodeBinary(f *testing.F) {
	f.Add(queue.AppendBinary(nil, usual()))
	f.Add(queue.AppendBinary(nil, full()))
	f.Add([]byte{})
	f.Add([]byte{1, 65, 4, 3, 0, 5, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := queue.DecodeBinary(data)
		if err != nil {
			return
		}
		again, err := queue.DecodeBinary(queue.AppendBinary(nil, m))
		require.NoError(t, err, "what was read can be written")
		require.Equal(t, queue.AppendBinary(nil, m), queue.AppendBinary(nil, again))
	})
}
