package queue_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

func TestPrintingShowsNoSecrets(t *testing.T) {
	m := full()
	m.DKIM[0].Key = "hush"
	m.Smarthost.Password = "hush"
	for _, v := range []any{m.DKIM, m.DKIM[0], &m.DKIM[0], m.Smarthost, *m.Smarthost, m} {
		for _, format := range []string{"%v", "%+v", "%s"} {
			require.NotContains(t, fmt.Sprintf(format, v), "hush")
		}
	}
	require.Equal(t, "me:********@relay.example.org:587", m.Smarthost.String())
	require.Equal(t, "relay:25", queue.Smarthost{Hostname: "relay"}.String())
	require.Equal(t, "s1._domainkey.example.org", m.DKIM[0].String())
}

func TestDomainOf(t *testing.T) {
	for address, want := range map[string]string{
		"a@Example.COM": "example.com", `"x@y"@b.example`: "b.example", "a@": "", "a": "", "": "",
		"a@[192.0.2.1]": "[192.0.2.1]", "a@Ä.example": "xn--4ca.example", "u@Bücher.example": "xn--bcher-kva.example",
	} {
		require.Equal(t, want, queue.DomainOf(address), address)
		require.Equal(t, want, (&queue.Message{Recipient: address}).Domain())
	}
}

func TestSameBody(t *testing.T) {
	a := queue.Bytes("same")
	b := queue.Bytes(bytes.Clone(a))
	r := bytes.NewReader(a)
	require.True(t, queue.SameBody(a, a))
	require.False(t, queue.SameBody(a, b), "equal content is not enough")
	require.False(t, queue.SameBody(a, a[:3]))
	require.True(t, queue.SameBody(r, r))
	require.False(t, queue.SameBody(r, bytes.NewReader(a)))
	require.False(t, queue.SameBody(a, r))
	require.True(t, queue.SameBody(nil, nil))
	require.False(t, queue.SameBody(nil, a))
	require.False(t, queue.SameBody(r, nil))
	require.False(t, queue.SameBody(odd{}, odd{}), "values that cannot be compared are not the same")
}

// odd is a body that cannot be compared.
type odd struct{ _ []int }

func (odd) Size() int64                       { return 0 }
func (odd) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }

func TestReadBody(t *testing.T) {
	data, err := queue.ReadBody(nil)
	require.NoError(t, err)
	require.Empty(t, data)
	data, err = queue.ReadBody(io.NewSectionReader(strings.NewReader("xhellox"), 1, 5))
	require.NoError(t, err)
	require.Equal(t, "hello", string(data))
	_, err = queue.ReadBody(short{strings.NewReader("hello")})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "a body that is shorter than it says")
}

type short struct{ *strings.Reader }

func (short) Size() int64 { return 100 }

func TestBytesReadAt(t *testing.T) {
	b := queue.Bytes("hello")
	p := make([]byte, 3)
	n, err := b.ReadAt(p, 3)
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, io.EOF)
	_, err = b.ReadAt(p, -1)
	require.ErrorContains(t, err, "negative offset")
}

func TestFilterAges(t *testing.T) {
	now := time.Unix(1000, 0)
	e := &queue.Entry{Stored: now.Add(-time.Minute)}
	for _, tc := range []struct {
		f    queue.Filter
		want bool
	}{
		{queue.Filter{OlderThan: 59 * time.Second}, true},
		{queue.Filter{OlderThan: time.Minute}, false},
		{queue.Filter{NewerThan: 61 * time.Second}, true},
		{queue.Filter{NewerThan: time.Minute}, false},
		{queue.Filter{OlderThan: 30 * time.Second, NewerThan: 90 * time.Second}, true},
	} {
		require.Equal(t, tc.want, tc.f.Matches(e, now), "%+v", tc.f)
	}
}

func TestCheckItemsNamesTheItem(t *testing.T) {
	good := queue.Item{Queue: "outbox", Message: &queue.Message{ID: "1"}}
	require.NoError(t, queue.CheckItems(nil))
	require.NoError(t, queue.CheckItems([]queue.Item{good}))
	require.EqualError(t, queue.CheckItems([]queue.Item{good, {Queue: "outbox"}}),
		`queue: item 2 of 2, for queue "outbox", has no message`)
	require.EqualError(t, queue.CheckItems([]queue.Item{{Message: good.Message}}),
		`queue: item 1 of 1, message "1", names no queue`)
}
