package delivery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// attempt has the types that a client library of another language gives a result.
type attempt struct {
	State, Result, Time, Mta, From, To, Authentication, Status, Description string
	Messages, Code                                                          int
	Dsn                                                                     *bool
	Sent                                                                    *struct{ Connection, Data *int }
	Cipher                                                                  *struct{ Bits, Algbits, ID int }
	Certificate                                                             *struct {
		Verified        *bool
		SelfSigned      *bool `json:"self-signed"`
		Keyusage        *int
		Subject, Issuer struct{ Common, Country, State, Locality, Organization string }
		Altnames        []string
	}
}

// published is a result message, likewise.
type published struct {
	Recipient   string
	Mime        *string
	NextAttempt *struct{ Time string }
	Connection  struct{ Secure *bool }
	Extracted   struct {
		From, Subject       string
		To                  []string
		Headers             map[string]any
		Envelope, Recipient struct{ Domain, Local string }
	}
	Results []attempt
}

// parse reads a message as such a client does.
func parse(t *testing.T, m *queue.Message) (p published) {
	text, err := queue.AppendJSON(nil, m)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(bytes.NewReader(text)).Decode(&p), "%s", text)
	for _, r := range p.Results {
		_, err := time.Parse("2006-01-02 15:04:05", r.Time)
		require.NoError(t, err)
	}
	return p
}

// lastSaid is what monitors of bounces look at: the last result, or the one before when the last has nothing to say.
func lastSaid(p published) attempt {
	r := p.Results[len(p.Results)-1]
	if r.Description == "" && len(p.Results) > 1 {
		r = p.Results[len(p.Results)-2]
	}
	return r
}

func TestReadersOfResults(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Retry.MaxAttempts, w.Names.Retry = 2, "retry"
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			if strings.HasSuffix(tx.Message.Recipient, "later.test") {
				c.reply(tx, queue.StateRcptTo, 450, "mailbox is busy")
				return
			}
			c.reply(tx, queue.StateMessage, 250, "ok")
			tx.Result.Sent = &queue.Sent{Connection: 99}
			tx.Result.Cipher = &queue.Cipher{Name: "TLS_AES_128_GCM_SHA256", Bits: 128, AlgBits: 128, ID: 4865}
			tx.Result.Certificate = &queue.Certificate{Version: 3, KeyUsage: 1, Result: "unknown authority",
				Subject: &queue.Name{Common: "mx.example.com", Organization: "Example"}, Issuer: &queue.Name{Common: "CA"}}
		}
		w.start()
		body := "From: =?utf-8?q?Gr=C3=BCn?= (x) <\"a b\"@b.test>\r\nTo: Ann <x@y.test>,\r\n z@y.test\r\nSubject: =?iso-8859-1?q?gr=FCn?=\r\n =?utf-8?b?w7xi?=\r\n" +
			"X-Tag: 1\r\nx-tag: 2\r\n\r\nSubject: body\r\n"
		good, busy, away := mail("some.one@example.com"), mail("x@later.test"), mail("x@away.test")
		good.Body, good.Connection = queue.Bytes(body), &queue.Connection{RemoteIP: "192.0.2.9"}
		w.sender.open = func(_ context.Context, hop *delivery.Hop, _ int) error {
			if hop.Domain == "away.test" {
				return failure(queue.StateConnect, queue.Timeout, 0)
			}
			return nil
		}
		w.publish(good, busy, away)
		w.sleep(time.Second)

		p := parse(t, w.one("success"))
		require.Nil(t, p.Mime)
		require.False(t, *p.Connection.Secure)
		require.Equal(t, `"a b"@b.test`, p.Extracted.From)
		require.Equal(t, []string{"x@y.test", "z@y.test"}, p.Extracted.To)
		require.Equal(t, "grünüb", p.Extracted.Subject)
		require.Equal(t, []any{"1", "2"}, p.Extracted.Headers["x-tag"])
		require.Equal(t, "Ann <x@y.test>, z@y.test", p.Extracted.Headers["to"])
		require.Equal(t, struct{ Domain, Local string }{"example.com", "some.one"}, p.Extracted.Recipient)
		r := p.Results[0]
		require.Equal(t, "message", r.State)
		require.False(t, *r.Dsn)
		require.Zero(t, *r.Sent.Data)
		require.False(t, *r.Certificate.Verified)
		require.False(t, *r.Certificate.SelfSigned)
		require.Equal(t, 1, *r.Certificate.Keyusage)
		require.Equal(t, "Example", r.Certificate.Subject.Organization)

		retries := map[string]published{}
		for _, m := range w.take("retry") {
			require.True(t, m.NextAttempt.IsZero(), "no queue holds it back")
			retries[m.Recipient] = parse(t, m)
		}
		later := retries["x@later.test"]
		at, err := time.Parse(time.DateTime, later.NextAttempt.Time)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(10*time.Minute), at, 2*time.Second)
		require.Equal(t, "mailbox is busy", lastSaid(later).Description)
		require.Equal(t, 451, retries["x@away.test"].Results[0].Code)
		require.Equal(t, "4.4.1", retries["x@away.test"].Results[0].Status)
		require.Nil(t, retries["x@away.test"].Results[0].Dsn, "nobody said anything")

		w.sleep(time.Hour)
		for _, m := range w.take("failure") {
			p := parse(t, m)
			gaveUp := p.Results[len(p.Results)-1]
			require.Equal(t, "process", gaveUp.State)
			require.Equal(t, "timeout", gaveUp.Result)
			require.Empty(t, gaveUp.Description)
			if m.Recipient == "x@later.test" {
				require.Equal(t, "mailbox is busy", lastSaid(p).Description)
			}
		}
		w.shutDown()
	})
}

// TestEventsCarryWhatIsExtracted asks for it, and sees that the message itself stays as it is.
func TestEventsCarryWhatIsExtracted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Extract = true
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			require.Nil(t, tx.Message.Extracted)
			c.reply(tx, queue.StateRcptTo, 450, "busy")
		}
		w.start()
		m := mail("someone@example.com")
		m.Body = queue.Bytes("Subject: hello\r\nX-Job: 7\r\n\r\n")
		w.publish(m)
		w.sleep(15 * time.Minute)
		events := w.events.all(monitor.Retried)
		require.Len(t, events, 2)
		for _, e := range events {
			text, _ := e.Message.(*queue.Message).Property("extracted.headers.x_job")
			require.Equal(t, "7", text)
		}
		w.shutDown()
	})
}
