package delivery

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/locks"
	"github.com/sluicemail/sluice/throttle"
)

// contended has the connections that limits on simultaneous connections count. Paths that such a limit keeps out stand
// in line, the ones with the fewest connections first; connections of other paths make room for the first, as they do
// for a slot, and it is the next to connect. The methods may be called at once.
type contended struct {
	mu     locks.Mutex[locks.Leaf]
	crowds map[counted]*crowd
}

// counted is what a limit counts the connections of: a target address, or a path as the throttle knows it.
type counted struct {
	target netip.Addr
	path   throttle.Path
}

// countedOf are what limits may count a connection of a path to a target by.
func countedOf(p *path, target netip.Addr) [2]counted {
	return [...]counted{{target: target}, {path: p.id().Path}}
}

// crowd are the connections that one limit counts. The lock of contended guards it.
type crowd struct {
	of      counted
	members []*seat
	line    []*claim
	first   atomic.Pointer[claim] // of line; read without the lock
	room    *claim                // for which there is room that nobody else may have
	until   time.Time             // as long
	away    []*path               // who wanted it
}

// claim is the place of a path in a line.
type claim struct {
	in   *crowd
	p    *path
	open int           // connections that p has
	wait throttle.Wait // which keeps p out
}

// seat is the part of one connection in the crowds that it is of. The zero seat is of none.
type seat struct {
	c      *connection
	p      *path
	in     []*crowd
	gaveTo *claim // for which the connection ends
}

func (all *contended) init() { all.crowds = make(map[counted]*crowd) }

// join counts a connection that was made, where the limits of that moment do.
func (all *contended) join(s *seat, target netip.Addr, limits *throttle.Limits) {
	if limits.Target.Connections > 0 {
		all.enter(s, counted{target: target})
	}
	if limits.Domain.Connections > 0 {
		all.enter(s, counted{path: s.p.id().Path})
	}
}

func (all *contended) enter(s *seat, of counted) {
	var away []*path
	all.mu.Lock()
	in := all.crowd(of)
	in.members = append(in.members, s)
	s.in = append(s.in, in)
	in.strike(s.p)
	if in.room != nil && in.room.p == s.p {
		away = in.open()
	}
	all.mu.Unlock()
	look(away)
}

// crowd returns a crowd, made if needed. all.mu is held.
func (all *contended) crowd(of counted) *crowd {
	in := all.crowds[of]
	if in == nil {
		in = &crowd{of: of}
		all.crowds[of] = in
	}
	return in
}

// leave ends the part that a connection has in its crowds.
func (all *contended) leave(s *seat) {
	if s.in == nil {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, in := range s.in {
		in.members = slices.DeleteFunc(in.members, func(m *seat) bool { return m == s })
		all.forget(in)
	}
}

// forget drops a crowd that nobody is of. all.mu is held.
func (all *contended) forget(in *crowd) {
	if len(in.members) == 0 && in.room == nil && all.crowds[in.of] == in {
		delete(all.crowds, in.of)
	}
}

// mayTry returns for how long a path is not to connect to a target, as there is room for another one only.
func (all *contended) mayTry(p *path, target netip.Addr) throttle.Wait {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, of := range countedOf(p, target) {
		in := all.crowds[of]
		if in == nil || in.room == nil || in.room.p == p {
			continue
		}
		if left := time.Until(in.until); left > 0 {
			in.away = append(slices.DeleteFunc(in.away, func(q *path) bool { return q == p }), p)
			return throttle.Wait{For: left, Limit: in.room.wait.Limit, Rule: in.room.wait.Rule}
		}
	}
	return throttle.Wait{}
}

// keptOut puts a path in line that a limit keeps from connecting to a target.
func (all *contended) keptOut(p *path, target netip.Addr, wait throttle.Wait) {
	of := counted{target: target}
	switch wait.Limit {
	case "ip_maxconnections":
	case "maxconnections":
		of = counted{path: p.id().Path}
	default:
		return
	}
	open, _ := p.connections()
	all.mu.Lock()
	in := all.crowd(of) // which may be that of a connection that is being made
	in.enqueue(&claim{in: in, p: p, open: open, wait: wait})
	all.mu.Unlock()
	all.serve(in)
}

// failed says that a connection of a path to a target was not made: who waits for its end is told by the throttle.
func (all *contended) failed(p *path, target netip.Addr) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, of := range countedOf(p, target) {
		if in := all.crowds[of]; in != nil {
			all.forget(in)
		}
	}
}

// serve has an idle connection end for the first in line, if there is one.
func (all *contended) serve(in *crowd) {
	all.mu.Lock()
	n, members := in.first.Load(), slices.Clone(in.members)
	all.mu.Unlock()
	for _, m := range members {
		if n != nil && m.p != n.p && m.p.leaveIdle(m.c) {
			m.c.wake() // to find that it must end
			return
		}
	}
}

// enqueue puts a path in line, where it was unless it has more connections now.
func (in *crowd) enqueue(n *claim) {
	if i := slices.IndexFunc(in.line, func(m *claim) bool { return m.p == n.p }); i >= 0 {
		if in.line[i].open == n.open {
			return
		}
		in.line = slices.Delete(in.line, i, i+1)
	}
	i, _ := slices.BinarySearchFunc(in.line, n.open, func(m *claim, open int) int { return m.open - open - 1 })
	in.line = slices.Insert(in.line, i, n)
	in.first.Store(in.line[0])
}

// strike takes a path out of the line.
func (in *crowd) strike(p *path) {
	in.line = slices.DeleteFunc(in.line, func(n *claim) bool { return n.p == p })
	in.first.Store(nil)
	if len(in.line) > 0 {
		in.first.Store(in.line[0])
	}
}

// asked reports whether a connection that carried so many mails should end for the first in a line.
func (s *seat) asked(sent int) bool {
	for _, in := range s.in {
		if n := in.first.Load(); n != nil && n.p != s.p && s.p.spares(n.open, sent) {
			return true
		}
	}
	return false
}

// yields reports whether the connection is the one to end for the first in a line, which may connect then: one without
// work always is.
func (all *contended) yields(s *seat, sent int, idle bool) bool {
	for _, in := range s.in {
		n := in.first.Load()
		if n != nil && n.p != s.p && (idle || s.p.spares(n.open, sent)) && all.makeRoom(s, n) {
			return true
		}
	}
	return false
}

// makeRoom has a connection end for the first in line, unless another one does.
func (all *contended) makeRoom(s *seat, n *claim) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	in := n.in
	if in.first.Load() != n {
		return false
	}
	in.strike(n.p)
	in.room, in.until = n, time.Now().Add(feedTime)
	s.gaveTo = n
	return true
}

// waits is what the path of a connection waits for before it makes another one, so that room is not taken by who gave
// it.
func (s *seat) waits() (wait throttle.Wait) {
	if s.gaveTo != nil {
		wait = s.gaveTo.wait
		wait.For = 2 * feedTime
	}
	return wait
}

// offer has the path connect for which a connection made room, or all others when that one does not want to any more.
func (all *contended) offer(s *seat) {
	n := s.gaveTo
	if n == nil {
		return
	}
	if n.p.look(); n.p.connects() {
		time.AfterFunc(feedTime, func() { all.expire(n) })
	} else {
		all.expire(n)
	}
	all.serve(n.in)
}

// expire ends what is kept for a path.
func (all *contended) expire(n *claim) {
	var away []*path
	all.mu.Lock()
	if in := n.in; in.room == n {
		away = in.open()
		all.forget(in)
	}
	all.mu.Unlock()
	look(away)
}

// open lets everybody connect again, and returns who wanted to.
func (in *crowd) open() (away []*path) {
	away, in.room, in.away = in.away, nil, nil
	return away
}

// look has paths ask the throttle again.
func look(paths []*path) {
	for _, p := range paths {
		p.look()
	}
}
