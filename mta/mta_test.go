package mta

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
)

// patience is how long what should come soon may take; only failing tests wait that long.
const patience = 40 * time.Second

// sent is a Sender that delivers everything, to a channel.
type sent chan string

func (s sent) Open(context.Context, *delivery.Hop) (delivery.Connection, error) { return s, nil }

func (s sent) Deliver(_ context.Context, tx, _ *delivery.Transaction) {
	tx.Result = queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250}
	s <- tx.Message.Recipient
}

func (s sent) Usable() bool                  { return true }
func (s sent) Idle(ctx context.Context) bool { <-ctx.Done(); return true }
func (s sent) Close() error                  { return nil }

// closing notes when it is closed.
type closing struct {
	queue.Queue
	mu     sync.Mutex
	closed bool
}

func (c *closing) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.Queue.Close()
}

// arguments name files of the test, a free port, and a target that is never asked.
func arguments(t *testing.T) (args []string, address string) {
	t.Helper()
	dir, port := t.TempDir(), strconv.Itoa(testserver.FreePort(t))
	return []string{"--smtp-ip", "127.0.0.1", "--smtp-port", port, "--smtp-range", "127.0.0.0/8",
		"--queue-address", "disk://" + filepath.Join(dir, "queue"), "--www-port", "0",
		"--database-address", "sqlite://" + filepath.Join(dir, "settings.db"),
		"--smtp-sink-address", "127.0.0.1", "--smtp-sink-port", "1"}, "127.0.0.1:" + port
}

// open opens an MTA that is shut down when the test ends.
func open(t *testing.T, args []string, o Options) *MTA {
	t.Helper()
	cfg, report, err := Load(args, nil)
	require.NoError(t, err)
	o.Report = report
	m, err := Open(t.Context(), cfg, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Shutdown(context.Background())) })
	return m
}

func submit(t *testing.T, address, password string) error {
	t.Helper()
	c, err := smtp.Dial(address)
	require.NoError(t, err)
	defer c.Close()
	if password != "" {
		if err := c.Auth(sasl.NewPlainClient("", "joe", password)); err != nil {
			return err
		}
	}
	return c.SendMail("a@example.com", []string{"b@example.com"}, strings.NewReader("Subject: x\r\n\r\nHello\r\n"))
}

// TestPartsOfOnesOwn has a mail come in by a login of one's own, wait in a queue of one's own, and leave by a sender of
// one's own.
func TestPartsOfOnesOwn(t *testing.T) {
	args, address := arguments(t)
	q, out := &closing{Queue: memory.New()}, make(sent, 9)
	m := open(t, args, Options{Queue: q, Sender: out, Authenticator: auth.Hardcoded(map[string]string{"joe": "sesame"})})
	running := make(chan error, 1)
	go func() { running <- m.Run(t.Context()) }()
	<-m.Ready()
	require.Error(t, submit(t, address, ""), "without login")
	require.ErrorContains(t, submit(t, address, "wrong"), "535")
	require.NoError(t, submit(t, address, "sesame"))
	select {
	case to := <-out:
		require.Equal(t, "b@example.com", to)
	case <-time.After(patience):
		require.FailNow(t, "the mail does not leave")
	}

	require.NoError(t, m.Shutdown(context.Background()))
	require.NoError(t, <-running)
	require.False(t, q.closed, "it is the caller's to close")
	_, err := net.Dial("tcp", address)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Error(t, m.Run(t.Context()), "it has ended")
	require.NoError(t, q.Close())
}

// looking is a check of one's own, and a monitor that keeps what kinds of events it was told of.
type looking struct {
	monitor.Monitor
	mails atomic.Int64
	mu    sync.Mutex
	told  map[monitor.Kind]bool
}

func (l *looking) Name() string { return "own" }

func (l *looking) Check(context.Context, *checks.Mail) ([]checks.Result, error) {
	l.mails.Add(1)
	return []checks.Result{{Check: "own", Verdict: checks.Pass, JSON: checks.NewObject("own", "pass").JSON()}}, nil
}

func (l *looking) Observe(e *monitor.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[e.Kind] = true
}

// holding is a throttler that lets nobody connect until it is told to.
type holding struct {
	throttle.Throttler
	asked chan string
	free  atomic.Bool
}

func (h *holding) Connect(path throttle.Path, target netip.Addr) (throttle.Conn, throttle.Wait) {
	if h.free.Load() {
		return h.Throttler.Connect(path, target)
	}
	select {
	case h.asked <- path.Site:
	default:
	}
	return nil, throttle.Wait{For: 20 * time.Millisecond}
}

// TestOnesOwnChecksLimitsAndMonitor has a mail looked at by a check of one's own, held by a throttler of one's own, and
// told to a monitor of one's own.
func TestOnesOwnChecksLimitsAndMonitor(t *testing.T) {
	args, address := arguments(t)
	own := &looking{Monitor: monitor.Discard, told: map[monitor.Kind]bool{}}
	limits := &holding{Throttler: local.New(new(local.Table)), asked: make(chan string, 1)}
	out := make(sent, 9)
	m := open(t, args, Options{Queue: memory.New(), Sender: out, Monitor: own, Checkers: []checks.Checker{own},
		Throttler: limits})
	go func() { _ = m.Run(t.Context()) }()
	<-m.Ready()
	require.NoError(t, submit(t, address, ""))
	require.EqualValues(t, 1, own.mails.Load())
	select {
	case <-limits.asked:
	case <-time.After(patience):
		require.FailNow(t, "the throttler is not asked")
	}
	require.Empty(t, out)
	limits.free.Store(true)
	select {
	case <-out:
	case <-time.After(patience):
		require.FailNow(t, "the mail does not leave")
	}
	require.Eventually(t, func() bool {
		own.mu.Lock()
		defer own.mu.Unlock()
		return own.told[monitor.MessageReceived] && own.told[monitor.Delivered]
	}, patience, time.Millisecond)
}

// TestReload changes who may connect, and keeps what was in force when the new configuration cannot be used.
func TestReload(t *testing.T) {
	args, address := arguments(t)
	m := open(t, args, Options{Queue: memory.New(), Sender: make(sent, 9)})
	go func() { _ = m.Run(t.Context()) }()
	<-m.Ready()
	require.NoError(t, submit(t, address, ""))
	cfg, _, err := Load(append(args, "--smtp-range", "192.0.2.0/24"), nil)
	require.NoError(t, err)
	broken := *cfg
	broken.SMTPRoutes = filepath.Join(t.TempDir(), "missing")
	require.ErrorContains(t, m.Reload(&broken), "smtp-routes")
	require.NoError(t, submit(t, address, ""), "nothing has changed")
	require.NoError(t, m.Reload(cfg))
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer c.Close()
	answer := make([]byte, 3)
	_, err = c.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "554", string(answer))
}

// TestOpenFails leaves nothing behind: what was opened before is closed.
func TestOpenFails(t *testing.T) {
	args, address := arguments(t)
	cfg, _, err := Load(args, nil)
	require.NoError(t, err)
	broken := *cfg
	broken.StoragePolicy, broken.StorageAddress = "nonsense", "dir://"+t.TempDir()
	_, err = Open(t.Context(), &broken, Options{})
	require.ErrorContains(t, err, "storage-policy")
	require.True(t, Misconfigured(err))

	stopped, stop := context.WithCancelCause(t.Context())
	because := errors.New("told to")
	stop(because)
	_, err = Open(stopped, cfg, Options{})
	require.ErrorIs(t, err, because)

	m, err := Open(t.Context(), cfg, Options{})
	require.NoError(t, err, "queue and ports are free")
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	c.Close()
	require.NoError(t, m.Shutdown(t.Context()), "it never ran")
	m, err = Open(t.Context(), cfg, Options{})
	require.NoError(t, err)
	require.NoError(t, m.Shutdown(t.Context()))
}

// TestClosersRunBackwards, each once, whatever fails.
func TestClosersRunBackwards(t *testing.T) {
	var order []int
	b := &base{opened: new(closers)}
	for i := range 3 {
		b.onClose(func() error { order = append(order, i); return errors.New("part " + strconv.Itoa(i)) })
	}
	err := b.opened.close()
	require.ErrorContains(t, err, "part 0")
	require.ErrorContains(t, err, "part 2")
	require.Equal(t, []int{2, 1, 0}, order)
	require.NoError(t, b.opened.close())
}
