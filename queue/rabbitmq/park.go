package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

// lot is what this process parked under one key. The queue belongs to this process alone, so that it can know when it
// is empty and unused.
type lot struct {
	name  string      // of the parking queue
	times []time.Time // when each message was parked, oldest first
	total int         // of messages that were ever parked
	early int         // messages that were taken out before they were counted
	users int         // calls under way
	last  time.Time   // when something was parked
}

// errForeign is a bug of the caller.
var errForeign = errors.New("rabbitmq: the delivery is not one of this queue")

// Park implements queue.Parker. The message goes into a parking queue, as it came, before it is acknowledged.
func (q *Queue) Park(ctx context.Context, out *queue.Delivery, key string) error {
	d, ok := out.Driver().(*delivery)
	if !ok || d.b.q != q {
		return errForeign
	}
	return out.Finish(func() error {
		if q.isClosed() {
			return queue.ErrClosed
		}
		ctx, cancel := q.bounded(ctx)
		defer cancel()
		return q.closed(d.park(ctx, key))
	})
}

func (d *delivery) park(ctx context.Context, key string) error {
	b := d.b
	aside := b.lot(key)
	defer b.done(aside)
	for try := 0; ; try++ {
		if err := b.enlist(ctx, aside.name); err != nil {
			return fmt.Errorf("the directory of parked mail: %w", err)
		}
		if err := b.q.topology.helper(ctx, aside.name); err != nil {
			return fmt.Errorf("a queue for parked mail: %w", err)
		}
		err := d.copyTo(ctx, aside.name, nil)
		if err == nil {
			break
		}
		var lost *unroutable
		if try > 0 || !errors.As(err, &lost) {
			return err
		}
		b.q.topology.forget(aside.name)
	}
	b.mu.Lock()
	aside.add(time.Now())
	b.mu.Unlock()
	d.acknowledge()
	return nil
}

// add counts a message that was parked.
func (a *lot) add(now time.Time) {
	a.last = now
	a.total++
	if a.early > 0 { // it was taken out again before it could be counted
		a.early--
		return
	}
	a.times = append(a.times, now)
}

// took counts a message that was taken out.
func (a *lot) took() {
	if len(a.times) > 0 {
		a.times = a.times[1:]
	} else {
		a.early++
	}
}

// empty notes that there was nothing in the queue when total was mark.
func (a *lot) empty(mark int) {
	if gone := len(a.times) - (a.total - mark); gone > 0 {
		a.times = a.times[gone:]
	}
}

// lot returns that of a key, to be used until done.
func (b *book) lot(key string) *lot {
	b.mu.Lock()
	defer b.mu.Unlock()
	aside := b.lots[key]
	if aside == nil {
		b.serial++ // so that a queue which is being removed is not used again
		aside = &lot{name: parkingName(b.name, b.q.instance, b.serial, key)}
		b.lots[key] = aside
	}
	aside.users++
	return aside
}

func (b *book) done(aside *lot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	aside.users--
}

// Unpark implements queue.Parker. It takes the messages into memory, FlushQoS of them at most, where they wait for a
// consumer. One that is not handed out within MaxParked goes back to the broker.
func (q *Queue) Unpark(ctx context.Context, name, key string, n int) (int, error) {
	if q.isClosed() {
		return 0, queue.ErrClosed
	}
	b := q.book(name)
	b.mu.Lock()
	aside := b.lots[key]
	if aside != nil {
		aside.users++
	}
	b.mu.Unlock()
	if aside == nil {
		return 0, nil
	}
	defer b.done(aside)
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	free := 0
	for free < n && b.hasRoom() {
		ok, err := b.take(ctx, aside)
		if err != nil {
			if free > 0 {
				break
			}
			return 0, q.closed(err)
		}
		if !ok {
			break
		}
		free++
	}
	return free, nil
}

// hasRoom reports whether more messages may be unparked.
func (b *book) hasRoom() bool {
	b.mu.Lock()
	n := b.front.len()
	b.mu.Unlock()
	return n < b.q.opts.FlushQoS && (n == 0 || b.q.held.part() < b.q.held.limit)
}

// take unparks one message; false when there is none.
func (b *book) take(ctx context.Context, aside *lot) (bool, error) {
	for {
		l, err := b.getter(ctx)
		if err != nil {
			return false, err
		}
		m, ok, err := b.get(l, aside)
		if err != nil || !ok {
			return false, err
		}
		if b.unparked(l, aside, m) {
			return true, nil
		}
	}
}

// get takes a message out of a parking queue; false when there is none.
func (b *book) get(l *link, aside *lot) (*amqp.Delivery, bool, error) {
	b.mu.Lock()
	mark := aside.total
	b.mu.Unlock()
	m, ok, err := l.ch.Get(aside.name, false)
	if code(err) == amqp.NotFound { // somebody deleted it
		b.q.topology.forget(aside.name)
		ok, err = false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("rabbitmq: %w: %w", queue.ErrUnavailable, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		aside.took()
	} else {
		aside.empty(mark)
	}
	return &m, ok, nil
}

// unparked puts a message in front of all others; false when it turns out to be out or finished.
func (b *book) unparked(l *link, aside *lot, m *amqp.Delivery) bool {
	d, fresh := b.admit(l, m)
	if !fresh {
		return false
	}
	d.from = aside
	d.cost = d.estimate()
	b.q.held.add(d.cost)
	d.decode(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	l.open[d.tag] = d
	b.front.pushBack(d)
	b.wake()
	return true
}

// getter returns the link over which messages are taken one by one. The turn is held.
func (b *book) getter(ctx context.Context) (*link, error) {
	if b.taker != nil && !b.taker.ch.IsClosed() {
		return b.taker, nil
	}
	conn, err := b.q.sources[0].get(ctx)
	if err != nil {
		return nil, err
	}
	l, err := newLink(b, nil, conn)
	if err != nil {
		return nil, err
	}
	if !b.q.start(l.attend) {
		return nil, queue.ErrClosed
	}
	b.taker = l
	return l, nil
}

// attend looks after a link over which messages are taken.
func (l *link) attend() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			select {
			case l.b.turn <- struct{}{}: // one question at a time
				l.prove()
				<-l.b.turn
			default:
			}
		case <-l.died:
			l.b.sever(l)
			return
		case <-l.b.q.life.Done():
			return
		}
	}
}

// Parked implements queue.Parker.
func (q *Queue) Parked(_ context.Context, name string) (map[string]int, error) {
	if q.isClosed() {
		return nil, queue.ErrClosed
	}
	b := q.book(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := make(map[string]int)
	for key, aside := range b.lots {
		if len(aside.times) > 0 {
			counts[key] = len(aside.times)
		}
	}
	return counts, nil
}

// comeBack passes on what was parked for long enough to the end of the queue it belongs to.
func (b *book) comeBack(now time.Time) {
	var late []*lot
	b.mu.Lock()
	for _, aside := range b.lots {
		if len(aside.times) > 0 && now.Sub(aside.times[0]) >= b.q.opts.parkedFor {
			aside.users++
			late = append(late, aside)
		}
	}
	b.mu.Unlock()
	for _, aside := range late {
		b.passOn(b.q.life, aside)
		b.done(aside)
	}
}

// passOn is comeBack for one parking queue.
func (b *book) passOn(ctx context.Context, aside *lot) {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return
	}
	for ctx.Err() == nil && b.q.Err() == nil && b.q.held.part() < b.q.held.limit {
		l, err := b.getter(ctx)
		if err != nil {
			return
		}
		m, ok, err := b.get(l, aside)
		if err != nil || !ok {
			return
		}
		d, fresh := b.admit(l, m)
		if !fresh {
			continue
		}
		d.from, d.due, d.state = aside, time.Time{}, stateMoving
		d.cost = int64(len(d.read.raw)) + overhead
		b.q.held.add(d.cost)
		b.mu.Lock()
		l.open[d.tag] = d
		b.mu.Unlock()
		if time.Since(since(m)) < b.q.opts.parkedFor {
			b.giveUp(d)
			b.mu.Lock()
			aside.times = slices.Insert(aside.times, 0, since(m))
			b.mu.Unlock()
			return
		}
		d.delay(ctx, d.due)
	}
}

// idleLots forgets the parking queues that are empty, which the caller removes.
func (b *book) idleLots(now time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.reads() {
		if d.from != nil { // while it is not acknowledged, it is in its parking queue
			d.from.last = now
		}
	}
	var names []string
	for key, aside := range b.lots {
		if aside.users == 0 && len(aside.times) == 0 && now.Sub(aside.last) > unused {
			delete(b.lots, key)
			names = append(names, aside.name)
		}
	}
	return names
}

// unused is how long a parking queue stays when it is empty.
const unused = time.Minute
