package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Queue is an engine that keeps its messages in memory. The zero Queue is ready for use. It must not be copied. All
// methods are safe for concurrent use. It implements queue.Queue, queue.Atomic, queue.Inspector and queue.Parker.
type Queue struct {
	// MaxMessages limits how many messages wait in all queues together. Zero means no limit. A Publish beyond it stores
	// nothing and returns queue.ErrFull; Settle always succeeds, so that a full queue can drain.
	MaxMessages int
	// MaxBytes limits the memory that bodies take, shared ones counted once. Zero means no limit. A Publish beyond it
	// returns queue.ErrFull, or queue.ErrTooLarge when it would not even fit into an empty Queue.
	MaxBytes int64

	mu     sync.Mutex
	named  map[string]*store
	count  int   // messages
	bytes  int64 // of distinct bodies
	serial uint64
	alarms alarms
	timer  *time.Timer
	done   chan struct{} // closed by Close; nil until somebody asks
	closed bool
}

var (
	_ queue.Queue     = (*Queue)(nil)
	_ queue.Atomic    = (*Queue)(nil)
	_ queue.Inspector = (*Queue)(nil)
	_ queue.Parker    = (*Queue)(nil)
)

// New returns an empty Queue without limits.
func New() *Queue { return &Queue{} }

// Atomic says that one Publish or Settle stores all of its items or none.
func (q *Queue) Atomic() bool { return true }

// item is a message that waits or is out.
type item struct {
	record   []byte
	body     *body
	entry    queue.Entry // all but Queue
	domain   string
	priority int
	serial   uint64
	store    *store
	handed   bool      // handed out before
	picked   time.Time // when first

	place place // in which list it is, when ready or parked
	alarm int   // index in alarms + 1; zero: not there
	wake  time.Time
}

// body is a body that is kept, with the number of messages that refer to it.
type body struct {
	data  queue.Bytes
	owner *Queue
	refs  int // guarded by owner.mu
}

// ReadAt implements io.ReaderAt.
func (b *body) ReadAt(p []byte, off int64) (int, error) { return b.data.ReadAt(p, off) }

// Size returns the length in bytes.
func (b *body) Size() int64 { return b.data.Size() }

// Bytes returns the content, which must not be changed.
func (b *body) Bytes() []byte { return b.data }

// Publish implements queue.Queue.
func (q *Queue) Publish(ctx context.Context, items ...queue.Item) error {
	if err := queue.CheckItems(items); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	fresh, err := q.prepare(items)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return queue.ErrClosed
	}
	if err := q.room(fresh); err != nil {
		return err
	}
	q.insert(items, fresh)
	return nil
}

// room tells whether the limits allow for the items.
func (q *Queue) room(items []*item) error {
	var bytes int64
	for i, it := range items {
		if it.body != nil && it.body.refs == 0 && (i == 0 || it.body != items[i-1].body) {
			bytes += it.body.Size()
		}
	}
	switch {
	case q.MaxBytes > 0 && bytes > q.MaxBytes:
		return queue.ErrTooLarge
	case q.MaxBytes > 0 && q.bytes+bytes > q.MaxBytes, q.MaxMessages > 0 && q.count+len(items) > q.MaxMessages:
		return queue.ErrFull
	}
	return nil
}

// prepare makes items of messages, outside the lock.
func (q *Queue) prepare(items []queue.Item) ([]*item, error) {
	now := time.Now()
	fresh := make([]*item, len(items))
	for i := range items {
		m := items[i].Message
		it := newItem(m, now)
		if i > 0 && m.Body != nil && queue.SameBody(m.Body, items[i-1].Message.Body) {
			it.body = fresh[i-1].body
		} else if err := q.adopt(it, m.Body); err != nil {
			return nil, err
		}
		if it.body != nil {
			it.entry.Size = it.body.Size()
		}
		fresh[i] = it
	}
	return fresh, nil
}

// newItem makes an item of everything but the body.
func newItem(m *queue.Message, now time.Time) *item {
	it := &item{record: queue.AppendBinary(nil, m), priority: m.Priority, wake: m.NextAttempt}
	if now.Before(it.wake) {
		it.entry.State = queue.Delayed
	} else {
		it.entry.State = queue.Ready
	}
	it.entry.ID, it.entry.Envelope, it.entry.Recipient = m.ID, m.Envelope, m.Recipient
	it.entry.Tags, it.entry.Attempts = slices.Clone(m.Tags), len(m.Results)
	it.entry.Stored, it.entry.Due = now, m.NextAttempt
	it.domain = m.Domain()
	return it
}

// adopt gives it a body: one of this Queue as it is, one of type queue.Bytes without a copy, any other as a copy.
func (q *Queue) adopt(it *item, b queue.Body) error {
	switch b := b.(type) {
	case nil:
	case *body:
		if b.owner == q {
			it.body = b
			return nil
		}
		it.body = &body{data: b.data, owner: q}
	case queue.Bytes:
		it.body = &body{data: b, owner: q}
	default:
		data, err := queue.ReadBody(b)
		if err != nil {
			return err
		}
		if _, ok := b.(interface{ Bytes() []byte }); ok {
			data = slices.Clone(data)
		}
		it.body = &body{data: data, owner: q}
	}
	return nil
}

// insert adds items that were prepared for what. The lock is held.
func (q *Queue) insert(what []queue.Item, items []*item) {
	for i, it := range items {
		q.serial++
		it.serial = q.serial
		q.count++
		if it.body != nil {
			if it.body.refs == 0 {
				q.bytes += it.body.Size()
			}
			it.body.refs++
		}
		q.add(q.open(what[i].Queue), it)
	}
}

// add puts an item that is ready, delayed or parked into a store.
func (q *Queue) add(s *store, it *item) {
	it.store = s
	s.stats.Bytes += it.entry.Size
	s.enter(it)
	switch it.entry.State {
	case queue.Ready:
		s.pushReady(it)
	case queue.Delayed:
		q.setAlarm(it, it.wake)
	}
}

// remove takes an item out of its store, whatever its state.
func (q *Queue) remove(it *item) {
	s := it.store
	s.leave(it)
	s.stats.Bytes -= it.entry.Size
	s.take(it)
	s.unlist(it)
	q.clearAlarm(it)
	q.release(s)
}

// forget gives back what a removed item took.
func (q *Queue) forget(it *item) {
	q.count--
	if it.body == nil {
		return
	}
	if it.body.refs--; it.body.refs == 0 {
		q.bytes -= it.body.Size()
	}
}

// change brings an item into another state of the same store.
func (q *Queue) change(it *item, to queue.State) {
	it.store.leave(it)
	it.store.take(it)
	q.clearAlarm(it)
	it.entry.State, it.entry.Parked = to, ""
	it.store.enter(it)
}

// open returns the store of a name. The lock is held.
func (q *Queue) open(name string) *store {
	s := q.named[name]
	if s == nil {
		if q.named == nil {
			q.named = make(map[string]*store)
		}
		s = newStore(name)
		q.named[name] = s
	}
	return s
}

// release drops a store that is empty and unused, so that names which come and go leave nothing behind.
func (q *Queue) release(s *store) {
	if s.items.Len() == 0 && len(s.consumers) == 0 {
		delete(q.named, s.stats.Queue)
	}
}

// ended returns the channel that Close closes. The lock is held.
func (q *Queue) ended() chan struct{} {
	if q.done == nil {
		q.done = make(chan struct{})
	}
	return q.done
}

// Close implements queue.Queue. What waits is forgotten.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	close(q.ended())
	if q.timer != nil {
		q.timer.Stop()
	}
	q.named, q.alarms, q.count, q.bytes = nil, nil, 0, 0
	return nil
}
