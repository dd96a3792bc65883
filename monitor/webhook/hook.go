package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Options says where results come from and where they go.
type Options struct {
	// Queue has the results in the queue of this Name, which nobody else may read.
	Queue queue.Queue
	Name  string
	// Dir is the directory of the journal, made if needed: one process may have it open.
	Dir string
	// MaxBytes bounds the journal, results that were taken already included, which are kept for Replay. What is refused
	// for good has a tenth of it beside. Zero means 1 GiB.
	MaxBytes int64
	// Terms returns how results are sent now. It is asked for every request and must not block.
	Terms func() *Terms
	// Transport makes requests. Nil: one of its own, which asks Terms for a proxy.
	Transport http.RoundTripper
	// Logger hears when results are not taken, taken again, refused for good, or lost. Nil: slog.Default.
	Logger *slog.Logger
}

// Terms are how results are sent. A value never changes.
type Terms struct {
	URL    *url.URL
	Secret string // that requests are signed with; "": they are not
	// Proxy is the address of a proxy: http, https or socks5. Nil: none.
	Proxy *url.URL
	// Filter leaves properties out. Nil: none.
	Filter *Filter
	// Batch is how many results go into a request at most. Zero means 500. No request is larger than 1 MiB, unless one
	// result is.
	Batch int
	// Delay is how long a result waits for others to go with. Zero: not at all.
	Delay time.Duration
	// Timeout is how long an answer may take. Zero means 30 seconds.
	Timeout time.Duration
	// Connections is how many requests are on their way at a time. Zero means 1.
	Connections int
}

func (t *Terms) batch() int             { return cmp.Or(t.Batch, 500) }
func (t *Terms) timeout() time.Duration { return cmp.Or(t.Timeout, 30*time.Second) }
func (t *Terms) connections() int       { return max(t.Connections, 1) }

// Hook posts results to a web server until it is closed. Its methods may be called at once by many.
type Hook struct {
	o       Options
	log     *slog.Logger
	client  http.Client
	journal *journal
	dead    *journal // what was refused for good

	news     chan struct{} // one place: the journal has more
	commands chan func(*sender)
	stop     context.CancelFunc
	ended    sync.WaitGroup
	over     chan struct{} // closed when the sender is
	health   health
}

// Open opens the journal and begins to read and to send. The directory must be writable.
func Open(o Options) (*Hook, error) {
	o.MaxBytes = cmp.Or(o.MaxBytes, 1<<30)
	h := &Hook{o: o, log: cmp.Or(o.Logger, slog.Default()), news: make(chan struct{}, 1),
		commands: make(chan func(*sender)), over: make(chan struct{})}
	h.client = http.Client{Transport: o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if o.Transport == nil {
		h.client.Transport = h.transport()
	}
	var err error
	if h.journal, err = openJournal(o.Dir, o.MaxBytes); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if h.dead, err = openJournal(filepath.Join(o.Dir, "dead"), o.MaxBytes/10); err != nil {
		_ = h.journal.close()
		return nil, fmt.Errorf("journal: %w", err)
	}
	s, err := newSender(h)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), h.journal.close(), h.dead.close())
	}
	h.health.since = time.Now()
	var ctx context.Context
	ctx, h.stop = context.WithCancel(context.Background())
	in := newIntake(h)
	h.ended.Go(func() { in.run(ctx) })
	h.ended.Go(func() { s.run(ctx); close(h.over) })
	return h, nil
}

// closeTime is how long requests on their way have when everything ends.
const closeTime = 2 * time.Second

// Close writes what was read, gives requests on their way two seconds, and keeps the rest for the next Open. What was
// not written stays in the queue, which must still be open.
func (h *Hook) Close() error {
	h.stop()
	h.ended.Wait()
	h.client.CloseIdleConnections()
	return errors.Join(h.journal.close(), h.dead.close())
}

// wake tells the sender that there is more.
func (h *Hook) wake() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// do has the sender do something between its own steps.
func (h *Hook) do(ctx context.Context, what func(*sender) error) error {
	done := make(chan error, 1)
	select {
	case h.commands <- func(s *sender) { done <- what(s) }:
		return <-done
	case <-h.over:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errClosed = errors.New("webhook: closed")
