package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// link is one channel over which messages come.
type link struct {
	b    *book
	c    *consumer // nil: for messages that are taken one by one
	ch   *amqp.Channel
	died chan struct{} // closed when the channel is
	why  *amqp.Error   // once died is closed

	open map[uint64]*delivery // not acknowledged yet; guarded by b.mu
	less chan struct{}        // one place: open shrank

	acks     sync.Mutex // held while one is written
	unproven []proof
	cut      bool

	base, boost <-chan amqp.Delivery
	boosts      int
	noBoost     time.Time // until then
	share       int       // of the consumer's prefetch
	prefetch    int       // of base
	next        uint64    // tag
	early       map[uint64]amqp.Delivery
}

// proof is an acknowledgement of which it is not known whether the broker has read it.
type proof struct {
	tag   uint64
	key   digest
	named bool // the message has an id
	lost  bool // it was not even written
	at    time.Time
}

// newLink opens a channel.
func newLink(b *book, c *consumer, conn *amqp.Connection) (*link, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	l := &link{b: b, c: c, ch: ch, died: make(chan struct{}), open: make(map[uint64]*delivery),
		less: make(chan struct{}, 1), next: 1, early: make(map[uint64]amqp.Delivery)}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	b.mu.Lock()
	b.links[l] = struct{}{}
	b.mu.Unlock()
	go func() {
		l.why = <-closed
		close(l.died)
	}()
	return l, nil
}

// subscribe begins with a small prefetch: what is large shows before much of it is in memory.
func (l *link) subscribe() (err error) {
	l.prefetch = min(l.share, l.b.q.opts.MinQoS)
	if err = l.ch.Qos(l.prefetch, 0, false); err != nil {
		return err
	}
	l.base, err = l.ch.Consume(l.b.name, "base", false, false, false, false, nil)
	return err
}

// errDeleted says that the broker ended a subscription.
var errDeleted = errors.New("the broker ended the subscription, as if somebody deleted the queue")

// serve takes what comes until ctx ends (nil), or says why nothing comes any more.
func (l *link) serve(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case m, ok := <-l.base:
			if !ok {
				return l.ended()
			}
			l.inOrder(ctx, m)
		case m, ok := <-l.boost:
			if !ok {
				l.boost = nil
				l.giveBack() // see errPace: only what is in hand may stay with a subscription that was cancelled
				break
			}
			l.inOrder(ctx, m)
		case <-tick.C:
			l.prove()
		case <-ctx.Done():
			return nil
		}
		l.adjust()
	}
}

// ended says why no more messages come.
func (l *link) ended() error {
	if !l.ch.IsClosed() {
		return errDeleted
	}
	<-l.died
	if l.why == nil {
		return errors.New("the connection was closed")
	}
	return l.why
}

// inOrder takes messages in the order in which the broker sent them, over whichever subscription.
func (l *link) inOrder(ctx context.Context, m amqp.Delivery) {
	if m.DeliveryTag != l.next {
		l.early[m.DeliveryTag] = m
		return
	}
	for {
		l.next++
		l.b.arrive(ctx, l, &m)
		var ok bool
		if m, ok = l.early[l.next]; !ok {
			return
		}
		delete(l.early, l.next)
	}
}

// adjust adds a second subscription with the rest of the prefetch when the mails are small enough for that, and ends it
// when they are not.
func (l *link) adjust() {
	rest := l.share - l.prefetch
	if rest <= 0 || l.cutOff() {
		return
	}
	held := l.b.q.held
	if l.boost != nil {
		if held.part() > held.limit {
			_ = l.ch.Cancel(l.boostTag(), false)
			l.noBoost = time.Now().Add(5 * time.Second)
		}
		return
	}
	l.b.mu.Lock()
	n, cost := len(l.open), int64(1)
	if n >= l.prefetch {
		for _, d := range l.open {
			cost += d.cost
		}
	}
	l.b.mu.Unlock()
	if n < l.prefetch || time.Now().Before(l.noBoost) {
		return
	}
	if more := min(int64(rest), (held.limit-held.part())/(cost/int64(n)+1)); more >= int64(min(l.prefetch, rest)) {
		l.boosts++
		if l.ch.Qos(int(more), 0, false) == nil {
			l.boost, _ = l.ch.Consume(l.b.name, l.boostTag(), false, false, false, false, nil)
		}
	}
}

func (l *link) boostTag() string { return fmt.Sprint("boost", l.boosts) }

func (l *link) cutOff() bool { return l.ch.IsClosed() }

// stop ends the subscriptions and gives back what nobody has got yet.
func (l *link) stop() {
	_ = l.ch.Cancel("base", false)
	if l.boost != nil {
		_ = l.ch.Cancel(l.boostTag(), false)
	}
	for _, ch := range []<-chan amqp.Delivery{l.base, l.boost} {
		if ch == nil {
			continue
		}
		for m := range ch {
			_ = l.ch.Nack(m.DeliveryTag, false, true)
		}
	}
	for tag := range l.early {
		_ = l.ch.Nack(tag, false, true)
	}
	clear(l.early)
	l.giveBack()
}

// giveBack returns to the broker what was read but not handed out.
func (l *link) giveBack() {
	var idle []*delivery
	l.b.mu.Lock()
	for _, d := range l.open {
		if d.state == stateReady || d.state == stateHeld {
			idle = append(idle, d)
		}
	}
	for _, d := range idle {
		l.b.leave(d)
		delete(l.open, d.tag)
	}
	l.b.mu.Unlock()
	for _, d := range idle {
		_ = l.ch.Nack(d.tag, false, true)
	}
}

// linger keeps the channel until all that came over it is finished.
func (l *link) linger() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for l.left() > 0 {
		select {
		case <-l.less:
		case <-tick.C:
			l.prove()
			if l.c != nil && l.c.hasEnded() {
				l.giveBack()
			}
		case <-l.died:
			l.b.sever(l)
			return
		case <-l.b.q.life.Done():
			return
		}
	}
	if !l.close() {
		l.b.sever(l)
		return
	}
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	delete(l.b.links, l)
}

// close closes the channel; false when it was gone before the broker could say that it had read everything.
func (l *link) close() bool {
	err := l.ch.Close() // nil, too, when the channel was closed already
	<-l.died
	return err == nil && l.why == nil
}

func (l *link) left() int {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	return len(l.open)
}

// ack acknowledges one message and remembers that until the broker is known to have read it; false when the link is
// cut.
func (l *link) ack(p proof) bool {
	l.acks.Lock()
	defer l.acks.Unlock()
	if l.cut {
		return false
	}
	p.lost, p.at = l.ch.Ack(p.tag, false) != nil, time.Now()
	l.unproven = append(l.unproven, p)
	return true
}

// inherit takes over the acknowledgements of a link that was closed in good order. The broker has read them, and may
// not have written all of them to disk yet.
func (l *link) inherit(proofs []proof) {
	for i := range proofs {
		proofs[i].tag = 0 // which no message of this link has
	}
	l.unproven = proofs
}

// doubtful is how long an acknowledgement may be lost although the broker has read it: it is written to disk some time
// later, and comes to nothing when the broker is killed before.
const doubtful = 10 * time.Second

// prove asks the broker something: it answers in order, so its answer proves that it has read all acknowledgements.
// Those that it has had for a while are beyond doubt then.
func (l *link) prove() {
	old := time.Now().Add(-doubtful)
	l.acks.Lock()
	n := 0
	for n < len(l.unproven) && l.unproven[n].at.Before(old) {
		n++
	}
	l.acks.Unlock()
	if n == 0 || l.ch.Qos(max(l.prefetch, 1), 0, false) != nil {
		return
	}
	l.acks.Lock()
	defer l.acks.Unlock()
	if !l.cut {
		l.unproven = l.unproven[n:]
	}
}

// sever notes that a link is gone: what is out over it waits for its redelivery, the rest is forgotten.
func (b *book) sever(l *link) {
	proofs := l.end()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range proofs {
		if p.lost {
			b.record(p.key).settled++
		} else if p.named {
			b.record(p.key).maybe++
		}
	}
	b.orphan(l, proofs)
}

// replace does the same for a link that was closed in good order, and returns which of its acknowledgements may still
// be lost with the broker.
func (b *book) replace(l *link) []proof {
	proofs := l.end()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orphan(l, proofs)
	return proofs
}

// end lets no more be acknowledged, and returns of what the broker may not know that it is.
func (l *link) end() []proof {
	l.acks.Lock()
	defer l.acks.Unlock()
	l.cut = true
	proofs := l.unproven
	l.unproven = nil
	return proofs
}

// orphan cuts what came over a link and was not acknowledged off from it. The lock is held.
func (b *book) orphan(l *link, acknowledged []proof) {
	delete(b.links, l)
	for _, p := range acknowledged {
		delete(l.open, p.tag)
	}
	for tag, d := range l.open {
		delete(l.open, tag)
		d.link = nil
		switch d.state {
		case stateOut, stateMoving:
			r := b.record(d.key)
			r.orphans = append(r.orphans, d)
			if d.from != nil {
				d.from.add(time.Now()) // there its redelivery will be
			}
		case stateSettled:
			b.record(d.key).settled++
		default:
			if d.from != nil {
				d.from.add(time.Now()) // it is parked again
			}
			b.leave(d)
		}
	}
	b.wake()
}
