package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// ask runs f, which asks the broker things, and waits for it no longer than ctx lasts: calls of the AMQP library wait
// for a broker that does not answer until they learn that the connection is dead. While the broker is known to be away
// it fails at once. What f has begun it may go on with after ask returned.
func ask[T any](ctx context.Context, q *Queue, f func(context.Context) (T, error)) (T, error) {
	var none T
	if q.isClosed() {
		return none, queue.ErrClosed
	}
	if err := q.dialer.outage(); err != nil {
		return none, err
	}
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	if !q.start(func() {
		ctx, cancel := q.bounded(ctx)
		defer cancel()
		v, err := f(ctx)
		done <- answer{v, err}
	}) {
		return none, queue.ErrClosed
	}
	select {
	case a := <-done:
		if a.err == nil || ctx.Err() == nil {
			return a.value, q.closed(a.err)
		}
	case <-ctx.Done():
	case <-q.life.Done():
		return none, queue.ErrClosed
	}
	return none, q.late(ctx)
}

// late says why there is no answer.
func (q *Queue) late(ctx context.Context) error {
	if err := q.dialer.outage(); err != nil {
		return err
	}
	return fmt.Errorf("rabbitmq: %w: the broker has not answered in time: %v", queue.ErrUnavailable, context.Cause(ctx))
}

// outage returns since when and why no broker can be reached; nil when one can, as far as is known.
func (d *dialer) outage() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.down) == 0 {
		return nil
	}
	return fmt.Errorf("%w (since %s UTC)", d.why, d.since.UTC().Format(time.DateTime))
}
