package rabbit

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

const letter = "From: Ann <ann@shop.example>\nTo: Bob <bob@sink.test>\nSubject: Hello\nX-Job: 7\n\nDear Bob\n"

// TestMessagesOfStrangers publishes what any program may publish that follows the tables of JSON, and reads the
// results.
func TestMessagesOfStrangers(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, mtatest.Queues(address).With(k.Settings()))
	ch := rabbittest.Stranger(t, address)
	for _, name := range []string{"mine", "extra"} {
		_, err := ch.QueueDeclare(name, true, false, false, false, nil)
		require.NoError(t, err)
	}
	for _, tc := range []struct {
		name     string
		message  object
		body     string // instead of message
		encoding string
		pair     string
		queues   []string // where the same object must come
		none     bool     // nothing is delivered
		check    func(t *testing.T, o object)
	}{
		{name: "delivered", pair: "message/accepted", queues: []string{"results", "success"},
			message: object{"envelope": "ann@shop.example", "recipient": "bob@sink.test", "mime": letter},
			check: func(t *testing.T, o object) {
				require.NotContains(t, o, "mime")
				extracted := o["extracted"].(map[string]any)
				require.Equal(t, map[string]any{"domain": "sink.test", "local": "bob"}, extracted["recipient"])
				require.Equal(t, map[string]any{"domain": "shop.example", "local": "ann"}, extracted["envelope"])
				require.Equal(t, "Hello", extracted["subject"])
				r := o.last(t)
				require.EqualValues(t, 250, r["code"])
				require.Equal(t, "127.0.0.1", r["to"])
			}},
		{name: "unknown properties", pair: "message/accepted", queues: []string{"results", "success"},
			body: `{"recipient":"bob@sink.test","mime":"Subject: x\n\n","campaign":{"id":12345678901234567890,"rate":1.50,"list":[null,{"ä":"\u0000"}]},"n":null,"priority":"3"}`,
			check: func(t *testing.T, o object) {
				text := string(object{"c": o["campaign"]}.text(t))
				require.Contains(t, text, `"ä"`)
				require.Contains(t, text, `\u0000`)
			}},
		{name: "the MIME is kept", pair: "message/accepted", queues: []string{"results", "success"},
			message: object{"recipient": "bob@sink.test", "mime": letter, "keepmime": true},
			check: func(t *testing.T, o object) {
				require.Equal(t, strings.ReplaceAll(letter, "\n", "\r\n"), o["mime"])
			}},
		{name: "eight-bit bytes", pair: "message/accepted", queues: []string{"results", "success"},
			message: object{"recipient": "bob@sink.test", "keepmime": "yes", "mime-encoding": "base64",
				"mime": base64.StdEncoding.EncodeToString([]byte("Subject: \xe4\r\n\r\n\xff\xfe\r\n"))},
			check: func(t *testing.T, o object) {
				require.Equal(t, "base64", o["mime-encoding"])
				text, err := base64.StdEncoding.DecodeString(o["mime"].(string))
				require.NoError(t, err)
				require.Equal(t, "Subject: \xe4\r\n\r\n\xff\xfe\r\n", string(text))
			}},
		{name: "in gzip", encoding: "gzip", pair: "message/accepted", queues: []string{"results", "success"},
			message: object{"recipient": "bob@sink.test", "mime": letter}},
		{name: "refused", pair: "rcptto/error", queues: []string{"results", "failure"}, none: true,
			message: object{"recipient": "reject@sink.test", "mime": letter},
			check: func(t *testing.T, o object) {
				require.EqualValues(t, 550, o.last(t)["code"])
			}},
		{name: "queues of its own", pair: "message/accepted", queues: []string{"mine"},
			message: object{"recipient": "bob@sink.test", "mime": letter, "queues": object{"results": "mine", "success": nil}}},
		{name: "a queue that is not there yet", pair: "message/accepted", queues: []string{"extra", "results"},
			message: object{"recipient": "bob@sink.test", "mime": letter,
				"queues": object{"success": "extra", "results": "results"}}},
		{name: "a failure nobody wants", pair: "rcptto/error", queues: []string{"results"}, none: true,
			message: object{"recipient": "reject@sink.test", "mime": letter, "queues": object{"failure": nil}}},
		{name: "put off, and its last attempt", pair: "process/timeout",
			queues: []string{"retry:rcptto/error", "results", "failure"}, none: true,
			message: object{"recipient": "defer@sink.test", "mime": letter, "maxattempts": "2", "retries": []int{1}}},
		{name: "too late", pair: "process/timeout", queues: []string{"results", "failure"}, none: true,
			message: object{"recipient": "bob@sink.test", "mime": letter, "maxdelivertime": "2020-01-01 00:00:00"}},
		{name: "not yet", pair: "message/accepted", queues: []string{"results", "success"},
			message: object{"recipient": "bob@sink.test", "mime": letter,
				"nextattempt": time.Now().UTC().Add(3 * time.Second).Format(time.DateTime)}},
		{name: "no recipient", pair: "process/invalid", queues: []string{"results", "failure"}, none: true,
			message: object{"envelope": "ann@shop.example", "mime": letter},
			check: func(t *testing.T, o object) {
				require.Contains(t, o.last(t)["description"], "recipient")
			}},
		{name: "a wrong type", pair: "process/invalid", queues: []string{"results", "failure"}, none: true,
			message: object{"recipient": "bob@sink.test", "mime": letter, "retries": "often", "mine": 1},
			check: func(t *testing.T, o object) {
				require.Contains(t, o.last(t)["description"], "retries")
				require.Equal(t, "often", o["retries"])
				require.EqualValues(t, 1, o["mine"])
			}},
	} {
		ok := t.Run(tc.name, func(t *testing.T) {
			body := []byte(tc.body)
			if tc.message != nil {
				body = tc.message.text(t)
			}
			if tc.encoding != "" {
				body = zipped(body)
			}
			before := len(k.Received())
			put(t, ch, tc.encoding, body)
			for _, name := range tc.queues {
				name, pair, other := strings.Cut(name, ":")
				if !other {
					pair = tc.pair
				}
				o := get(t, ch, name)
				require.Equal(t, pair, o.pair(t), "in queue %s: %v", name, o)
				if tc.check != nil && !other {
					tc.check(t, o)
				}
			}
			if tc.none {
				require.Len(t, k.Received(), before)
			} else {
				require.Len(t, k.Received(), before+1)
			}
		})
		if !ok {
			return
		}
	}
	for _, name := range []string{"outbox", "results", "success", "failure", "retry", "mine", "extra"} {
		rabbittest.AwaitWaiting(t, ch, name, 0)
	}
	d.Terminate(t)
}

func zipped(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}

// TestWhatIsNoMessage publishes what cannot be understood: it goes, byte for byte, to the failure queue, and mtad says
// little about it.
func TestWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Start(t, mtatest.Queues(address).With(k.Settings()))
	ch := rabbittest.Stranger(t, address)
	for _, tc := range []struct {
		name, encoding string
		body           []byte
	}{
		{"nothing", "", nil},
		{"a mail", "", []byte(letter)},
		{"half an object", "", []byte(`{"recipient":"bob@sink.test","mime":"Subj`)},
		{"an array", "", []byte(`[{"recipient":"bob@sink.test"}]`)},
		{"bytes", "", []byte("{\x00\xff\xfe}")},
		{"10,000 nested arrays", "", []byte(`{"recipient":"a@b","x":` + strings.Repeat("[", 10_000) +
			strings.Repeat("]", 10_000) + `}`)},
		{"no gzip", "gzip", []byte(`{"recipient":"bob@sink.test","mime":"x"}`)},
		{"a bomb", "gzip", zipped(bytes.Repeat([]byte(" "), 200<<20))},
		{"an unknown encoding", "br", []byte(`{"recipient":"bob@sink.test","mime":"x"}`)},
	} {
		put(t, ch, tc.encoding, tc.body)
		o := get(t, ch, "failure")
		raw, err := base64.StdEncoding.DecodeString(o["raw"].(string))
		require.NoError(t, err, tc.name)
		require.True(t, bytes.Equal(tc.body, raw), "%s: byte for byte", tc.name)
		require.Equal(t, "process/invalid", o.pair(t), tc.name)
		require.NotEmpty(t, o.last(t)["description"], tc.name)
	}
	const many = 1000
	before := len(d.Log.String())
	for range many {
		put(t, ch, "", []byte("no JSON"))
	}
	rabbittest.AwaitWaiting(t, ch, "failure", many)
	rabbittest.AwaitWaiting(t, ch, "outbox", 0)
	require.Less(t, strings.Count(d.Log.String()[before:], "\n"), 20, "lines about %d messages of one kind", many)
	require.Empty(t, k.Received())
	require.Less(t, d.Memory(t), int64(1<<30))
	d.Terminate(t)
}
