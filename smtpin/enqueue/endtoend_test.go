package enqueue_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// house is a server with a queue behind it.
type house struct {
	*enqueue.Backend
	addr  string
	queue *memory.Queue
}

func newHouse(t *testing.T, policy *smtpin.Listener, setups ...func(*house, *smtpin.Server)) *house {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	h := &house{queue: memory.New()}
	h.Backend = &enqueue.Backend{
		Queue: h.queue, SpoolDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Local: isLocal,
		Queues:        enqueue.Queues{Local: "local"},
		Authenticator: auth.Func(onlyJoe),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h.addr = l.Addr().String()
	server := &smtpin.Server{Backend: h.Backend, Hostname: "mx.example", DSN: true, Logger: h.Logger}
	for _, setup := range setups {
		setup(h, server)
	}
	done := make(chan error, 1)
	go func() { done <- server.ServeListener(l, policy) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, smtpin.ErrServerClosed)
		require.NoError(t, h.queue.Close())
	})
	return h
}

func onlyJoe(_ context.Context, l auth.Login) error {
	if l.Username != "joe" || l.Password != "secret" {
		return auth.ErrRejected
	}
	return nil
}

func unreachable(context.Context, auth.Login) error { return errors.New("directory is down") }

// next takes one message from a queue, with its mail.
func (h *house) next(t *testing.T, name string) (*queue.Message, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var taken *queue.Delivery
	err := h.queue.Consume(ctx, name, queue.ConsumeOptions{Prefetch: 1}, func(d *queue.Delivery) {
		if taken != nil {
			_ = d.Release(context.Background())
			return
		}
		taken = d
		cancel()
	})
	require.NoError(t, err)
	require.NotNil(t, taken, "nothing in %s", name)
	m := taken.Message
	mail, err := queue.ReadBody(m.Body)
	require.NoError(t, err)
	mail = bytes.Clone(mail)
	require.NoError(t, taken.Settle(context.Background()))
	return m, string(mail)
}

// stored counts all messages.
func (h *house) stored(t *testing.T) (n int) {
	t.Helper()
	stats, err := h.queue.Queues(context.Background())
	require.NoError(t, err)
	for _, s := range stats {
		n += s.Ready + s.Delayed + s.Parked + s.Out
	}
	return n
}

// dial opens a connection for a dialogue by hand.
func (h *house) dial(t *testing.T) *textproto.Conn {
	t.Helper()
	c, err := textproto.Dial("tcp", h.addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	say(t, c, "", 220)
	return c
}

// say sends lines and returns the text of the reply, which must have this code.
func say(t *testing.T, c *textproto.Conn, lines string, code int) string {
	t.Helper()
	if lines != "" {
		require.NoError(t, c.PrintfLine("%s", lines))
	}
	_, text, err := c.ReadResponse(code)
	require.NoError(t, err, lines)
	return text
}

func TestEndToEnd(t *testing.T) {
	h := newHouse(t, &smtpin.Listener{})
	c := h.dial(t)
	say(t, c, "EHLO client.example", 250)
	say(t, c, "MAIL FROM:<a@example.org> RET=HDRS ENVID=e1", 250)
	say(t, c, "RCPT TO:<x@Remote.example> NOTIFY=FAILURE", 250)
	say(t, c, "RCPT TO:<y@local.example>", 250)
	say(t, c, "DATA", 354)
	text := say(t, c, "Subject: x\r\nX-MQ-Tag: news\r\n\r\n..dot\r\n.", 250)
	lines := strings.Split(text, "\n")
	require.Len(t, lines, 3, text)

	m, mail := h.next(t, "outbox")
	require.Equal(t, m.ID+" for x@Remote.example", lines[1])
	require.Equal(t, "a@example.org", m.Envelope)
	require.Equal(t, []string{"news"}, m.Tags)
	require.Equal(t, &queue.DSN{Notify: []string{"FAILURE"}, Ret: "HDRS", EnvID: "e1"}, m.DSN)
	require.Equal(t, "127.0.0.1", m.Connection.RemoteIP)
	require.Equal(t, "mx.example", m.Hostname)
	require.Regexp(t,
		`^Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n\tby mx\.example with ESMTP\r\n\tid 1-[0-9a-v]+;\r\n\t.*\r\nSubject: x\r\n\r\n\.dot\r\n$`, mail)
	m, _ = h.next(t, "local")
	require.Equal(t, m.ID+" for y@local.example", lines[2])
	require.Zero(t, h.stored(t))
}

func TestEndToEndLogin(t *testing.T) {
	h := newHouse(t, &smtpin.Listener{AuthToRelay: true})
	c, err := smtp.Dial(h.addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Mail("a@example.org", nil))
	requireReply(t, c.Rcpt("x@remote.example", nil), 530, smtp.EnhancedCode{5, 7, 0}, "uthentication")
	require.NoError(t, c.Reset())
	require.Error(t, c.Auth(sasl.NewPlainClient("", "joe", "wrong")))
	require.NoError(t, c.Auth(sasl.NewPlainClient("", "joe", "secret")))
	require.NoError(t, c.SendMail("a@example.org", []string{"x@remote.example"}, strings.NewReader(simpleMail)))
	m, mail := h.next(t, "outbox")
	require.Equal(t, "joe", m.Connection.User)
	require.Contains(t, mail, " with ESMTPA\r\n")
}

func TestEndToEndLarge(t *testing.T) {
	h := newHouse(t, &smtpin.Listener{})
	c, err := smtp.Dial(h.addr)
	require.NoError(t, err)
	defer c.Close()
	large := "A: b\r\n\r\n" + strings.Repeat(strings.Repeat("0123456789", 7)+"\r\n.\r\n", 40_000)
	require.NoError(t, c.SendMail("a@example.org", []string{"x@remote.example"}, strings.NewReader(large)))
	_, mail := h.next(t, "outbox")
	require.True(t, strings.HasSuffix(mail, "\r\n"+large), "the mail was changed")
	requireEmptyDir(t, h.SpoolDir)
}

func TestEndToEndLMTP(t *testing.T) {
	h := newHouse(t, &smtpin.Listener{LMTP: true, AuthToRelay: true})
	h.Queues.Refused = "refused"
	nc, err := net.Dial("tcp", h.addr)
	require.NoError(t, err)
	c := smtp.NewClientLMTP(nc)
	defer c.Close()
	require.NoError(t, c.Mail("a@example.org", nil))
	require.NoError(t, c.Rcpt("x@remote.example", nil))
	require.NoError(t, c.Rcpt("y@local.example", nil))
	w, err := c.Data()
	require.NoError(t, err)
	_, err = w.Write([]byte(simpleMail))
	require.NoError(t, err)
	got, ok := errors.AsType[smtp.LMTPDataError](w.Close())
	require.True(t, ok)
	require.Len(t, got, 1, "the local recipient is accepted")
	require.Equal(t, 530, got["x@remote.example"].Code)
	require.Equal(t, 2, h.stored(t))
	m, _ := h.next(t, "local")
	require.Equal(t, "y@local.example", m.Recipient)
}

func TestEndToEndHalfAMail(t *testing.T) {
	h := newHouse(t, &smtpin.Listener{})
	for _, size := range []int{100, 1 << 20} {
		c := h.dial(t)
		say(t, c, "EHLO client.example", 250)
		say(t, c, "MAIL FROM:<a@example.org>\r\nRCPT TO:<x@remote.example>\r\nDATA", 250)
		say(t, c, "", 250)
		say(t, c, "", 354)
		require.NoError(t, c.PrintfLine("A: b\r\n\r\n%s", strings.Repeat("x\r\n", size/3)))
		require.NoError(t, c.Close())
	}
	c := h.dial(t)
	say(t, c, "EHLO client.example", 250)
	require.Zero(t, h.stored(t))
	requireEmptyDir(t, h.SpoolDir)
}

func TestEndToEndFullQueue(t *testing.T) {
	h := newHouse(t, &smtpin.Listener{})
	h.queue.MaxMessages = 1
	c := h.dial(t)
	say(t, c, "EHLO client.example", 250)
	for _, code := range []int{250, 452} {
		say(t, c, "MAIL FROM:<a@example.org>", 250)
		say(t, c, "RCPT TO:<x@remote.example>", 250)
		say(t, c, "DATA", 354)
		say(t, c, simpleMail+".", code)
	}
	h.next(t, "outbox")
	say(t, c, "MAIL FROM:<a@example.org>\r\nRCPT TO:<x@remote.example>\r\nDATA", 250)
	say(t, c, "", 250)
	say(t, c, "", 354)
	say(t, c, simpleMail+".", 250)
}
