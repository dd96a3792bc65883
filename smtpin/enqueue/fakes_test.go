package enqueue_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
)

// recorder is a queue that remembers what it was given.
type recorder struct {
	mu        sync.Mutex
	published [][]queue.Item
	err       error
	onPublish func(ctx context.Context, items []queue.Item)
}

func (q *recorder) Publish(ctx context.Context, items ...queue.Item) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.onPublish != nil {
		q.onPublish(ctx, items)
	}
	if q.err != nil {
		return q.err
	}
	for i := range items {
		if err := keep(&items[i]); err != nil {
			return err
		}
	}
	q.published = append(q.published, items)
	return nil
}

type onDisk interface{ File() *os.File }

// spooled is what a recorder keeps of a mail that came in a file.
type spooled struct {
	queue.Bytes
	file *os.File
	info os.FileInfo
}

// keep reads a body that will be closed.
func keep(item *queue.Item) (err error) {
	f, ok := item.Message.Body.(onDisk)
	if !ok {
		return nil
	}
	m, s := *item.Message, &spooled{file: f.File()}
	if s.info, err = s.file.Stat(); err != nil {
		return err
	}
	if s.Bytes, err = queue.ReadBody(m.Body); err != nil {
		return err
	}
	m.Body = s
	item.Message = &m
	return nil
}

// fileOf returns the file that a recorded message came in, or nil.
func fileOf(m *queue.Message) *spooled {
	s, _ := m.Body.(*spooled)
	return s
}

func (q *recorder) Consume(context.Context, string, queue.ConsumeOptions, func(*queue.Delivery)) error {
	return errors.New("a recorder only records")
}

func (q *recorder) Close() error { return nil }

// items returns what was published last.
func (q *recorder) items(t testing.TB) []queue.Item {
	t.Helper()
	require.NotEmpty(t, q.published, "nothing was published")
	return q.published[len(q.published)-1]
}

// only returns the one message that was published last.
func (q *recorder) only(t testing.TB) *queue.Message {
	t.Helper()
	items := q.items(t)
	require.Len(t, items, 1)
	return items[0].Message
}

// events is a monitor that remembers received messages.
type events struct {
	monitor.Monitor
	got []monitor.Event
}

func (e *events) Observe(event *monitor.Event) { e.got = append(e.got, *event) }

var testTime = time.Date(2026, 11, 21, 9, 16, 39, 0, time.UTC)

func newBackend(t testing.TB) (*enqueue.Backend, *recorder) {
	q := &recorder{}
	return &enqueue.Backend{
		Queue: q, SpoolDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return testTime },
	}, q
}

var (
	trusted = smtpin.ConnInfo{Hostname: "client.example", ServerName: "mx.example", Local: addrPort("192.0.2.25:25"),
		Remote: addrPort("198.51.100.7:4321")}
	stranger  = with(trusted, func(i *smtpin.ConnInfo) { i.Listener = &smtpin.Listener{AuthToRelay: true} })
	lmtpGuest = with(trusted, func(i *smtpin.ConnInfo) { i.Listener = &smtpin.Listener{AuthToRelay: true, LMTP: true} })
)

func with(info smtpin.ConnInfo, change func(*smtpin.ConnInfo)) smtpin.ConnInfo {
	change(&info)
	return info
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// session is what the server sees of an enqueue session.
type session interface {
	smtpin.DataSession
	smtpin.MailSession
	smtp.LMTPSession
}

func newSession(t testing.TB, b *enqueue.Backend, info smtpin.ConnInfo) session {
	t.Helper()
	s, err := b.NewSession(context.Background(), smtpin.NewConn(info))
	require.NoError(t, err)
	return s.(session)
}

// send hands a mail in and returns the lines of the reply.
func send(t testing.TB, s session, mail string, rcpts ...string) ([]string, error) {
	t.Helper()
	return sendFrom(t, s, strings.NewReader(mail), rcpts...)
}

func sendFrom(t testing.TB, s session, mail io.Reader, rcpts ...string) ([]string, error) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, s.MailContext(ctx, "sender@example.org", nil))
	for _, r := range rcpts {
		require.NoError(t, s.RcptContext(ctx, r, nil))
	}
	reply, err := s.DataReply(ctx, mail)
	if err != nil {
		return nil, err
	}
	require.Equal(t, 250, reply.Code)
	return strings.Split(reply.Message, "\n"), nil
}

// requireReply checks that err is this reply.
func requireReply(t testing.TB, err error, code int, enhanced smtp.EnhancedCode, text string) {
	t.Helper()
	reply, ok := errors.AsType[*smtp.SMTPError](err)
	require.True(t, ok, "not a reply: %v", err)
	require.Equal(t, code, reply.Code, reply.Message)
	require.Equal(t, enhanced, reply.EnhancedCode, reply.Message)
	require.Contains(t, reply.Message, text)
}

func bodyOf(t testing.TB, m *queue.Message) string {
	t.Helper()
	b, err := queue.ReadBody(m.Body)
	require.NoError(t, err)
	return string(b)
}

// withoutTrace returns the mail behind our Received field.
func withoutTrace(t testing.TB, m *queue.Message) string {
	t.Helper()
	body := bodyOf(t, m)
	require.True(t, strings.HasPrefix(body, "Received: from "), body)
	_, rest, ok := strings.Cut(body, "+0000\r\n")
	require.True(t, ok, body)
	return rest
}

const simpleMail = "From: a@example.org\r\nSubject: hello\r\n\r\ntext\r\n"

func itoa(n int) string { return strconv.Itoa(n) }
