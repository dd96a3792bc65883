package delivery

import (
	"time"

	"github.com/sluicemail/sluice/queue"
)

// parkAfter is how long a message waits in a ready list before it is parked: a broker wants its deliveries back.
const parkAfter = queue.MaxParked / 2

// sweepEvery is how many seconds lie between two looks at all paths.
const sweepEvery = 15

// sweep looks after what no event would tell: every second whether memory is short and whether parked messages may be
// looked up; now and then over all paths.
func (e *Engine) sweep() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ticker.C:
		case <-e.consume.Done():
			return
		}
		if e.short() {
			e.relieve()
		}
		e.routing.refill()
		e.fetchUnowned()
		if n%sweepEvery != 0 {
			continue
		}
		for _, p := range e.allPaths() {
			if p.sweep(time.Now()) {
				e.forget(p)
			}
		}
	}
}

// sweep finishes what expired in the ready list and parks what has waited for long; it reports whether the path seems
// to have nothing to do.
func (p *path) sweep(now time.Time) bool {
	var old, dead []*job
	p.mu.Lock()
	for j := p.ready.first; j != nil; {
		next := j.next
		switch {
		case !now.Before(j.deadline):
			p.drop(j)
			dead = append(dead, j)
		case now.Sub(j.since) > parkAfter:
			p.drop(j)
			p.notePark(j.domain)
			old = append(old, j)
		}
		j = next
	}
	p.advance()
	idle := !p.busy()
	p.mu.Unlock()
	for _, j := range dead {
		p.e.expire(j)
	}
	for _, j := range old {
		p.e.park(j, "waited for long")
	}
	return idle
}
