package rabbitmq

import (
	"hash/maphash"
	"sync"
	"time"

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
		links: make(map[*link]struct{}), records: make(map[digest]*record), lots: make(map[string]*lot), turn: make(chan struct{}, 1)}
}

// digest stands for the bytes of a message. Nobody outside can make two messages with the same one.
type digest [2]uint64

func (b *book) digest(raw []byte) digest {
	return digest{maphash.Bytes(b.seeds[0], raw), maphash.Bytes(b.seeds[1], raw)}
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

// delivery is a message that was read from the broker and is not acknowledged yet. It is the driver of a queue.Delivery.
type delivery struct {
	b    *book
	read message
	key  digest
	cost int64 // of the budget
	from *lot  // when it was unparked
	out  *queue.Delivery

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

type state int

const (
	stateReady   state = iota // to be handed out
	stateHeld                 // due in a moment
	stateMoving               // on its way into the ladder
	stateOut                  // with the consumer
	stateSettled              // about to be acknowledged
	stateGone                 // finished, or with the broker again
)
