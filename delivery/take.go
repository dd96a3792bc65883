package delivery

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// take returns the first job of the ready list, and how often the throttle had asked to look again then. When there is
// none that may go now, the connection joins the idle ones and the job is nil. goOn is false when the connection must
// end, which it also does to make room for a new one where one is needed. opening says that it carried no mail yet.
func (p *path) take(c *connection, opening bool) (j *job, looks uint64, goOn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.e.stopping() { // set before drain comes by: no connection joins the idle ones behind its back
		return nil, 0, false
	}
	if j = p.pop(opening); j != nil {
		return j, p.allowance.told(), true
	}
	if !opening && p.ready.needed() > p.starting && !time.Now().Before(p.allowance.sendAt()) {
		return nil, 0, false
	}
	return nil, 0, p.joinIdle(c, throttle.Wait{})
}

// takeReady returns the first job of the ready list that may go behind another one, or nil.
func (p *path) takeReady() (j *job, looks uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.e.stopping() {
		return nil, 0
	}
	return p.pop(false), p.allowance.told()
}

// takeIf returns the first job of the ready list if it may go together with another one, or nil.
func (p *path) takeIf(fits func(*job) bool) (j *job, looks uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j = p.ready.first()
	if j == nil || p.e.stopping() || j.outdated(p.e.epoch()) || j.expired(time.Now()) || !fits(j) {
		return nil, 0
	}
	return p.pop(false), p.allowance.told()
}

// joinIdle puts a connection among the idle ones; for a wait, it is not given work. False means that there are enough
// of them, or that another path needs its slot. p.mu is held.
func (p *path) joinIdle(c *connection, wait throttle.Wait) bool {
	target, most, mostAtTarget := c.idling()
	return !c.yields(true) && p.idle.push(c, target, wait, most, mostAtTarget)
}

// pop takes the first job that may go now, as the first one over the connection or as another one. Jobs whose time is
// over are finished on the way. p.mu is held.
func (p *path) pop(opening bool) *job {
	if p.ready.len() == 0 {
		return nil
	}
	now := time.Now()
	if now.Before(p.allowance.sendAt()) {
		return nil // advance set the alarm
	}
	for j := p.ready.firstFor(opening); j != nil; j = p.ready.firstFor(opening) {
		if j.expired(now) {
			p.e.notTried(j, givenUp())
			continue
		}
		if j.outdated(p.e.epoch()) && !p.replan(j) {
			continue
		}
		p.used = now
		p.refill()
		if p.ready.len() > 1 && len(p.idle) > 0 {
			p.advance() // more than this connection can take along
		}
		return j
	}
	return nil
}

// throttled puts a job back that the throttle does not let go yet, and the connection among the idle ones. A limit on
// the target address concerns this connection alone, which looks again after pause; one on the connection ends it; any
// other stops the whole path. looks is what take returned with the job.
func (p *path) throttled(c *connection, j *job, wait throttle.Wait, looks uint64) (pause time.Duration, goOn bool) {
	p.putBackThrottled(j, wait, looks)
	if ofConnection(wait) {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.e.stopping() {
		return 0, false
	}
	if !ofTarget(wait) || p.allowance.told() != looks {
		wait.For = 0
	}
	if p.ready.len() > 0 && wait.For == 0 && !time.Now().Before(p.allowance.sendAt()) {
		wait.For = time.Nanosecond // the wait is over already; no timer would tell
	}
	return wait.For, p.joinIdle(c, wait)
}

// putBackThrottled puts a job back to the front that the throttle does not let go yet.
func (p *path) putBackThrottled(j *job, wait throttle.Wait, looks uint64) {
	p.mu.Lock()
	if p.e.stopping() {
		p.mu.Unlock()
		p.e.release(j)
		return
	}
	p.ready.putFirst(j)
	if !ofTarget(wait) && !ofConnection(wait) {
		p.allowance.sendAfter(wait, looks)
	}
	p.advance()
	p.mu.Unlock()
}

// Throttles tell by the name of a limit what it stops.
func ofTarget(w throttle.Wait) bool     { return strings.HasPrefix(w.Limit, "ip_") }
func ofConnection(w throttle.Wait) bool { return strings.HasPrefix(w.Limit, "connection_") }

// limitAt returns the limit on a target address that an idle connection to it waits for, for as long as it still does;
// the zero Wait: none. Another connection to it would have to wait as well.
func (p *path) limitAt(target netip.Addr) throttle.Wait {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle.limitAt(target, time.Now())
}

// leaveIdle takes a connection out of the idle ones; false means that it was taken out already, to be woken.
func (p *path) leaveIdle(c *connection) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle.remove(c)
}

// oldestIdle returns the connection that has been idle longest, and since when; nil when none is.
func (p *path) oldestIdle() (*connection, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle.oldest()
}
