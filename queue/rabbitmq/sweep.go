package rabbitmq

import (
	"context"
	"time"
)

// sweepEvery is how often things are put in order.
const sweepEvery = 20 * time.Second

// sweep puts things in order now and then, until the queue closes.
func (q *Queue) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			for _, b := range q.all() {
				b.tidy(now)
				b.sendBack(now)
			}
		case <-q.life.Done():
			return
		}
	}
}

// sendBack returns what was unparked and found no consumer to its parking queue: its time there is over, so that the
// broker passes it on to the queue it belongs to.
func (b *book) sendBack(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keep list
	for d := b.front.pop(); d != nil; d = b.front.pop() {
		if now.Sub(d.since) < b.q.opts.parkedFor || len(b.consumers) > 0 {
			keep.pushBack(d)
			continue
		}
		l := d.link
		d.from.stray = true
		b.leave(d)
		delete(l.open, d.tag)
		_ = l.ch.Nack(d.tag, false, true)
	}
	b.front = keep
}

// moveDelayed stands in for a broker that cannot dead-letter safely.
func (b *book) moveDelayed() {
	_, _ = b.q.topology.safely(context.Background())
}
