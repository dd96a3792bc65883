package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// maxHeld is how long a message waits in a ready list before it is parked: a broker wants its deliveries back.
const maxHeld = queue.MaxParked / 2

// sweep looks over the paths now and then: it finishes what expired, parks what has waited for long, forgets paths
// without work.
func (e *Engine) sweep() {
	ticker := time.NewTicker(15 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-e.ctx.Done():
			return
		}
		for _, p := range e.allPaths() {
			if p.sweep(time.Now()) {
				e.forget(p)
			}
		}
	}
}

// sweep goes through the ready list; it reports whether the path seems to have nothing to do.
func (p *path) sweep(now time.Time) bool {
	var old, dead []*job
	p.mu.Lock()
	for j := p.ready.first; j != nil; {
		next := j.next
		switch {
		case !now.Before(j.deadline):
			p.ready.remove(j)
			dead = append(dead, j)
		case now.Sub(j.since) > maxHeld:
			p.ready.remove(j)
			p.notePark(j.domain)
			old = append(old, j)
		}
		j = next
	}
	p.expected = 0 // some that were let go may have been finished on the way
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

// fairShare is how long the ready list of one path may be, so that a few slow paths never take up all the messages that
// may be in memory: while less than half of them are, as long as it wants; then its share of half of them.
func (e *Engine) fairShare() int {
	if e.held.Load() < int64(e.Prefetch/2) {
		return e.Prefetch
	}
	return e.Prefetch / 2 / max(int(e.pathCount.Load()), 1)
}

// relieve parks what paths hold beyond their share; at most one such round runs at a time.
func (e *Engine) relieve() {
	if !e.relieving.CompareAndSwap(false, true) {
		return
	}
	e.settler.add(task{call: func() {
		defer e.relieving.Store(false)
		for _, p := range e.allPaths() {
			p.trim()
		}
	}})
}

// trim parks the end of the ready list beyond its capacity.
func (p *path) trim() {
	p.mu.Lock()
	limit := p.capacity()
	var over []*job
	for p.ready.n > limit {
		j := p.ready.popBack()
		p.notePark(j.domain)
		over = append(over, j)
	}
	p.mu.Unlock()
	for _, j := range over {
		p.e.park(j, "memory is short")
	}
}

// starved lists the paths that wait for a connection slot, in the order in which they came. One goroutine waits for
// slots on their behalf.
type starved struct {
	e       *Engine
	mu      sync.Mutex
	paths   []*path
	waiting bool
	done    sync.WaitGroup
}

func (s *starved) init(e *Engine) { s.e = e }

// starve queues the path for a slot, and has an idle connection of another path give up its own. p.mu is held.
func (p *path) starve() {
	if p.starved {
		return
	}
	p.starved = true
	s := &p.e.starved
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths = append(s.paths, p)
	if !s.waiting {
		s.waiting = true
		s.done.Add(1)
		go s.run()
	}
}

// run acquires a slot for each path in turn until none waits.
func (s *starved) run() {
	defer s.done.Done()
	for {
		s.mu.Lock()
		if len(s.paths) == 0 {
			s.waiting = false
			s.paths = nil
			s.mu.Unlock()
			return
		}
		p := s.paths[0]
		s.paths = s.paths[1:]
		s.mu.Unlock()
		s.feed(p)
	}
}

// feed waits for a slot and makes a connection of p with it, or gives it back when p needs none any more.
func (s *starved) feed(p *path) {
	s.e.stealIdle(p)
	ctx, cancel := context.WithTimeout(s.e.consume, time.Second)
	defer cancel()
	acquired := s.e.Slots.Acquire(ctx) == nil
	p.mu.Lock()
	p.starved = false
	if acquired && !s.e.stopping.Load() && p.ready.n > 0 && p.mayConnect() && p.wantsConnection() {
		p.connect()
		acquired = false
	} else if !acquired {
		p.advance() // again at the end of the line
	}
	p.mu.Unlock()
	if acquired {
		s.e.Slots.Release()
	}
}

func (s *starved) wait() { s.done.Wait() }

// stealIdle ends an idle connection of another path.
func (e *Engine) stealIdle(needy *path) {
	for _, p := range e.allPaths() {
		if p != needy && p.stealIdle() {
			return
		}
	}
}

func (e *Engine) releaseSlot() { e.Slots.Release() }

// slots is the limit of an engine that was given none.
type slots chan struct{}

func newSlots(n int) slots { return make(slots, n) }

// Acquire waits for a slot.
func (s slots) Acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TryAcquire takes a slot if there is one.
func (s slots) TryAcquire() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// Release gives a slot back.
func (s slots) Release() { <-s }
