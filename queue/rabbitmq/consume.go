package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

// consumer is one call of Consume.
type consumer struct {
	b        *book
	prefetch int
	signal   chan struct{}
	failed   chan error
	stopped  sync.WaitGroup // links that still subscribe

	// Guarded by b.mu.
	ready list
	idle  int // deliveries that were read and not handed out
	out   int
	ended bool
}

// look makes the consumer look again.
func (c *consumer) look() {
	select {
	case c.signal <- struct{}{}:
	default:
	}
}

func (c *consumer) hasEnded() bool {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	return c.ended
}

// Consume implements queue.Queue. It subscribes over each of the connections for consumers; only with one of them does
// the order of the queue stay. It outlasts the broker being away, and returns an error only when the queue cannot be
// used at all: it was declared differently, is not there though it need not be declared, or may not be read.
func (q *Queue) Consume(ctx context.Context, name string, opts queue.ConsumeOptions,
	handle func(*queue.Delivery)) error {
	if q.isClosed() {
		return queue.ErrClosed
	}
	if ctx.Err() != nil {
		return nil
	}
	if name == "" {
		return errors.New("rabbitmq: a queue without a name")
	}
	c := &consumer{b: q.book(name), prefetch: opts.Prefetch, signal: make(chan struct{}, 1),
		failed: make(chan error, len(q.sources))}
	if c.prefetch <= 0 {
		c.prefetch = q.opts.QoS
	}
	// The links share the prefetch exactly: what one read beyond it would be kept from other consumers.
	links := min(len(q.sources), c.prefetch)
	running, stop := q.bounded(ctx)
	for i, s := range q.sources[:links] {
		share := c.prefetch / links
		if i < c.prefetch%links {
			share++
		}
		c.stopped.Add(1)
		if !q.start(func() { c.subscribe(running, s, min(share, math.MaxUint16)) }) {
			c.stopped.Done()
		}
	}
	c.attach()
	err := c.dispatch(ctx, handle)
	c.detach()
	stop()
	c.stopped.Wait()
	if err != nil {
		return q.closed(err)
	}
	return nil
}

func (c *consumer) attach() {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.consumers = append(b.consumers, c)
	if !b.tended {
		b.tended = b.q.start(b.tend)
	}
}

func (c *consumer) detach() {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	c.ended = true
	b.consumers = slices.DeleteFunc(b.consumers, func(other *consumer) bool { return other == c })
	b.wake()
}

// dispatch hands out what was read, until ctx ends.
func (c *consumer) dispatch(ctx context.Context, handle func(*queue.Delivery)) error {
	for ctx.Err() == nil {
		if c.b.q.isClosed() {
			return queue.ErrClosed
		}
		if d := c.pick(); d != nil {
			handle(d.out)
			continue
		}
		select {
		case <-ctx.Done():
		case <-c.signal:
		case err := <-c.failed:
			return err
		case <-c.b.q.life.Done():
		}
	}
	return nil
}

// pick takes the next delivery out; nil when there is none or the consumer has its fill.
func (c *consumer) pick() *delivery {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.out >= c.prefetch {
		return nil
	}
	d := c.b.front.pop()
	if d == nil {
		if d = c.ready.pop(); d == nil {
			return nil
		}
		c.idle--
	}
	d.c, d.state = c, stateOut
	d.out.Picked = time.Now()
	c.out++
	return d
}

// subscribe keeps a link to the queue over one connection until ctx ends. The link has a share of the prefetch.
func (c *consumer) subscribe(ctx context.Context, s *source, share int) {
	q := c.b.q
	first, troubled := true, false
	delay := firstRetry
	for ctx.Err() == nil {
		l, err := c.open(ctx, s, share)
		if err == nil {
			if troubled {
				q.opts.Logger.Info("the queue can be read again", "queue", c.b.name)
			}
			first, troubled, delay = false, false, firstRetry
			err = l.serve(ctx)
		}
		if ctx.Err() != nil {
			c.finish(l)
			return
		}
		if l != nil {
			c.abandon(l, err)
		}
		if first && errors.Is(err, queue.ErrRefused) {
			c.failed <- err
			break
		}
		if !troubled && !s.broken() {
			troubled = true
			q.opts.Logger.Warn("the queue cannot be read; trying again", "queue", c.b.name, "error", err)
		}
		pause(ctx, delay)
		delay = min(2*delay, lastRetry)
	}
	c.stopped.Done()
}

// finish ends the subscription of a link whose consumer has ended; what is out stays.
func (c *consumer) finish(l *link) {
	if l != nil {
		l.stop()
	}
	c.stopped.Done()
	if l != nil {
		l.linger()
	}
}

// abandon leaves a link over which nothing comes any more.
func (c *consumer) abandon(l *link, err error) {
	if !errors.Is(err, errDeleted) || !c.b.q.start(l.linger) {
		c.b.sever(l)
	}
	if errors.Is(err, errDeleted) {
		c.b.q.topology.forget(c.b.name)
	}
}

// open subscribes.
func (c *consumer) open(ctx context.Context, s *source, share int) (*link, error) {
	conn, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.b.q.topology.queue(ctx, c.b.name); err != nil {
		return nil, err
	}
	l, err := newLink(c.b, c, conn)
	if err != nil {
		return nil, err
	}
	l.share = share
	if err := l.subscribe(); err != nil {
		_ = l.ch.Close()
		c.b.sever(l)
		c.b.q.topology.forget(c.b.name)
		return nil, c.b.refused(err)
	}
	return l, nil
}

// refused says why the queue cannot be read.
func (b *book) refused(err error) error {
	var reply *amqp.Error
	if !errors.As(err, &reply) || !reply.Server {
		return err
	}
	switch {
	case reply.Code == amqp.NotFound && b.q.opts.NoDeclare:
		return absent(b.name)
	case reply.Code == amqp.AccessRefused:
		return fmt.Errorf("rabbitmq: the broker does not let this user read queue %q (%s): %w: %w", b.name, reply.Reason,
			queue.ErrUnavailable, queue.ErrRefused)
	}
	return fmt.Errorf("rabbitmq: reading queue %q: %w: %s", b.name, queue.ErrUnavailable, reply.Reason)
}

// arrive takes a message from the broker.
func (b *book) arrive(ctx context.Context, l *link, m *amqp.Delivery) {
	d, fresh := b.admit(l, m)
	if !fresh {
		return
	}
	if !d.room(ctx) {
		_ = l.ch.Nack(m.DeliveryTag, false, true)
		return
	}
	d.decode(m.Redelivered)
	due, _ := m.Headers[dueHeader].(bool)
	wait := time.Duration(0)
	if msg := d.out.Message; msg != nil && !due {
		wait = time.Until(msg.NextAttempt)
	}
	switch {
	case wait <= 0:
		d.enter(stateReady)
	case rung(wait) < 0 || d.out.Err != nil:
		d.enter(stateHeld)
		time.AfterFunc(wait, d.wakeUp)
	default:
		d.enter(stateMoving)
		d.delay(ctx, d.out.Message.NextAttempt)
	}
}

// dueHeader marks a message that is due whatever its NextAttempt says.
const dueHeader = "x-sluice-due"

// enter makes the delivery known to its consumer.
func (d *delivery) enter(s state) {
	b := d.b
	b.mu.Lock()
	defer b.mu.Unlock()
	d.state = s
	d.link.open[d.tag] = d
	d.c.idle++
	if s == stateReady {
		d.c.ready.pushBack(d)
		d.c.look()
	}
}

// wakeUp makes a held delivery ready.
func (d *delivery) wakeUp() {
	d.b.mu.Lock()
	defer d.b.mu.Unlock()
	if d.state == stateHeld {
		d.state = stateReady
		d.c.ready.pushBack(d)
		d.c.look()
	}
}

// leave ends what a delivery takes of its consumer's room and of the budget. The lock is held.
func (b *book) leave(d *delivery) {
	switch d.state {
	case stateGone:
		return
	case stateOut, stateSettled:
		if d.c != nil {
			d.c.out--
		}
	default:
		if d.c != nil {
			d.c.idle--
		}
	}
	d.state = stateGone
	b.q.held.add(-d.cost)
	if d.c != nil {
		d.c.look()
	}
}

// room waits until the budget has room for the delivery. A consumer may always have one.
func (d *delivery) room(ctx context.Context) bool {
	d.cost = d.estimate()
	held := d.b.q.held
	for {
		d.b.mu.Lock()
		alone := d.c.idle+d.c.out == 0
		d.b.mu.Unlock()
		if alone {
			held.add(d.cost)
			return true
		}
		ok, changed := held.try(d.cost)
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		case <-d.link.died:
			return false
		}
	}
}
