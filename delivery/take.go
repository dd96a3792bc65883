package delivery

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// take returns the first job of the ready list. When there is none that may go now, the connection joins the idle ones
// and the job is nil. goOn is false when the connection must end, which it also does to make room for a new one where
// one is needed.
func (p *path) take(c *connection) (j *job, goOn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.e.stopping.Load() { // set before drain comes by: no connection joins the idle ones behind its back
		return nil, false
	}
	if j = p.pop(c, c.sent == 0); j != nil {
		return j, true
	}
	if c.sent > 0 && p.spared > p.starting && !time.Now().Before(p.sendTo) {
		return nil, false
	}
	return nil, p.joinIdle(c, 0)
}

// takeReady returns the first job of the ready list that may go behind another one, or nil.
func (p *path) takeReady(c *connection) *job {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.e.stopping.Load() {
		return nil
	}
	return p.pop(c, false)
}

// joinIdle puts a connection among the idle ones; for a pause, it is not given work. False means that there are enough
// of them, or that another path needs its slot. p.mu is held.
func (p *path) joinIdle(c *connection, pause time.Duration) bool {
	if p.e.starved.yields(c, true) {
		return false
	}
	if most := c.limits.Domain.Idle; most > 0 && len(p.idle) >= most || p.idlesAt(c) {
		return false
	}
	c.idleSince, c.pausedTo = time.Now(), time.Time{}
	if pause > 0 {
		c.pausedTo = c.idleSince.Add(pause)
	}
	p.idle = append(p.idle, c)
	return true
}

// idlesAt reports whether enough connections are idle at the target of this one. p.mu is held.
func (p *path) idlesAt(c *connection) bool {
	most, n := c.limits.Target.Idle, 0
	if most <= 0 {
		return false
	}
	for _, other := range p.idle {
		if other.target.Addr() == c.target.Addr() {
			n++
		}
	}
	return n >= most
}

// pop takes the first job that may go now, as the first one over the connection or as another one. Jobs whose time is
// over are finished on the way. p.mu is held.
func (p *path) pop(c *connection, opening bool) *job {
	if p.ready.n == 0 {
		return nil
	}
	now := time.Now()
	if now.Before(p.sendTo) {
		return nil // the timer was set with sendTo
	}
	for j := p.firstFor(opening); j != nil; j = p.firstFor(opening) {
		if !now.Before(j.deadline) {
			p.e.expire(j)
			continue
		}
		if j.epoch != p.e.epoch.Load() && !p.replan(j) {
			continue
		}
		c.looks = p.looks
		p.used = now
		p.refill()
		if p.ready.n > 1 && len(p.idle) > 0 {
			p.advance() // more than this connection can take along
		}
		return j
	}
	return nil
}

// throttled puts a job back that the throttle does not let go yet, and the connection among the idle ones. A limit on
// the target address concerns this connection alone, which looks again after pause; one on the connection ends it; any
// other stops the whole path.
func (p *path) throttled(c *connection, j *job, wait throttle.Wait) (pause time.Duration, goOn bool) {
	p.putBackThrottled(c, j, wait)
	if ofConnection(wait) {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.e.stopping.Load() {
		return 0, false
	}
	if ofTarget(wait) && p.looks == c.looks {
		pause, c.because = wait.For, wait
	}
	if p.ready.n > 0 && pause == 0 && !time.Now().Before(p.sendTo) {
		pause = time.Nanosecond // the wait is over already; no timer would tell
	}
	return pause, p.joinIdle(c, pause)
}

// putBackThrottled puts a job back to the front that the throttle does not let go yet.
func (p *path) putBackThrottled(c *connection, j *job, wait throttle.Wait) {
	p.mu.Lock()
	if p.e.stopping.Load() {
		p.mu.Unlock()
		p.e.release(j)
		return
	}
	p.putFirst(j)
	if !ofTarget(wait) && !ofConnection(wait) && p.looks == c.looks {
		p.sendTo, p.sendWait = time.Now().Add(wait.For), wait
	}
	p.advance()
	p.mu.Unlock()
}

// Throttles tell by the name of a limit what it stops.
func ofTarget(w throttle.Wait) bool     { return strings.HasPrefix(w.Limit, "ip_") }
func ofConnection(w throttle.Wait) bool { return strings.HasPrefix(w.Limit, "connection_") }

// limitAt returns the limit on a target address that an idle connection to it waits for, for as long as it still does;
// the zero Wait: none. Another connection to it would have to wait as well.
func (p *path) limitAt(target netip.Addr) (wait throttle.Wait) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		if left := time.Until(c.pausedTo); left > 0 && c.target.Addr() == target {
			wait = c.because
			wait.For = left
			return wait
		}
	}
	return wait
}

// leaveIdle takes a connection out of the idle ones; false means that somebody else took it out, to wake it.
func (p *path) leaveIdle(c *connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.removeIdle(c)
}

func (p *path) removeIdle(c *connection) bool {
	i := slices.Index(p.idle, c)
	if i < 0 {
		return false
	}
	p.idle = slices.Delete(p.idle, i, i+1)
	return true
}

// idleSince returns since when the connection is idle that has been so longest; the zero time when none is.
func (p *path) idleSince() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return time.Time{}
	}
	return p.idle[0].idleSince
}

// wakeOldest has that connection find that its slot is needed elsewhere.
func (p *path) wakeOldest() {
	p.mu.Lock()
	var c *connection
	if len(p.idle) > 0 {
		c = p.idle[0]
		p.removeIdle(c)
	}
	p.mu.Unlock()
	if c != nil {
		c.wake()
	}
}
