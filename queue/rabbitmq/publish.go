package rabbitmq

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

// Publish implements queue.Queue. It returns nil when the broker has confirmed every item. The error is, or wraps,
// queue.ErrUnavailable when nothing can be published at the moment, queue.ErrUnknown when a message was sent and not
// confirmed, and queue.ErrTooLarge.
func (q *Queue) Publish(ctx context.Context, items ...queue.Item) error {
	if err := queue.CheckItems(items); err != nil {
		return err
	}
	return q.store(ctx, items)
}

// store publishes items and waits for their confirmation.
func (q *Queue) store(ctx context.Context, items []queue.Item) error {
	if q.isClosed() {
		return queue.ErrClosed
	}
	if err := ctx.Err(); err != nil || len(items) == 0 {
		return err
	}
	missing, err := q.attempt(ctx, items, q.opts.NoDeclare)
	if len(missing) > 0 {
		// Somebody deleted the queue: make it anew, and publish what came back.
		for i := range missing {
			q.forgetRoutes(missing[i].Queue)
		}
		_, again := q.attempt(ctx, missing, true)
		err = cmp.Or(err, again)
	}
	return q.closed(err)
}

func (q *Queue) forgetRoutes(name string) {
	q.topology.forget(name)
	for i := range rungs {
		q.topology.forget(rungName(name, i))
	}
}

// attempt publishes items once. Those for which there is no queue are an error when strict, and else returned beside
// the error of the others.
func (q *Queue) attempt(ctx context.Context, items []queue.Item, strict bool) ([]queue.Item, error) {
	p, err := q.publisher()
	if err != nil {
		return nil, err
	}
	b := &batch{left: 1, done: make(chan struct{}), jobs: make([]*job, 0, len(items)), errs: make([]error, len(items))}
	for i := range items {
		j, err := q.encode(ctx, &items[i])
		if err == nil {
			b.add(i, j)
			err = p.put(ctx, j)
		}
		if err != nil {
			b.withdraw()
			b.finish(-1, nil)
			_ = q.await(ctx, b) // so that the caller need not wonder about items that were sent
			return nil, err
		}
	}
	b.finish(-1, nil)
	if err := q.await(ctx, b); err != nil {
		return nil, err
	}
	return b.result(items, strict)
}

// publisher returns one that can take jobs now.
func (q *Queue) publisher() (*publisher, error) {
	n := int(q.next.Add(1))
	var first error
	for i := range q.publishers {
		p := q.publishers[(n+i)%len(q.publishers)]
		err := p.ready()
		if err == nil {
			return p, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// await waits until everything in the batch has an outcome.
func (q *Queue) await(ctx context.Context, b *batch) error {
	timeout := time.NewTimer(q.opts.ConfirmTimeout)
	defer timeout.Stop()
	var cause error
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		cause = ctx.Err()
	case <-timeout.C:
		cause = fmt.Errorf("rabbitmq: the broker did not confirm within %v", q.opts.ConfirmTimeout)
	case <-q.life.Done():
		return queue.ErrClosed
	}
	if b.withdraw() {
		return cause // nothing was sent
	}
	return fmt.Errorf("%w: %w", queue.ErrUnknown, cause)
}

// batch gathers the outcomes of jobs.
type batch struct {
	mu   sync.Mutex
	left int
	done chan struct{} // closed when all have one
	jobs []*job
	errs []error
}

// add makes the batch wait for a job.
func (b *batch) add(i int, j *job) {
	j.done = func(err error) { b.finish(i, err) }
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left++
	b.jobs = append(b.jobs, j)
}

// finish notes one outcome; -1 stands for the goroutine that fills the batch.
func (b *batch) finish(i int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i >= 0 {
		b.errs[i] = err
	}
	if b.left--; b.left == 0 {
		close(b.done)
	}
}

// withdraw takes back what was not sent yet, and reports whether that was all.
func (b *batch) withdraw() bool {
	all := true
	for _, j := range b.jobs {
		if j.withdraw() {
			j.done(context.Canceled)
		} else {
			all = false
		}
	}
	return all
}

// result tells which items had no queue, and the first error of the others.
func (b *batch) result(items []queue.Item, strict bool) (missing []queue.Item, err error) {
	for i, e := range b.errs {
		var u *unroutable
		if !strict && errors.As(e, &u) {
			missing = append(missing, items[i])
		} else if err == nil {
			err = e
		}
	}
	return missing, err
}

// overhead is what a message may take beside its mail, for the budget.
const overhead = 4 << 10

// encode makes a job of an item.
func (q *Queue) encode(ctx context.Context, item *queue.Item) (*job, error) {
	m := item.Message
	exchange, key, err := q.route(ctx, item.Queue, m.NextAttempt)
	if err != nil {
		return nil, err
	}
	size := int64(overhead)
	if m.Body != nil {
		size += m.Body.Size()
	}
	limit := q.maxSize.Load()
	if size-overhead > limit {
		return nil, fmt.Errorf("rabbitmq: %w: a mail of %d bytes, the broker takes messages of %d", queue.ErrTooLarge,
			size-overhead, limit)
	}
	if err := q.encoding.take(ctx, size); err != nil {
		return nil, err
	}
	buf := q.buffer()
	if buf.b, err = queue.AppendJSON(buf.b, m); err == nil {
		err = q.compress(buf)
	}
	if err == nil && int64(len(buf.b)) > limit {
		err = fmt.Errorf("rabbitmq: %w: %d bytes, the broker takes messages of %d", queue.ErrTooLarge, len(buf.b), limit)
	}
	if err != nil {
		q.recycle(buf)
		q.encoding.add(-size)
		return nil, err
	}
	j := &job{exchange: exchange, key: key, msg: q.properties(m), size: int64(len(buf.b))}
	j.msg.Body = buf.b
	if key != item.Queue {
		j.msg.Headers = delayed(m.NextAttempt)
	}
	q.encoding.add(j.size - size)
	j.free = func() {
		q.encoding.add(-j.size)
		q.recycle(buf)
	}
	return j, nil
}

// properties are those of AMQP.
func (q *Queue) properties(m *queue.Message) amqp.Publishing {
	p := amqp.Publishing{ContentType: "application/json", MessageId: m.ID, DeliveryMode: q.mode(), Timestamp: time.Now(),
		ContentEncoding: q.opts.Encoding, Priority: uint8(max(0, min(m.Priority, 255)))}
	if len(p.MessageId) > 255 {
		p.MessageId = ""
	}
	return p
}

func (q *Queue) mode() uint8 {
	if q.opts.NotPersistent {
		return amqp.Transient
	}
	return amqp.Persistent
}

// compress replaces what is in the buffer by itself in gzip, when that is wanted.
func (q *Queue) compress(buf *buffer) error {
	if q.opts.Encoding == "" {
		return nil
	}
	z, ok := q.deflaters.Get().(*deflater)
	if !ok {
		z = new(deflater)
		z.w, _ = gzip.NewWriterLevel(&z.out, gzip.BestSpeed)
	}
	defer q.deflaters.Put(z)
	z.out = buffer{b: z.out.b[:0]}
	z.w.Reset(&z.out)
	if _, err := z.w.Write(buf.b); err != nil {
		return err
	}
	if err := z.w.Close(); err != nil {
		return err
	}
	buf.b, z.out.b = z.out.b, buf.b
	return nil
}

// deflater is a compressor that is used again, as it takes much memory to make one.
type deflater struct {
	w   *gzip.Writer
	out buffer
}

// buffer is used again once its message is written.
type buffer struct{ b []byte }

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.b = append(b.b, p...)
	return len(p), nil
}

func (q *Queue) buffer() *buffer {
	if b, ok := q.buffers.Get().(*buffer); ok {
		b.b = b.b[:0]
		return b
	}
	return new(buffer)
}

// recycle leaves large buffers to the collector.
func (q *Queue) recycle(b *buffer) {
	if cap(b.b) <= 1<<20 {
		q.buffers.Put(b)
	}
}
