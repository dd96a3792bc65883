package delivery

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/locks"
)

// Slots limits simultaneous connections. throttle.Slots are slots that incoming connections share.
type Slots interface {
	Acquire(context.Context) error
	TryAcquire() bool
	Release()
}

// starved lists the paths that wait for a connection slot: first the paths without any connection, then the others,
// each in the order in which they came. One goroutine waits for slots on their behalf; meanwhile connections of other
// paths give up theirs.
type starved struct {
	e       *core
	mu      locks.Mutex[locks.Aside]
	none    []*path // without a connection
	some    []*path // with some, that want more
	feeding bool
	yield   context.CancelFunc // ends the wait for one of some
	need    atomic.Pointer[need]
	done    sync.WaitGroup
}

// need asks for the slot of one connection.
type need struct {
	p    *path
	open int // connections that p has
}

func (s *starved) init(e *core) { s.e = e }

// wait waits until no path is looked after any more.
func (s *starved) wait() { s.done.Wait() }

// add queues a path for a slot, which has connections or has none. Its lock is held.
func (s *starved) add(p *path, none bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if none {
		s.none = append(s.none, p)
		if s.yield != nil {
			s.yield()
		}
	} else {
		s.some = append(s.some, p)
	}
	if !s.feeding {
		s.feeding = true
		s.done.Add(1)
		go s.run()
	}
}

// run acquires a slot for each path in turn until none waits.
func (s *starved) run() {
	defer s.done.Done()
	for {
		p, ctx, cancel := s.next()
		if p == nil {
			return
		}
		s.feed(ctx, p)
		cancel()
	}
}

// feedTime is how long one path is first in line.
const feedTime = time.Second

// next takes the first path, with the ctx in which to wait for its slot.
func (s *starved) next() (p *path, ctx context.Context, cancel context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.yield = nil
	ctx, cancel = context.WithTimeout(s.e.untilStop(), feedTime)
	switch {
	case len(s.none) > 0:
		p, s.none = s.none[0], s.none[1:]
	case len(s.some) > 0:
		p, s.some = s.some[0], s.some[1:]
		s.yield = cancel
	default:
		cancel()
		s.feeding, s.none, s.some = false, nil, nil
	}
	return p, ctx, cancel
}

// feed waits for a slot and makes a connection of p with it, or gives it back when p needs none any more. When none
// comes, p joins the end of the line.
func (s *starved) feed(ctx context.Context, p *path) {
	open, wanted := p.connections()
	acquired := s.e.slots.TryAcquire()
	if !acquired && wanted {
		s.need.Store(&need{p, open})
		s.stealIdle(p)
		acquired = s.e.slots.Acquire(ctx) == nil
		s.need.Store(nil)
	}
	if !p.fed(acquired) && acquired {
		s.e.slots.Release()
	}
}

// stealIdle ends the connection of another path that has been idle longest.
func (s *starved) stealIdle(needy *path) {
	var from *path
	var oldest *connection
	var since time.Time
	for _, p := range s.e.allPaths() {
		if c, t := p.oldestIdle(); c != nil && p != needy && (oldest == nil || t.Before(since)) {
			from, oldest, since = p, c, t
		}
	}
	if oldest != nil && from.leaveIdle(oldest) {
		oldest.wake()
	}
}

// timeSlice is how many mails a path's only connection carries before it makes room for a path that has none.
const timeSlice = 20

// asks reports whether a connection of p that carried so many mails should end for the sake of another path: when p has
// at least two more than that one, or when that one has none and this connection had its share.
func (s *starved) asks(p *path, sent int) bool {
	n := s.need.Load()
	return n != nil && n.p != p && p.spares(n.open, sent)
}

// spares reports whether a connection of p that carried so many mails is to end for a path that has so many
// connections.
func (p *path) spares(others, sent int) bool {
	open, _ := p.connections()
	return open > others+1 || others == 0 && sent >= timeSlice
}

// yields reports whether a connection of p that carried so many mails is the one to end: one without work always is.
func (s *starved) yields(p *path, sent int, idle bool) bool {
	n := s.need.Load()
	return n != nil && n.p != p && (idle || s.asks(p, sent)) && s.need.CompareAndSwap(n, nil)
}
