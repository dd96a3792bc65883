package rabbitmq

import (
	"time"
)

// sweepEvery is how often things are put in order.
const sweepEvery = 20 * time.Second

// sweep puts things in order now and then, until the queue closes.
func (q *Queue) sweep() {
	tick := time.NewTicker(min(sweepEvery, q.opts.parkedFor/2))
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for _, b := range q.all() {
				b.tidy(now)
				b.sendBack(now)
				b.removeIdle(now)
				b.comeBack(now)
			}
		case <-q.life.Done():
			return
		}
	}
}

// sendBack passes on what was unparked and found no consumer to the queue it belongs to.
func (b *book) sendBack(now time.Time) {
	var keep list
	var back []*delivery
	b.mu.Lock()
	for d := b.front.pop(); d != nil; d = b.front.pop() {
		if now.Sub(d.since) < b.q.opts.parkedFor || len(b.consumers) > 0 {
			keep.pushBack(d)
			continue
		}
		d.state = stateMoving
		back = append(back, d)
	}
	b.front = keep
	b.mu.Unlock()
	for _, d := range back {
		d.delay(b.q.life, time.Time{})
	}
}

// removeIdle deletes the parking queues of this process that are not needed any more.
func (b *book) removeIdle(now time.Time) {
	for _, name := range b.idleLots(now) {
		if n, found, err := b.q.topology.count(b.q.life, name); err != nil || n > 0 || !found {
			continue // then it is left to the reader of the directory
		}
		_ = b.q.topology.remove(b.q.life, name)
	}
}
