package rabbitmq

import (
	"hash/maphash"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

// book is what this process knows about one queue: who consumes it, what was set aside, and what became of deliveries
// whose channel was cut.
type book struct {
	q     *Queue
	name  string
	seeds [2]maphash.Seed

	mu        sync.Mutex
	consumers []*consumer
	links     map[*link]struct{}
	front     list               // unparked deliveries, which go before all others
	records   map[digest]*record // empty but after a cut
	lots      map[string]*lot    // by key
	serial    int                // of the latest lot
	tended    bool               // tend runs

	turn  chan struct{} // one place: who takes messages out of parking queues
	taker *link
}

func newBook(q *Queue, name string) *book {
	return &book{q: q, name: name, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		links: make(map[*link]struct{}), records: make(map[digest]*record), lots: make(map[string]*lot),
		turn: make(chan struct{}, 1)}
}

// isTended reports whether this process reads the queue, or did, so that it moves what waits on the ladder.
func (b *book) isTended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tended
}

// digest stands for the bytes of a message. Nobody outside can make two messages with the same one.
type digest [2]uint64

func (b *book) digest(raw []byte) digest {
	return digest{maphash.Bytes(b.seeds[0], raw), maphash.Bytes(b.seeds[1], raw)}
}

// key stands for one copy of a message: those that this engine makes, on the ladder and in parking queues, are told
// apart by when they were made, as their bytes are the same.
func (b *book) key(m *amqp.Delivery) digest {
	key := b.digest(m.Body)
	if made, ok := m.Headers[sinceHeader].(int64); ok {
		key[0] ^= uint64(made)
		key[1] ^= uint64(made)
	}
	return key
}

// admit makes a delivery of a message from the broker; false when that turns out to be out or finished already.
func (b *book) admit(l *link, m *amqp.Delivery) (*delivery, bool) {
	read, key := asRead(m), b.key(m)
	if m.Redelivered {
		switch b.judge(key, l, m.DeliveryTag) {
		case adopted:
			return nil, false
		case done:
			l.ack(proof{tag: m.DeliveryTag, key: key, named: read.id != ""})
			return nil, false
		}
	}
	return &delivery{b: b, read: read, key: key, c: l.c, link: l, tag: m.DeliveryTag, since: time.Now(), due: next(m)},
		true
}

// record says what to do with redeliveries of a message. A message is known by its bytes: they hold its id, and its
// results, so that a retry is another message.
type record struct {
	orphans  []*delivery // out with a consumer, their channel gone: a redelivery is theirs
	released int         // given back: a redelivery is handed out
	settled  int         // settled after their channel was cut: a redelivery is acknowledged
	maybe    int         // settled before that, with an acknowledgement that may be lost
	until    time.Time   // when to forget all but the orphans
}

// remembered is how long outcomes are kept after a cut. Redelivered messages come first, but a consumer may be full.
const remembered = time.Hour

// record returns that of a digest. The lock is held.
func (b *book) record(key digest) *record {
	r := b.records[key]
	if r == nil {
		r = new(record)
		b.records[key] = r
	}
	r.until = time.Now().Add(remembered)
	return r
}

// verdict is what a redelivery turns out to be.
type verdict int

const (
	unknown verdict = iota // it is handed out
	adopted                // a delivery that is out has its message again
	done                   // it was settled
)

// judge looks up a redelivery, which has come over l with tag.
func (b *book) judge(key digest, l *link, tag uint64) verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[key]
	if r == nil {
		return unknown
	}
	v := unknown
	switch {
	case len(r.orphans) > 0:
		d := r.orphans[0]
		r.orphans = r.orphans[1:]
		d.link, d.tag = l, tag
		l.open[tag] = d
		v = adopted
	case r.released > 0:
		r.released--
	case r.settled > 0:
		r.settled--
		v = done
	case r.maybe > 0:
		r.maybe--
		v = done
	}
	if len(r.orphans) == 0 && r.released+r.settled+r.maybe == 0 {
		delete(b.records, key)
	}
	return v
}

// disown takes an orphan out of its record, which it returns. The lock is held.
func (b *book) disown(d *delivery) *record {
	r := b.record(d.key)
	for i := range r.orphans {
		if r.orphans[i] == d {
			r.orphans = append(r.orphans[:i], r.orphans[i+1:]...)
			break
		}
	}
	return r
}

// tidy forgets old records.
func (b *book) tidy(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, r := range b.records {
		if now.After(r.until) {
			if r.released, r.settled, r.maybe = 0, 0, 0; len(r.orphans) == 0 {
				delete(b.records, key)
			}
		}
	}
}

// wake lets the consumers look again. The lock is held.
func (b *book) wake() {
	for _, c := range b.consumers {
		c.look()
	}
}

// list is a queue of deliveries that grows at both ends.
type list struct {
	first []*delivery // the last one comes first
	rest  []*delivery
}

func (l *list) len() int { return len(l.first) + len(l.rest) }

func (l *list) pushBack(d *delivery)  { l.rest = append(l.rest, d) }
func (l *list) pushFront(d *delivery) { l.first = append(l.first, d) }

// pop takes the first one that is still there to be handed out.
func (l *list) pop() *delivery {
	for l.len() > 0 {
		var d *delivery
		if n := len(l.first); n > 0 {
			d, l.first[n-1], l.first = l.first[n-1], nil, l.first[:n-1]
		} else {
			d, l.rest[0], l.rest = l.rest[0], nil, l.rest[1:]
		}
		if d.state == stateReady {
			return d
		}
	}
	l.first, l.rest = nil, nil
	return nil
}

// delivery is a message that was read from the broker and is not acknowledged yet. It is the driver of a
// queue.Delivery.
type delivery struct {
	b    *book
	read message
	key  digest
	cost int64 // of the budget
	from *lot  // when it was unparked
	out  *queue.Delivery

	// Only of messages that a mover or a look into parking queues has read, which have no out.
	leave time.Time // when to pass it on
	due   time.Time // when it is due

	// Guarded by b.mu.
	c     *consumer // that it is for; nil when any will do
	link  *link     // over which it came; nil when that is cut
	tag   uint64
	state state
	since time.Time // when it was read
}

// message is what the broker keeps of a message.
type message struct {
	raw      []byte
	encoding string
	id       string
	priority uint8
}

func asRead(m *amqp.Delivery) message {
	return message{raw: m.Body, encoding: m.ContentEncoding, id: m.MessageId, priority: m.Priority}
}

type state int

const (
	stateReady   state = iota // to be handed out
	stateHeld                 // due in a moment
	stateMoving               // on its way into the ladder
	stateOut                  // with the consumer
	stateSettled              // about to be acknowledged
	stateGone                 // finished, or with the broker again
)
