package rabbitmq

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"crypto/tls"
	"crypto/x509"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/queue"
)

func gzipped(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}

// TestStrangeInput publishes what strangers may publish, and demands that each comes once, is said to be wrong if it
// is, keeps its bytes, and can be settled for good.
func TestStrangeInput(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	q := open(t, Options{Addresses: []string{address}, MaxMessageSize: 8 << 20})
	require.NoError(t, q.Declare(t.Context(), "outbox"))
	ch := rabbittest.Stranger(t, address)
	r := rabbittest.Consume(t, q, "outbox", 0)
	good := []byte(`{"recipient":"a@b.example","mime":"Subject: hi\n\n"}`)
	damaged := gzipped(bytes.Repeat(good, 100))
	damaged[len(damaged)/2] ^= 0xff
	for _, tc := range []struct {
		name, encoding string
		body           []byte
		syntax         string // part of a *queue.SyntaxError
		property       string // of a *queue.PropertyError
	}{
		{"a message", "", good, "", ""},
		{"the same again", "", good, "", ""},
		{"gzip", "gzip", gzipped(good), "", ""},
		{"two members of gzip", "gzip", append(gzipped(good[:10]), gzipped(good[10:])...), "", ""},
		{"a name for no encoding", "identity", good, "", ""},
		{"nothing", "", nil, "not a message", ""},
		{"not JSON", "", []byte("Subject: hi\r\n\r\n"), "not a message", ""},
		{"half of it", "", good[:20], "not a message", ""},
		{"an array", "", []byte(`["recipient"]`), "expected an object", ""},
		{"invalid UTF-8", "", []byte("{\"recipient\":\"a@b.example\",\"x\":\"\xff\xfe\"}"), "?", ""},
		{"10,000 nested arrays", "", []byte(`{"recipient":"a@b","x":` + strings.Repeat("[", 10_000) +
			strings.Repeat("]", 10_000) + `}`), "nested", ""},
		{"no recipient", "", []byte(`{"envelope":"a@b.example"}`), "", "recipient"},
		{"a wrong type", "", []byte(`{"recipient":"a@b.example","maxattempts":{}}`), "", "maxattempts"},
		{"properties twice", "", []byte(`{"recipient":"x@b.example","recipient":"a@b.example"}`), "", ""},
		{"a wrong type that is delayed", "", []byte(`{"recipient":"a@b.example","nextattempt":[]}`), "", "nextattempt"},
		{"not gzip", "gzip", good, "gzip", ""},
		{"damaged gzip", "gzip", damaged, "gzip", ""},
		{"half of gzip", "gzip", gzipped(good)[:30], "gzip", ""},
		{"a bomb", "gzip", gzipped(make([]byte, 100<<20)), "larger", ""},
		{"an unknown encoding", "br", good, `"br"`, ""},
	} {
		require.NoError(t, ch.Publish("", "outbox", false, false,
			amqp.Publishing{ContentEncoding: tc.encoding, Body: tc.body}), tc.name)
		d := r.Next()
		var syntax *queue.SyntaxError
		var property *queue.PropertyError
		switch {
		case tc.syntax == "?":
			if d.Message == nil {
				require.Equal(t, tc.body, d.Raw, tc.name)
			}
		case tc.syntax != "":
			require.ErrorAs(t, d.Err, &syntax, tc.name)
			require.ErrorContains(t, d.Err, tc.syntax, tc.name)
			require.Nil(t, d.Message, tc.name)
			require.True(t, bytes.Equal(tc.body, d.Raw), "%s: byte for byte", tc.name)
		case tc.property != "":
			require.ErrorAs(t, d.Err, &property, tc.name)
			require.Equal(t, tc.property, property.Property, tc.name)
			require.NotNil(t, d.Message, tc.name)
		default:
			require.NoError(t, d.Err, tc.name)
			require.Equal(t, "a@b.example", d.Message.Recipient, tc.name)
		}
		kept := rabbittest.Mail("kept")
		kept.Extra = map[string]json.RawMessage{"raw": json.RawMessage(`"x"`)}
		require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "failure", Message: kept}), tc.name)
	}
	r.None()
	require.Equal(t, 0, rabbittest.Waiting(t, ch, "outbox"))
}

// TestBombsDoNotAddUp publishes many bombs that are each as large as a message may be.
func TestBombsDoNotAddUp(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	q := open(t, Options{Addresses: []string{address}, MaxMessageSize: 4 << 20, Budget: 32 << 20})
	require.NoError(t, q.Declare(t.Context(), "outbox"))
	ch := rabbittest.Stranger(t, address)
	body := gzipped([]byte(`{"recipient":"a@b.example","mime":"` + strings.Repeat("x", 4<<20-100) + `"}`))
	for range 50 {
		require.NoError(t, ch.Publish("", "outbox", false, false, amqp.Publishing{ContentEncoding: "gzip", Body: body}))
	}
	r := rabbittest.Consume(t, q, "outbox", 0)
	for range 50 {
		d := r.Next()
		require.NoError(t, d.Err)
		require.LessOrEqual(t, q.held.part(), int64(16<<20), "bytes of what was read")
		require.NoError(t, d.Settle(t.Context()))
	}
	require.Zero(t, q.held.part())
}

func TestPublishedInGzip(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	q := open(t, Options{Addresses: []string{address}, Encoding: "gzip"})
	m := rabbittest.Mail("m")
	m.Body = queue.Bytes(strings.Repeat("the same again\r\n", 10_000) + "\xff\xfe")
	rabbittest.Publish(t, q, "outbox", m, rabbittest.Mail("next"))
	ch := rabbittest.Stranger(t, address)
	got, ok, err := ch.Get("outbox", false)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "gzip", got.ContentEncoding)
	require.Less(t, len(got.Body), 10_000)
	require.NoError(t, got.Nack(false, true))
	d := rabbittest.Consume(t, q, "outbox", 0).Next()
	require.Equal(t, m.Body, d.Message.Body)
	require.NoError(t, q.Park(t.Context(), d, "k"), "it is parked as it came")
	_, err = q.Unpark(t.Context(), "outbox", "k", 1)
	require.NoError(t, err)
}

func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	s := node.Server(t)
	pem, err := os.ReadFile(s.CAFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	secure := strings.Replace(strings.Replace(address, "amqp:", "amqps:", 1), s.Address, s.TLSAddress, 1)
	for _, tc := range []struct {
		name    string
		options Options
		want    string // part of the error; empty: it works
	}{
		{"all is well", Options{}, ""},
		{"wrong password", Options{Addresses: []string{strings.Replace(address, ":guest@", ":s3cret@", 1)}},
			"refuses the user or the password"},
		{"wrong virtual host", Options{Addresses: []string{address + "-not"}}, "virtual host"},
		{"no broker", Options{Addresses: []string{"amqp://guest:s3cret@127.0.0.1:1/"}}, "no broker answers"},
		{"not a URL", Options{Addresses: []string{"amqp://guest:s3cret@[::1/"}}, "address 1 of 1: expected amqp://user"},
		{"a bad port", Options{Addresses: []string{"amqp://guest:s3cret@localhost:x/"}}, "expected amqp://user"},
		{"another scheme", Options{Addresses: []string{"http://guest:s3cret@localhost/"}}, `the scheme is "http"`},
		{"the second host", Options{Addresses: []string{strings.Replace(address, "@", "@127.0.0.1:1;", 1)}}, ""},
		{"the second URL", Options{Addresses: []string{"amqp://127.0.0.1:1/," + address}}, ""},
		{"a certificate that is not known", Options{Addresses: []string{secure}}, "certificate is not valid"},
		{"a known certificate", Options{Addresses: []string{secure}, TLS: &tls.Config{RootCAs: roots}}, ""},
		{"a known certificate in the URL", Options{Addresses: []string{secure + "?cacertfile=" + s.CAFile}}, ""},
		{"no file of certificates", Options{Addresses: []string{secure + "?cacertfile=/nowhere"}}, "cacertfile"},
		{"any certificate", Options{Addresses: []string{secure}, NoVerify: true}, ""},
		{"TLS where there is none", Options{Addresses: []string{strings.Replace(address, "amqp:", "amqps:", 1)}},
			"does not speak TLS"},
	} {
		if tc.options.Addresses == nil {
			tc.options.Addresses = []string{address}
		}
		tc.options.Logger = new(rabbittest.Notes).Logger()
		q, err := Open(t.Context(), tc.options)
		if tc.want == "" {
			require.NoError(t, err, tc.name)
			rabbittest.Publish(t, q, "outbox", rabbittest.Mail(tc.name))
			require.NoError(t, q.Close(), tc.name)
			continue
		}
		require.ErrorContains(t, err, tc.want, tc.name)
		require.NotContains(t, err.Error(), "s3cret", tc.name)
		if !strings.Contains(err.Error(), "address 1") {
			require.ErrorIs(t, err, queue.ErrUnavailable, tc.name)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]Options{
		"quorum queues have no priorities": {QueueType: Quorum, MaxPriority: 5},
		"quorum queues cannot be lazy":     {QueueType: Quorum, Lazy: true},
		"quorum queues are always durable": {QueueType: Quorum, NotDurable: true},
		`queue type is "mirrored"`:         {QueueType: "mirrored"},
		"max priority is 256":              {MaxPriority: 256},
		"qos is 70000":                     {QoS: 70000},
		"publishers is -1":                 {Publishers: -1},
		`encoding is "br"`:                 {Encoding: "br"},
		"no address of a broker":           {Addresses: []string{" , "}},
	} {
		_, err := Open(context.Background(), o)
		require.ErrorContains(t, err, want)
	}
}

func TestOpenHeedsItsContext(t *testing.T) {
	t.Parallel()
	p := rabbittest.NewProxy(t, node.Server(t).Address)
	p.SetDeaf(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := Open(ctx, Options{Addresses: []string{p.Through("amqp://guest:guest@" + node.Server(t).Address + "/")}})
	require.True(t, errors.Is(err, context.DeadlineExceeded), "%v", err)
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestExchange(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	ch := rabbittest.Stranger(t, address)
	require.NoError(t, ch.ExchangeDeclare("topics", "topic", true, false, false, false, nil))
	_, err := ch.QueueDeclare("copies", true, false, false, false, nil)
	require.NoError(t, err)
	require.NoError(t, ch.QueueBind("copies", "#", "topics", false, nil))
	for _, name := range []string{"topics", "made-here"} {
		q := open(t, Options{Addresses: []string{address}, Exchange: name})
		rabbittest.Publish(t, q, "outbox-"+name, rabbittest.Mails("m", 3)...)
		for _, d := range rabbittest.Consume(t, q, "outbox-"+name, 0).Take(3) {
			require.NoError(t, d.Settle(t.Context()))
		}
	}
	require.Equal(t, 3, rabbittest.Waiting(t, ch, "copies"), "the exchange is really used")
	lost := open(t, Options{Addresses: []string{address}, Exchange: "nowhere", NoDeclare: true,
		Logger: new(rabbittest.Notes).Logger()})
	err = lost.Publish(t.Context(), rabbittest.Items("outbox", rabbittest.Mails("m", 1))...)
	require.ErrorContains(t, err, "nowhere")
}

func TestRungs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		remaining time.Duration
		want      string
	}{
		{-time.Hour, ""}, {999 * time.Millisecond, ""}, {time.Second, "1s"}, {9 * time.Second, "3s"},
		{10 * time.Second, "10s"},
		{time.Minute, "1m"}, {59 * time.Minute, "30m"}, {23 * time.Hour, "10h"}, {300 * 24 * time.Hour, "1d"},
	} {
		got := ""
		if i := rung(tc.remaining); i >= 0 {
			got = rungs[i].name
		}
		require.Equal(t, tc.want, got, "%v", tc.remaining)
	}
}

// TestDelayedMailWaitsSafely looks at the queue in which delayed mail waits with the broker's own eyes.
func TestDelayedMailWaitsSafely(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		options Options
		args    amqp.Table
	}{
		{"classic", Options{NotDurable: true, NotPersistent: true, MaxPriority: 3}, nil},
		{"quorum", Options{QueueType: Quorum}, amqp.Table{"x-queue-type": "quorum"}},
	} {
		address := node.VHost(t)
		tc.options.Addresses = []string{address}
		q := open(t, tc.options)
		late := rabbittest.Mail("late")
		late.NextAttempt = time.Now().Add(45 * time.Minute)
		read(t, q, "outbox")
		rabbittest.Publish(t, q, "outbox", late)
		ch := rabbittest.Stranger(t, address)
		require.NoError(t, q.Close()) // its mover holds the message
		_, err := ch.QueueDeclare("outbox.delay.30m", true, false, false, false, tc.args)
		require.NoError(t, err, tc.name)
		rabbittest.AwaitWaiting(t, ch, "outbox.delay.30m", 1)
	}
}

func TestParkedMailComesBackByItself(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	options := Options{Addresses: []string{address}, parkedFor: time.Second}
	q := open(t, options)
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("m", 3)...)
	r := rabbittest.Consume(t, q, "outbox", 0)
	out := r.Take(3)
	require.NoError(t, q.Park(t.Context(), out[0], "example.com"))
	again := r.Next()
	require.Equal(t, out[0].Message.ID, again.Message.ID)
	require.NoError(t, again.Settle(t.Context()))
	// What a process leaves behind comes to another one.
	require.NoError(t, q.Park(t.Context(), out[1], strings.Repeat("very-long-", 40)))
	require.NoError(t, out[2].Settle(t.Context()))
	require.NoError(t, q.Close())
	d := rabbittest.Consume(t, open(t, options), "outbox", 0).Next()
	require.Equal(t, out[1].Message.ID, d.Message.ID)
	require.NoError(t, d.Settle(t.Context()))
}

func TestLargeMailsStayWithinTheBudget(t *testing.T) {
	t.Parallel()
	q := open(t, Options{Addresses: []string{node.VHost(t)}, Budget: 20 << 20, MinQoS: 4})
	var list []*queue.Message
	for i := range 60 {
		m := rabbittest.Mail(fmt.Sprint("m", i))
		m.Body = queue.Bytes(strings.Repeat("0123456789abcd\r\n", 1<<16)) // 1 MiB
		list = append(list, m)
	}
	require.NoError(t, q.Publish(t.Context(), rabbittest.Items("outbox", list)...))
	require.Zero(t, q.encoding.part())
	r := rabbittest.Consume(t, q, "outbox", 50)
	for i := range 60 {
		d := r.Next()
		require.Equal(t, fmt.Sprint("m", i), d.Message.ID, "in order")
		require.LessOrEqual(t, q.held.part(), int64(10<<20), "bytes of what was read")
		require.NoError(t, d.Settle(t.Context()))
	}
}
