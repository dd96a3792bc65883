package delivery

import (
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// replan asks anew about a job that was taken from the ready list; false when it does not go over this path any more.
// p.mu is held.
func (p *path) replan(j *job) bool {
	v := p.e.plan(j)
	switch {
	case !v.goes():
		p.e.dispose(j, v)
		return false
	case j.leaves() != p.key.Source:
		p.move(j)
		return false
	}
	return true
}

// move has a job placed on another path, whose lock must not be taken here. p.mu is held.
func (p *path) move(j *job) {
	route := p.route
	p.e.settler.Call(func() {
		if p.e.stopping() {
			p.e.release(j)
			return
		}
		p.e.place(j, route)
	})
}

// reexamine goes through the ready list, in pieces: what is taken meanwhile is looked at when it is taken.
func (p *path) reexamine() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eachReady(func(j *job) {
		if !j.outdated(p.e.epoch()) {
			return
		}
		v := p.e.plan(j)
		if v.goes() && j.leaves() == p.key.Source {
			return
		}
		p.ready.drop(j)
		if v.goes() {
			p.move(j)
		} else {
			p.e.dispose(j, v)
		}
	})
	p.advance()
}

// eachReady calls f for all that is in the ready list now, unless the engine stops. p.mu is held, but given up now and
// then.
func (p *path) eachReady(f func(*job)) {
	for p.ready.begin(); p.ready.some(f) && !p.e.stopping(); {
		p.mu.Unlock()
		p.mu.Lock()
	}
}

// leaveParked has parked messages of domains that are paused now wait for the end of the pause.
func (p *path) leaveParked() {
	s := p.e.steering()
	if s == nil {
		return
	}
	sel, now := Selection{Source: p.key.Source}, time.Now()
	for _, domain := range p.shelf.Keys() {
		sel.Domain = domain
		if pause, ok := s.Paused(&sel, now); ok {
			p.e.holdDomain(p.key.Source, domain, &pause)
			p.shelf.Take(domain)
		}
	}
}

// wakePausedTargets has idle connections find that their targets are paused.
func (p *path) wakePausedTargets() {
	p.mu.Lock()
	paused := p.idle.takeIf((*connection).targetPaused)
	p.mu.Unlock()
	for _, c := range paused {
		c.wake()
	}
}

// targetPaused reports whether the target of a connection is paused, as far as can be told without a message.
func (c *connection) targetPaused() bool {
	s := c.e.steering()
	if s == nil {
		return false
	}
	sel := Selection{Source: c.key.Source, Domain: c.domain, Target: c.target.Addr()}
	if sel.Domain == "" {
		sel.Domain = c.key.Site
	}
	pause, ok := s.Paused(&sel, time.Now())
	return ok && pause.Target
}

// stillGoes reports whether what was begun may go on, though steering changed meanwhile.
func (c *connection) stillGoes(j *job) bool {
	v := c.e.plan(j)
	if !v.goes() || j.leaves() != c.key.Source {
		j.doubt() // the next connection that takes it finds out as well
		return false
	}
	s := c.e.steering()
	return s == nil || ruling(s, j.selection(j.leaves(), c.target.Addr()), time.Now()).goes()
}

// mayTake reports whether a job may go to the target of this connection. If not, it ended here, or is back in the ready
// list, for a connection to another target: then this one ends when it looks for another job.
func (c *connection) mayTake(j *job) bool {
	s := c.e.steering()
	if s == nil {
		return true
	}
	v := ruling(s, j.selection(j.leaves(), c.target.Addr()), time.Now())
	switch {
	case v.goes():
		return true
	case v.pause != nil && v.pause.Target:
		c.refused = true
		c.p.putBack(j)
	default:
		c.e.dispose(j, v)
	}
	return false
}

// pausedForFirst asks about a target address on behalf of the first in line. Jobs that are refused there end. wanted is
// false when none is in line any more.
func (p *path) pausedForFirst(s Steering, target netip.Addr) (paused, wanted bool) {
	for {
		p.mu.Lock()
		j := p.ready.first()
		if j == nil {
			p.mu.Unlock()
			return false, false
		}
		v := ruling(s, j.selection(p.key.Source, target), time.Now())
		if v.result == nil {
			p.mu.Unlock()
			return v.pause != nil && v.pause.Target, true
		}
		p.ready.drop(j)
		p.mu.Unlock()
		p.e.dispose(j, v)
	}
}

// parkAtTargets ends an attempt to make a connection for which all addresses are paused, and parks what waits for them.
func (p *path) parkAtTargets(targets []netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	parked := 0
	if s := p.e.steering(); s != nil {
		p.eachReady(func(j *job) {
			if pause, sels := p.pausedAt(s, j, targets); sels != nil {
				p.ready.drop(j)
				p.e.parkPaused(j, &pause, sels)
				parked++
			}
		})
	}
	if parked == 0 && p.ready.len() > 0 {
		p.allowance.connectAfter(throttle.Wait{For: time.Second}, p.allowance.told())
	}
}

// pausedAt returns the pause of a job for which all targets are paused, and what they are; nil when one is not. p.mu is
// held.
func (p *path) pausedAt(s Steering, j *job, targets []netip.Addr) (first Pause, sels []Selection) {
	for _, target := range targets {
		sels = append(sels, *j.selection(p.key.Source, target))
	}
	first, ok := pausedForAll(s, sels, time.Now())
	if !ok {
		return Pause{}, nil
	}
	return first, sels
}
