package delivery

import (
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// take returns the first job of the ready list. When there is none that may go now, the connection joins the idle ones
// and the job is nil. goOn is false when the connection must end.
func (p *path) take(c *connection) (j *job, goOn bool) {
	if p.e.stopping.Load() {
		return nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if j = p.pop(); j == nil {
		p.idle = append(p.idle, c)
		if p.e.stopping.Load() { // drain may have been here already
			p.removeIdle(c)
			return nil, false
		}
	}
	return j, true
}

// takeReady returns the first job of the ready list, or nil.
func (p *path) takeReady() *job {
	if p.e.stopping.Load() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pop()
}

// pop takes the first job that may go now. Those whose time is over are finished on the way. p.mu is held.
func (p *path) pop() *job {
	if p.ready.n == 0 {
		return nil
	}
	now := time.Now()
	if now.Before(p.sendTo) {
		return nil
	}
	for j := p.ready.popFront(); j != nil; j = p.ready.popFront() {
		if now.Before(j.deadline) {
			p.used = now
			p.refill()
			if p.ready.n > 1 && len(p.idle) > 0 {
				p.advance() // more than this connection can take along
			}
			return j
		}
		p.e.expire(j)
	}
	return nil
}

// throttled puts a job back that the throttle does not let go yet, and the connection among the idle ones. A limit on
// the target address concerns this connection alone, which looks again after pause; any other the whole path.
func (p *path) throttled(c *connection, j *job, wait throttle.Wait) (pause time.Duration, goOn bool) {
	p.hold(j, wait)
	if p.e.stopping.Load() {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
	if strings.HasPrefix(wait.Limit, "ip_") {
		return wait.For, true
	}
	return 0, true
}

// hold puts a job back to the front that the throttle does not let go yet.
func (p *path) hold(j *job, wait throttle.Wait) {
	p.mu.Lock()
	if p.e.stopping.Load() {
		p.mu.Unlock()
		p.e.release(j)
		return
	}
	p.ready.pushFront(j)
	p.wait = wait
	if !strings.HasPrefix(wait.Limit, "ip_") {
		p.sendTo = time.Now().Add(wait.For)
		p.timer.Reset(wait.For)
	}
	p.mu.Unlock()
}

// leaveIdle takes a connection out of the idle ones; false means that somebody else took it out, to rouse it.
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

// stealIdle ends the connection that has been idle longest and reports whether there was one.
func (p *path) stealIdle() bool {
	p.mu.Lock()
	if len(p.idle) == 0 {
		p.mu.Unlock()
		return false
	}
	c := p.idle[0]
	p.idle = slices.Delete(p.idle, 0, 1)
	p.mu.Unlock()
	c.dismiss()
	return true
}

// established counts a connection as open, and ends the back-off.
func (p *path) established() {
	p.mu.Lock()
	p.starting--
	p.open++
	p.offlineTo = time.Time{}
	p.grow()
	p.mu.Unlock()
}

// recovered forgets earlier failures: a mail went through.
func (p *path) recovered() {
	p.mu.Lock()
	p.failures = 0
	p.lastError = ""
	p.wait = throttle.Wait{}
	p.mu.Unlock()
}

// closed counts a connection as ended.
func (p *path) closed() {
	p.mu.Lock()
	p.open--
	p.used = time.Now()
	p.mu.Unlock()
}

// afterEnd looks whether what waits needs another connection.
func (p *path) afterEnd() {
	if p.e.stopping.Load() {
		p.drain()
		return
	}
	p.mu.Lock()
	p.advance()
	p.mu.Unlock()
}

// notConnected ends the attempt to make a connection that the throttle or the engine's end cut short.
func (p *path) notConnected(wait throttle.Wait) {
	p.mu.Lock()
	p.starting--
	if !wait.Zero() {
		p.wait = wait
		p.connectTo = time.Now().Add(wait.For)
	}
	p.mu.Unlock()
}

// connectFailed ends a round of connecting that failed. While no other connection works, the first waiting job gets the
// result as its attempt; the others wait for the end of the back-off with none counted against them.
func (p *path) connectFailed(result queue.Result) {
	p.mu.Lock()
	p.starting--
	delay := p.backOff(result)
	var j *job
	if p.open == 0 {
		j = p.ready.popFront()
	}
	p.mu.Unlock()
	p.e.Logger.Info("connecting failed", "path", p.key.Path.String(), "state", result.State, "reason", result.Description, "again in", delay)
	if j != nil {
		p.e.unreached(j, result)
	}
}

// strike starts a back-off because a connection broke that had not delivered anything.
func (p *path) strike(result queue.Result) {
	p.mu.Lock()
	p.backOff(result)
	p.mu.Unlock()
}

// The back-off of a path doubles from the first to the second with each failed round, give or take a tenth, unless the throttle sets a fixed one.
const (
	firstBackOff = 30 * time.Second
	lastBackOff  = 15 * time.Minute
)

func (p *path) backOff(result queue.Result) time.Duration {
	p.failures++
	p.lastError = string(result.State) + ": " + result.Description
	limits := p.e.Throttle.Limits(p.key.Path)
	delay := limits.Connection.Offline
	switch {
	case result.State == queue.StateBind && limits.Faults.BindRetry > 0:
		delay = limits.Faults.BindRetry
	case result.Result == queue.Lost && limits.Faults.LostOffline > 0:
		delay = limits.Faults.LostOffline
	case result.Result == queue.Invalid && limits.Faults.InvalidOffline > 0:
		delay = limits.Faults.InvalidOffline
	case delay == 0:
		delay = jitter(min(firstBackOff<<min(p.failures-1, 10), lastBackOff))
	}
	p.offlineTo = time.Now().Add(delay)
	return delay
}
