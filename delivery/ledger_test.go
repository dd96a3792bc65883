package delivery_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// ledger is a queue in memory that notes how each delivery ended, and fails on request.
type ledger struct {
	*memory.Queue
	// fail is asked before each call of the queue, with its name (consume, settle, release, park, unpark) and whom the
	// message is for; nil: never fails.
	fail func(call, recipient string) error
	// change may alter a delivery before it is handed out.
	change func(*queue.Delivery)

	mu      sync.Mutex
	out     int
	settled map[string]int // by recipient, how often without being put back into the outbox
	retried map[string]int
	gave    int // released
	parked  int
}

func newLedger() *ledger {
	return &ledger{Queue: memory.New(), settled: map[string]int{}, retried: map[string]int{}}
}

// entry is the driver of a delivery that is passed on.
type entry struct {
	l     *ledger
	inner *queue.Delivery
}

func (l *ledger) Consume(ctx context.Context, name string, opts queue.ConsumeOptions,
	handle func(*queue.Delivery)) error {
	if err := l.ask("consume", ""); err != nil {
		return err
	}
	return l.Queue.Consume(ctx, name, opts, func(inner *queue.Delivery) {
		d := queue.NewDelivery(&entry{l, inner})
		d.Queue, d.Message, d.Raw, d.Err = inner.Queue, inner.Message, inner.Raw, inner.Err
		d.Redelivered, d.Picked = inner.Redelivered, inner.Picked
		if l.change != nil && name == "outbox" {
			l.change(d)
		}
		l.mu.Lock()
		l.out++
		l.mu.Unlock()
		handle(d)
	})
}

func (l *ledger) ask(call, recipient string) error {
	l.mu.Lock()
	fail := l.fail
	l.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(call, recipient)
}

// failWith sets what calls return.
func (l *ledger) failWith(fail func(call, recipient string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = fail
}

func (e *entry) recipient() string {
	if e.inner.Message == nil {
		return ""
	}
	return e.inner.Message.Recipient
}

func (e *entry) Settle(ctx context.Context, _ *queue.Delivery, successors []queue.Item) error {
	if err := e.l.ask("settle", e.recipient()); err != nil {
		return err
	}
	recipient := e.recipient()
	if err := e.inner.Settle(ctx, successors...); err != nil {
		return err
	}
	e.l.mu.Lock()
	defer e.l.mu.Unlock()
	e.l.out--
	if e.inner.Queue != "outbox" {
		return nil
	}
	for _, item := range successors {
		if item.Queue == e.inner.Queue {
			e.l.retried[recipient]++
			return nil
		}
	}
	e.l.settled[recipient]++
	return nil
}

func (e *entry) Release(ctx context.Context, _ *queue.Delivery) error {
	if err := e.l.ask("release", e.recipient()); err != nil {
		return err
	}
	if err := e.inner.Release(ctx); err != nil {
		return err
	}
	e.l.mu.Lock()
	defer e.l.mu.Unlock()
	e.l.out--
	e.l.gave++
	return nil
}

func (l *ledger) Park(ctx context.Context, d *queue.Delivery, key string) error {
	if err := l.ask("park", d.Message.Recipient); err != nil {
		return err
	}
	return d.Finish(func() error {
		if err := l.Queue.Park(ctx, d.Driver().(*entry).inner, key); err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.out--
		l.parked++
		return nil
	})
}

func (l *ledger) Unpark(ctx context.Context, name, key string, n int) (int, error) {
	if err := l.ask("unpark", ""); err != nil {
		return 0, err
	}
	return l.Queue.Unpark(ctx, name, key, n)
}

// parks returns how many messages were parked so far.
func (l *ledger) parks() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parked
}

// closed checks that no delivery is out.
func (l *ledger) closed(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Zero(t, l.out, "deliveries that were neither settled, released nor parked")
}

// withLedger gives a world a ledger as its queue.
func (w *world) withLedger() *ledger {
	l := newLedger()
	w.queue, w.Queue = l, l
	return l
}
