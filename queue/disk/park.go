package disk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Park sets a delivery aside under key.
func (q *Queue) Park(_ context.Context, d *queue.Delivery, key string) error {
	return d.Finish(func() error {
		h, ok := d.Driver().(*handedOut)
		if !ok || h.q != q {
			return fmt.Errorf("queue: park a delivery of another queue")
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.closed {
			return queue.ErrClosed
		}
		q.x.displace(h.slot)
		now := time.Now()
		q.x.park(h.slot, key, now.Add(queue.MaxParked).UnixMilli())
		q.returned(h.c)
		q.armDelays(now.UnixMilli())
		return nil
	})
}

// Unpark makes up to n of the messages parked under key ready, ahead of what waits.
func (q *Queue) Unpark(ctx context.Context, name, key string, n int) (int, error) {
	done := 0
	for done < n {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		want := min(n-done, unparkAtOnce)
		got, err := q.unparkSome(name, key, want)
		done += got
		if err != nil || got < want {
			return done, err
		}
	}
	return done, nil
}

// unparkAtOnce bounds for how long others wait for the index.
const unparkAtOnce = 1000

func (q *Queue) unparkSome(name, key string, n int) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, queue.ErrClosed
	}
	from := q.x.names[name]
	number, known := q.x.strings.ids[key]
	if from == nil || !known && key != "" {
		return 0, nil
	}
	for done := range n {
		l := from.parks[number]
		if l == nil {
			return done, nil
		}
		i := l.first()
		q.x.displace(i)
		q.x.unparked(from, i)
		q.wake(from)
	}
	return n, nil
}

// Parked returns the number of messages parked under each key of a queue.
func (q *Queue) Parked(_ context.Context, name string) (map[string]int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	counts := map[string]int{}
	if n := q.x.names[name]; n != nil {
		for key, l := range n.parks {
			counts[q.x.strings.get(key)] = l.n
		}
	}
	return counts, nil
}

// park lists a displaced entry under key until its time is up.
func (x *index) park(i uint32, key string, until int64) {
	e := x.entries.at(i)
	n := x.queues[e.queue]
	e.key = x.strings.acquire(key)
	e.due, e.state = until, stateParked
	if n.parks == nil {
		n.parks = map[uint32]*shelf{}
	}
	l := n.parks[e.key]
	if l == nil {
		l = &shelf{}
		n.parks[e.key] = l
	}
	x.pushBack(l.of(e.priority), i)
	l.n++
	x.delays.push(i)
	n.parked++
	n.bytes += x.sizeOf(e)
}

func (x *index) unlistParked(n *named, i uint32) {
	e := x.entries.at(i)
	l := n.parks[e.key]
	x.unlink(l.of(e.priority), i)
	if l.n--; l.n == 0 {
		delete(n.parks, e.key)
	}
	x.strings.release(e.key)
	e.key = 0
	x.delays.remove(i)
	e.due = 0
}

// shelf is what is parked under one key, by priority.
type shelf struct {
	n     int
	lists []shelfList // highest priority first
}

type shelfList struct {
	list
	priority int32
}

// of returns the list of a priority.
func (s *shelf) of(priority int32) *list {
	at, found := slices.BinarySearchFunc(s.lists, priority,
		func(l shelfList, p int32) int { return cmp.Compare(p, l.priority) })
	if !found {
		s.lists = slices.Insert(s.lists, at, shelfList{priority: priority})
	}
	return &s.lists[at].list
}

// first returns the entry that comes back first; the shelf is not empty.
func (s *shelf) first() uint32 {
	for i := range s.lists {
		if s.lists[i].n > 0 {
			return s.lists[i].head
		}
	}
	return 0
}

// unparked makes a displaced entry ready in the list of its priority that goes first.
func (x *index) unparked(n *named, i uint32) {
	e := x.entries.at(i)
	e.state = stateReady
	e.flags |= flagUnparked
	n.ready++
	n.bytes += x.sizeOf(e)
	x.pushBack(&n.level(e.priority).unparked, i)
}
