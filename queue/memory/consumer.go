package memory

import (
	"context"
	"slices"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// consumer is one call of Consume.
type consumer struct {
	store    *store
	prefetch int
	out      int           // guarded by Queue.mu
	signal   chan struct{} // one place: look again
}

// look makes the consumer look again.
func (c *consumer) look() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

// Consume implements queue.Queue.
func (q *Queue) Consume(ctx context.Context, name string, opts queue.ConsumeOptions,
	handle func(*queue.Delivery)) error {
	c := &consumer{prefetch: opts.Prefetch, signal: make(chan struct{}, 1)}
	if c.prefetch <= 0 {
		c.prefetch = queue.DefaultPrefetch
	}
	done, err := q.attach(c, name)
	if err != nil {
		return err
	}
	defer q.detach(c)
	for ctx.Err() == nil {
		it, err := q.pick(c)
		if err != nil {
			return err
		}
		if it != nil {
			handle(q.delivery(it, c))
			continue
		}
		select {
		case <-ctx.Done():
		case <-c.signal:
		case <-done:
		}
	}
	return nil
}

func (q *Queue) attach(c *consumer, name string) (<-chan struct{}, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	c.store = q.open(name)
	c.store.consumers = append(c.store.consumers, c)
	return q.ended(), nil
}

func (q *Queue) detach(c *consumer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := c.store
	s.consumers = slices.DeleteFunc(s.consumers, func(other *consumer) bool { return other == c })
	if !q.closed {
		s.wake() // another consumer may have been passed over for this one
		q.release(s)
	}
}

// pick takes the next item out for c; nil when there is none or c has its fill.
func (q *Queue) pick(c *consumer) (*item, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	if c.out >= c.prefetch {
		return nil, nil
	}
	it := c.store.next()
	if it == nil {
		return nil, nil
	}
	q.change(it, queue.Out)
	c.out++
	return it, nil
}

// delivery makes what the consumer sees of an item that is out. Nobody else touches such an item.
func (q *Queue) delivery(it *item, c *consumer) *queue.Delivery {
	d := queue.NewDelivery(&out{queue: q, item: it, consumer: c})
	d.Queue = it.store.stats.Queue
	d.Message = it.message()
	d.Redelivered = it.handed
	if !it.handed {
		it.handed, it.picked = true, time.Now()
	}
	d.Picked = it.picked
	return d
}

// message makes a fresh copy of the message.
func (it *item) message() *queue.Message {
	m, err := queue.DecodeBinary(it.record)
	if err != nil {
		panic("memory: a record of our own making does not decode: " + err.Error())
	}
	if it.body != nil {
		m.Body = it.body
	}
	return m
}

// out is the driver of one delivery.
type out struct {
	queue    *Queue
	item     *item
	consumer *consumer
}

// Settle implements queue.Driver.
func (o *out) Settle(_ context.Context, _ *queue.Delivery, successors []queue.Item) error {
	if err := queue.CheckItems(successors); err != nil {
		return err
	}
	q := o.queue
	fresh, err := q.prepare(successors)
	if err != nil {
		return err
	}
	for i := range fresh {
		if fresh[i].entry.ID == o.item.entry.ID {
			fresh[i].entry.Stored = o.item.entry.Stored
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return queue.ErrClosed
	}
	q.insert(successors, fresh)
	o.back()
	q.remove(o.item)
	q.forget(o.item)
	return nil
}

// Release implements queue.Driver.
func (o *out) Release(context.Context, *queue.Delivery) error {
	q := o.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return queue.ErrClosed
	}
	o.back()
	q.change(o.item, queue.Ready)
	o.item.store.pushFirst(o.item, true)
	return nil
}

// back tells the consumer that it has room again.
func (o *out) back() {
	o.consumer.out--
	o.consumer.look()
}
