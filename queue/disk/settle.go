package disk

import (
	"context"
	"fmt"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Settle implements queue.Driver. It returns once the settlement has its place in the log.
func (h *handedOut) Settle(ctx context.Context, _ *queue.Delivery, successors []queue.Item) error {
	if len(successors) == 0 {
		return h.q.settle(h)
	}
	q := h.q
	g := q.groups.get()
	if err := q.encode(g, successors, &ancestor{id: h.id, stored: h.stored, picked: h.picked}); err != nil {
		return err
	}
	g.own = true
	g.retire = append(g.retire, h.slot)
	q.mu.Lock()
	err := q.refuseSettle(g.size)
	if err == nil {
		g.addSettle(q.x.entries.at(h.slot).id)
		q.x.displace(h.slot)
		q.enqueue(g)
		q.returned(h.c)
	}
	q.mu.Unlock()
	if err != nil {
		q.discard(g)
	}
	return err
}

// settle removes a message without successors.
func (q *Queue) settle(h *handedOut) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.refuseSettle(8); err != nil {
		return err
	}
	q.x.displace(h.slot)
	q.retireLazily(h.slot)
	q.returned(h.c)
	return nil
}

// retireLazily puts the settlement of an entry in the order of the log. q.mu is held.
func (q *Queue) retireLazily(slot uint32) {
	q.settled = append(q.settled, slot)
	q.lazy += 8
	if q.lazy > maxLazyBytes || len(q.settled) >= maxSettles {
		q.hurry()
	} else {
		q.arm(q.opts.SettleDelay)
	}
}

// refuseSettle returns an error when a settlement of this size may find no space. q.mu is held.
func (q *Queue) refuseSettle(size int64) error {
	if err := q.refusal(); err != nil {
		return err
	}
	if q.full == nil {
		return nil
	}
	room := q.cur.room() + int64(len(q.spares))*(q.opts.SegmentSize-segmentPage)
	if q.lazy+size+4*recordSize(0) > room {
		return fmt.Errorf("%w, not even to settle", q.full)
	}
	return nil
}

// Release implements queue.Driver.
func (h *handedOut) Release(context.Context, *queue.Delivery) error {
	h.q.mu.Lock()
	defer h.q.mu.Unlock()
	if h.q.closed {
		return queue.ErrClosed
	}
	h.q.returnEntry(h.c, h.slot)
	return nil
}

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
func (q *Queue) Unpark(_ context.Context, name, key string, n int) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, queue.ErrClosed
	}
	from := q.x.names[name]
	if from == nil {
		return 0, nil
	}
	done := 0
	for ; done < n; done++ {
		number, known := q.x.strings.ids[key]
		l := from.parks[number]
		if l == nil || !known && key != "" {
			break
		}
		i := l.head
		q.x.displace(i)
		q.x.unparked(from, i)
		q.wake(from)
	}
	return done, nil
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
		n.parks = map[uint32]*list{}
	}
	l := n.parks[e.key]
	if l == nil {
		l = &list{}
		n.parks[e.key] = l
	}
	x.pushBack(l, i)
	x.delays.push(i)
	n.parked++
	n.bytes += x.sizeOf(e)
}

func (x *index) unlistParked(n *named, i uint32) {
	e := x.entries.at(i)
	l := n.parks[e.key]
	x.unlink(l, i)
	if l.n == 0 {
		delete(n.parks, e.key)
	}
	x.strings.release(e.key)
	e.key = 0
	x.delays.remove(i)
	e.due = 0
}

// unparked makes a displaced entry ready in the list that goes first.
func (x *index) unparked(n *named, i uint32) {
	e := x.entries.at(i)
	e.state = stateReady
	e.flags |= flagUnparked
	n.ready++
	n.bytes += x.sizeOf(e)
	x.pushBack(&n.unparked, i)
}
