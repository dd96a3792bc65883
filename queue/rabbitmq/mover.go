package rabbitmq

import (
	"context"
	"errors"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// mover passes on what waits on one step of the ladder when its time there is over. It holds the first message of the
// step, which is the one whose time is over first; movers of other processes hold the ones behind it.
type mover struct {
	b       *book
	step    int
	taking  int         // messages at a time
	waiting []*delivery // held until their time
	streak  int         // messages in a row that ask for another pace
	proofs  []proof     // of the link before, which was closed for another pace
}

const (
	// holdAtMost is how long a mover keeps a message: then it gives it back, and gets it again. The broker's
	// consumer_timeout must be longer than that.
	holdAtMost = 20 * time.Second
	// behind is after how many late messages in a row a mover takes several at a time, and after how many that are not
	// it takes one again,
	behind = 4
	// maxBurst how many then, of small ones,
	maxBurst = 32
	// and burstBytes how much of larger ones.
	burstBytes = 4 << 20
)

// startMovers starts the movers of a queue, which run until it closes.
func (b *book) startMovers() {
	for i := range rungs {
		for b.q.life.Err() == nil && b.q.topology.helper(b.q.life, rungName(b.name, i)) != nil {
			pause(b.q.life, time.Second)
		}
		if !b.q.start((&mover{b: b, step: i, taking: 1}).run) {
			return
		}
	}
}

// run moves until the queue closes.
func (m *mover) run() {
	ctx := m.b.q.life
	for ctx.Err() == nil {
		l, err := m.open(ctx)
		if err == nil {
			err = m.serve(ctx, l)
			m.waiting = nil
			if l.close() && errors.Is(err, errPace) {
				m.proofs = m.b.replace(l)
				continue
			}
			m.b.sever(l)
		}
		pause(ctx, time.Second)
	}
}

// errPace says that messages should be taken at another pace. That needs another channel: what is out over a
// subscription that was cancelled stays with it when the broker's node is gone for good (seen with quorum queues of
// 3.10; the source of 2025 reads the same), whereas a channel that is closed gives it back at once.
var errPace = errors.New("rabbitmq: another pace")

// open subscribes to the step.
func (m *mover) open(ctx context.Context) (*link, error) {
	name := rungName(m.b.name, m.step)
	if err := m.b.q.topology.helper(ctx, name); err != nil {
		return nil, err
	}
	conn, err := m.b.q.sources[0].get(ctx)
	if err != nil {
		return nil, err
	}
	l, err := newLink(m.b, nil, conn)
	if err != nil {
		return nil, err
	}
	l.inherit(m.proofs)
	m.proofs = nil
	l.prefetch = m.taking
	if err = l.ch.Qos(l.prefetch, 0, false); err == nil {
		l.base, err = l.ch.Consume(name, "base", false, false, false, false, nil)
	}
	if err != nil {
		_ = l.ch.Close()
		m.b.sever(l)
		m.b.q.topology.forget(name)
		return nil, err
	}
	return l, nil
}

// serve moves what comes over a link, until that ends.
func (m *mover) serve(ctx context.Context, l *link) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	wake := time.NewTimer(holdAtMost)
	defer wake.Stop()
	for {
		select {
		case msg, ok := <-l.base:
			if !ok {
				m.b.q.topology.forget(rungName(m.b.name, m.step))
				return l.ended()
			}
			if d := m.arrive(l, &msg); d != nil && m.pace(d) {
				m.advance(ctx)
				return m.finish(ctx, l)
			}
		case <-wake.C:
		case <-tick.C:
			l.prove()
		case <-ctx.Done():
			return nil
		}
		wake.Reset(m.advance(ctx))
	}
}

// finish waits until nothing is on its way any more: a mover of another process would get that, too, when the channel
// is closed.
func (m *mover) finish(ctx context.Context, l *link) error {
	for l.moves() {
		select {
		case <-l.less:
		case <-l.died:
			return l.ended()
		case <-ctx.Done():
			return nil
		}
	}
	return errPace
}

// moves reports whether a message that came over the link is on its way to another queue.
func (l *link) moves() bool {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	for _, d := range l.open {
		if d.state == stateMoving || d.state == stateSettled {
			return true
		}
	}
	return false
}

// arrive takes a message from the broker; nil when it turns out to be in hand or finished already.
func (m *mover) arrive(l *link, msg *amqp.Delivery) *delivery {
	b := m.b
	d, fresh := b.admit(l, msg)
	if !fresh {
		return nil
	}
	d.leave = since(msg).Add(rungs[m.step].wait)
	d.state = stateHeld
	d.cost = int64(len(d.read.raw)) + overhead
	b.q.held.add(d.cost)
	b.mu.Lock()
	l.open[d.tag] = d
	b.mu.Unlock()
	m.waiting = append(m.waiting, d)
	return d
}

// pace reports whether messages should be taken at another pace from now on: several at a time while they come late,
// and one when they do not.
func (m *mover) pace(d *delivery) bool {
	late := !time.Now().Before(d.leave)
	if late == (m.taking > 1) {
		m.streak = 0
		return false
	}
	m.streak++
	n := 1
	if late {
		n = int(min(maxBurst, burstBytes/d.cost))
	}
	if m.streak < behind || n == m.taking || n < 1 {
		return false
	}
	m.taking, m.streak = n, 0
	return true
}

// advance passes on what is due, gives back what was held for long, and returns when there is more to do.
func (m *mover) advance(ctx context.Context) time.Duration {
	now, wait := time.Now(), holdAtMost
	kept := m.waiting[:0]
	for _, d := range m.waiting {
		left, may := d.leave.Sub(now), holdAtMost-now.Sub(d.since)
		switch {
		case left > 0 && may > 0:
			kept = append(kept, d)
			wait = min(wait, left, may)
		case !d.claim(): // somebody else does something with it
		case left <= 0:
			d.delay(ctx, d.due)
		default:
			m.b.giveUp(d)
		}
	}
	clear(m.waiting[len(kept):])
	m.waiting = kept
	return wait
}

// claim makes a delivery that is held one that moves; false when it is not held.
func (d *delivery) claim() bool {
	d.b.mu.Lock()
	defer d.b.mu.Unlock()
	if d.state != stateHeld {
		return false
	}
	d.state = stateMoving
	return true
}

// giveUp returns a message to the broker.
func (b *book) giveUp(d *delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := d.link
	if l == nil {
		b.disown(d).released++
		b.leave(d)
		return
	}
	b.leave(d)
	b.close(l, d.tag)
	_ = l.ch.Nack(d.tag, false, true)
}
