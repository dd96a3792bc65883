package mta

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// wire is a Sender that delivers everything, and hands on what went over the wire.
type wire chan string

func (w wire) Open(context.Context, *delivery.Hop) (delivery.Connection, error) { return w, nil }

func (w wire) Deliver(_ context.Context, tx, _ *delivery.Transaction) {
	data, err := queue.ReadBody(tx.Body)
	tx.Result = queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250}
	if err != nil {
		data = []byte(err.Error())
	}
	w <- string(data)
}

func (w wire) Usable() bool                  { return true }
func (w wire) Idle(ctx context.Context) bool { <-ctx.Done(); return true }
func (w wire) Close() error                  { return nil }

// TestRendered has a message leave that was published with everything that is done to a mail before it is sent: values
// filled in, styles moved, fields for unsubscribing added, and all of that signed. One with a template that is wrong
// ends with the place.
func TestRendered(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	key, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	require.NoError(t, err)

	args, _ := arguments(t)
	q, out := memory.New(), make(wire, 9)
	m := open(t, args, Options{Queue: q, Sender: out})
	go func() { _ = m.Run(t.Context()) }()
	<-m.Ready()
	publish := func(text string) {
		message, err := queue.Unmarshal([]byte(text))
		require.NoError(t, err)
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: message}))
	}
	publish(fmt.Sprintf(`{"envelope": "b@example.org", "recipient": "ann@example.com", "data": {"name": "Zoë", "id": 7},
		"inlinecss": true, "dkim": {"domain": "example.org", "selector": "s", "key": %s},
		"list-unsubscribe": {"url": "https://example.org/off/{$id}", "one-click": true},
		"mime": "From: shop@example.org\nTo: {$name} <{$recipient}>\nSubject: Hi {$name}\nContent-Type: text/html\n\n<style>p{color:red}</style><p>{$name}</p>\n"}`, key))
	var sent string
	select {
	case sent = <-out:
	case <-time.After(patience):
		require.FailNow(t, "the mail does not leave")
	}
	require.Contains(t, sent, "\r\nSubject: =?utf-8?B?SGkgWm/Dqw==?=\r\n")
	require.Contains(t, sent, "\r\nTo: =?utf-8?B?Wm/Dqw==?= <ann@example.com>\r\n")
	require.Contains(t, sent, "\r\nList-Unsubscribe: <https://example.org/off/7>\r\n"+
		"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
	require.Contains(t, sent, `<p style=3D"color:red">Zo=C3=AB</p>`)
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	found, err := dkim.VerifyWithOptions(strings.NewReader(sent), &dkim.VerifyOptions{
		LookupTXT: func(string) ([]string, error) { return []string{record}, nil }})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.NoError(t, found[0].Err)
	keys := strings.ToLower(strings.Join(found[0].HeaderKeys, " ")) + " "
	require.Contains(t, keys, "list-unsubscribe ")
	require.Contains(t, keys, "list-unsubscribe-post ")

	failed := make(chan *queue.Message, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		_ = q.Consume(ctx, "failure", queue.ConsumeOptions{Prefetch: 1}, func(d *queue.Delivery) { failed <- d.Message })
	}()
	publish(`{"recipient": "ann@example.com", "data": {}, "queues": {"failure": "failure"}, "mime": "Subject: Hi\n\n1\n {if $x}\n"}`)
	select {
	case message := <-failed:
		last := message.Results[len(message.Results)-1]
		require.Equal(t, queue.StatePersonalize, last.State)
		require.Equal(t, queue.Error, last.Result)
		require.Equal(t, "mail (text/plain), line 2, column 2: {if $x}: expected {/if} after it", last.Description)
	case <-time.After(patience):
		require.FailNow(t, "the message does not fail")
	}
}
