package disk

import (
	"context"
	"fmt"

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
