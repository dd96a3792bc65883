package delivery

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// connection is one outgoing connection of a path with the goroutine that serves it.
type connection struct {
	e *Engine
	p *path

	conn     Connection
	account  throttle.Conn
	target   netip.AddrPort
	limits   *throttle.Limits
	sent     int   // mails attempted
	accepted int   // of these accepted
	bytes    int64 // of mails attempted

	next      *job                               // begun, or about to be, in the flights of the one before
	wake      chan struct{}                      // capacity 1
	dismissed atomic.Bool                        // must end when woken
	interrupt atomic.Pointer[context.CancelFunc] // of the watch on the remote
}

func newConnection(p *path) *connection {
	return &connection{e: p.e, p: p, wake: make(chan struct{}, 1)}
}

// run makes the connection and serves the path with it until there is no more work or it breaks.
func (c *connection) run() {
	defer c.e.conns.Done()
	if !c.connect() {
		c.e.releaseSlot()
		c.p.afterEnd()
		return
	}
	for {
		j := c.take()
		if j == nil {
			break
		}
		c.next = c.ahead()
		c.deliver(j)
		if !c.conn.Usable() {
			break
		}
	}
	c.end()
}

// end closes the connection and gives back what it holds.
func (c *connection) end() {
	if j := c.next; j != nil {
		c.next = nil
		c.account.Cancel(j.size)
		c.p.putBack(j)
	}
	c.conn.Close()
	c.p.closed()
	c.account.Close()
	c.e.releaseSlot()
	c.event(monitor.ConnClosed, "")
	c.p.afterEnd()
}

// take returns the next job, waiting for one as long as the connection may be idle; nil ends the connection.
func (c *connection) take() *job {
	if j := c.next; j != nil {
		c.next = nil
		return j
	}
	if c.used() {
		return nil
	}
	for {
		j, goOn := c.p.take(c)
		if !goOn {
			return nil
		}
		var pause time.Duration
		if j != nil {
			wait := c.account.Send(j.size)
			if wait.Zero() {
				return j
			}
			if pause, goOn = c.p.throttled(c, j, wait); !goOn {
				return nil
			}
		}
		if !c.rest(pause) {
			return nil
		}
	}
}

// ahead takes another job whose first commands can go out with the mail before it, if the throttle allows.
func (c *connection) ahead() *job {
	c.sent++
	full := c.used()
	c.sent--
	if full {
		return nil
	}
	j := c.p.takeReady()
	if j == nil {
		return nil
	}
	if wait := c.account.Send(j.size); !wait.Zero() {
		c.p.hold(j, wait)
		return nil
	}
	return j
}

// used reports whether the connection has carried as much as it may.
func (c *connection) used() bool {
	per := &c.limits.Connection
	return per.Messages > 0 && c.sent >= per.Messages || per.Bytes > 0 && c.bytes >= per.Bytes
}

// patience is how long an idle connection only waits for work before it watches the remote as well: watching costs
// system calls, and a connection that is idle for moments only need not pay them.
const patience = time.Second

// rest waits until the connection is roused or, when pause is not zero, that time has passed. It returns false when the
// connection must end: idle for too long, dismissed, closed by the remote.
func (c *connection) rest(pause time.Duration) bool {
	c.account.Idle(true)
	c.event(monitor.ConnIdle, "")
	woken, usable := c.wait(min(c.idleTime(), patience), pause)
	if !woken && usable && pause == 0 && c.idleTime() > patience {
		usable = c.watch(c.idleTime() - patience)
	}
	if !woken && !c.p.leaveIdle(c) {
		<-c.wake // roused at this very moment
		woken = true
	}
	c.account.Idle(false)
	c.event(monitor.ConnBusy, "")
	return usable && (woken || pause > 0) && !c.dismissed.Load()
}

// wait waits to be roused, for limit, or for pause when that is set. usable is false when everything breaks off.
func (c *connection) wait(limit, pause time.Duration) (woken, usable bool) {
	if pause > 0 {
		limit = pause
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.wake:
		return true, true
	case <-timer.C:
		return false, true
	case <-c.e.ctx.Done():
		return false, false
	}
}

// watch waits like wait, with an eye on the remote; it returns whether the connection is still usable.
func (c *connection) watch(limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(c.e.ctx, limit)
	defer cancel()
	c.interrupt.Store(&cancel)
	defer c.interrupt.Store(nil)
	if len(c.wake) > 0 {
		return true
	}
	return c.conn.Idle(ctx)
}

// idleTime is how long the connection stays open without work.
func (c *connection) idleTime() time.Duration {
	if d := c.limits.Connection.Idle; d != 0 {
		return max(d, 0)
	}
	return 5 * time.Second
}

// rouse has an idle connection look for work. It was taken from the path's idle list by the caller.
func (c *connection) rouse() {
	c.wake <- struct{}{}
	if cancel := c.interrupt.Load(); cancel != nil {
		(*cancel)()
	}
}

// dismiss ends an idle connection. It was taken from the path's idle list by the caller.
func (c *connection) dismiss() {
	c.dismissed.Store(true)
	c.rouse()
}

// deliver sends one mail and hands its outcome on.
func (c *connection) deliver(j *job) {
	c.sent++
	c.bytes += j.size
	if !c.prepare(j) {
		return
	}
	var next *Transaction
	if n := c.next; n != nil {
		if c.prepare(n) {
			next = &n.tx
		} else {
			c.next = nil
		}
	}
	c.e.observe(monitor.Event{Kind: monitor.Attempted, MTA: c.p.key.Source, Remote: c.target, Domain: j.domain, Tags: j.m.Tags})
	c.conn.Deliver(c.e.ctx, &j.tx, next)
	if j.tx.Unsent {
		c.unsent(j)
		return
	}
	c.e.attempted(c, j)
}

// prepare fills in the transaction of a job; false means that the job ended here.
func (c *connection) prepare(j *job) bool {
	if j.tx.Message != nil {
		return true
	}
	body := j.m.Body
	if c.e.Finish != nil {
		var err error
		if body, err = c.e.Finish(c.e.ctx, j.m); err != nil {
			c.account.Cancel(j.size)
			c.e.fail(j, queue.Result{State: queue.StateProcess, Result: queue.Error, Description: err.Error()})
			return false
		}
	}
	j.tx = Transaction{Message: j.m, Body: body}
	return true
}

// unsent puts a job back that the remote had no part in. One that this happens to again and again is treated as lost.
func (c *connection) unsent(j *job) {
	c.account.Cancel(j.size)
	result := j.tx.Result
	j.tx = Transaction{}
	if j.unsent++; j.unsent > 3 {
		if result.State == "" {
			result = queue.Result{State: queue.StateUnknown, Result: queue.Lost, Description: "the connection broke before the mail was sent, four times"}
		}
		c.e.retry(j, result)
		return
	}
	c.p.putBack(j)
}

func (c *connection) event(kind monitor.Kind, text string) {
	c.e.observe(monitor.Event{Kind: kind, MTA: c.p.key.Source, Remote: c.target, Domain: c.p.key.Site, Text: text})
}
