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

// removeIdle deletes the parking queues of this process that are not needed any more.
func (b *book) removeIdle(now time.Time) {
	for _, name := range b.idleLots(now) {
		if n, found, err := b.q.topology.count(b.q.life, name); err != nil || n > 0 || !found {
			continue // then it is left to whoever reads the directory
		}
		_ = b.q.topology.remove(b.q.life, name)
	}
}

// comeBack lets parked messages whose time is over come again, in place of a broker that cannot do so safely.
func (b *book) comeBack(now time.Time) {
	if !b.q.topology.plain.Load() {
		return
	}
	due := make(map[string]int)
	b.mu.Lock()
	for key, aside := range b.lots {
		for _, at := range aside.times {
			if now.Sub(at) >= b.q.opts.parkedFor {
				due[key]++
			}
		}
	}
	b.mu.Unlock()
	for key, n := range due {
		_, _ = b.q.Unpark(b.q.life, b.name, key, n)
	}
}
