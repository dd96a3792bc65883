package delivery

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// connection is one outgoing connection of a path with the goroutine that serves it.
type connection struct {
	e   *core
	p   *path
	key *pathKey // of the path

	link
	limits   *throttle.Limits
	sent     int    // mails attempted
	along    int    // of these as further recipients of another one
	accepted int    // of these accepted
	blamed   bool   // that the connection broke counts already, for another recipient of the same mail
	proven   bool   // the remote answered a mail: the path works
	flows    bool   // the mail before was accepted, a moment ago
	bytes    int64  // of mails attempted
	refused  bool   // a mail may not go to the target now: end
	spent    bool   // the remote takes no more mails over it: end
	domain   string // of the last mail; read by others only while it is idle

	seat seat

	tx        *Transaction                       // of the mail that is being sent
	next      *job                               // begun, or about to be, in the flights of the one before
	nextTx    *Transaction                       // of that
	timer     *time.Timer                        // of wait
	wakeup    chan struct{}                      // capacity 1
	interrupt atomic.Pointer[context.CancelFunc] // of the watch on the remote
}

// link is an open connection to a remote.
type link struct {
	conn    Connection
	account throttle.Conn
	target  netip.AddrPort
	mx      string // the name of its host
	hop     *Hop   // how it was opened
	opened  time.Time
	most    int // mails that the remote takes, as it said or was learned; zero: any number
	domains domainsTold
	// recipients of one mail that the remote takes, as it said or showed; zero: it said nothing
	recipients int
	limited    bool // it is a Limited
}

// domainsTold are the domains of the recipients over a connection, where the remote limits their number.
type domainsTold struct {
	most  int // zero: any number
	names []string
}

// take counts a domain, unless that is one too many.
func (d *domainsTold) take(domain string) bool {
	switch {
	case d.most == 0 || slices.Contains(d.names, domain):
		return true
	case len(d.names) == d.most:
		return false
	}
	d.names = append(d.names, domain)
	return true
}

// heed notes what the remote takes: what it announces, and what was learned of it, whichever is less.
func (l *link) heed(learned int) {
	l.most = learned
	limited, ok := l.conn.(Limited)
	if !ok {
		return
	}
	said := limited.Limits()
	if said.Mails > 0 && (l.most == 0 || said.Mails < l.most) {
		l.most = said.Mails
	}
	l.domains.most, l.recipients = said.Domains, said.Recipients
	l.limited = true
}

// took returns how long it took to make the connection.
func (l *link) took() monitor.Stages {
	if timed, ok := l.conn.(Timed); ok {
		return timed.Opening()
	}
	return monitor.Stages{}
}

func newConnection(e *core, p *path) *connection {
	return &connection{e: e, p: p, key: p.id(), tx: new(Transaction), nextTx: new(Transaction),
		wakeup: make(chan struct{}, 1)}
}

// run makes the connection and serves the path with it until there is no more work or it breaks.
func (c *connection) run() {
	defer c.e.conns.Done()
	c.limits = c.e.throttle.Limits(c.key.Path)
	r := round{e: c.e, p: c.p, key: c.key, limits: c.limits}
	if l := r.connect(); l != nil {
		c.link = *l
		c.seat = seat{c: c, p: c.p}
		c.e.contended.join(&c.seat, c.target.Addr(), c.limits)
		c.serve()
		c.end()
	} else {
		c.e.slots.Release()
	}
	c.p.Served()
}

func (c *connection) serve() {
	for {
		j := c.take()
		if j == nil {
			return
		}
		c.next = c.ahead(j)
		c.deliver(j)
		*c.tx = Transaction{}
		if !c.conn.Usable() {
			return
		}
	}
}

// end closes the connection and gives back what it has. A mail that was begun is given up by closing, and only then may
// another connection take it.
func (c *connection) end() {
	_ = c.conn.Close() // there is nobody left to tell
	if j := c.next; j != nil {
		c.next = nil
		c.account.Cancel(j.size)
		j.unfetch()
		c.p.putBack(j)
	}
	c.e.learned.carried(c.target, c.sent-c.along)
	c.e.contended.leave(&c.seat)
	c.p.closed(c.proven, c.seat.waits())
	c.e.slots.Release()
	c.event(monitor.ConnClosed, "")
	c.account.Close()
	c.e.contended.offer(&c.seat)
}

// take returns the next job, waiting for one as long as the connection may be idle; nil ends the connection.
func (c *connection) take() *job {
	if c.spent {
		return nil
	}
	if j := c.next; j != nil {
		if j.outdated(c.e.epoch()) && !c.stillGoes(j) {
			return nil // and give up what was begun by closing
		}
		c.next = nil
		c.tx, c.nextTx = c.nextTx, c.tx
		return j
	}
	for {
		if c.used(0, 0) || c.refused || c.yields(false) {
			return nil
		}
		j, looks, goOn := c.p.take(c, c.sent == 0)
		if !goOn {
			return nil
		}
		var pause time.Duration
		if j != nil {
			if c.domain = j.domain; !c.mayTake(j) {
				continue
			}
			if !c.domains.take(j.domain) {
				c.p.putBack(j)
				return nil
			}
			wait := c.account.Send(j.size)
			if wait.Zero() {
				return j
			}
			if pause, goOn = c.p.throttled(c, j, wait, looks); !goOn {
				return nil
			}
		}
		if !c.rest(pause) || c.targetPaused() {
			return nil
		}
	}
}

// ahead takes another job whose first commands can go out with j, if the throttle allows.
func (c *connection) ahead(j *job) *job {
	if c.used(1, j.size) || c.e.starved.asks(c.p, c.sent) || c.seat.asked(c.sent) {
		return nil
	}
	next, looks := c.p.takeReady()
	if next == nil || !c.mayTake(next) {
		return nil
	}
	if !c.domains.take(next.domain) {
		c.p.putBack(next)
		return nil
	}
	if wait := c.account.Send(next.size); !wait.Zero() {
		c.p.putBackThrottled(next, wait, looks)
		return nil
	}
	return next
}

// yields reports whether the connection is the one to end for the sake of another path: one without work always is.
func (c *connection) yields(idle bool) bool {
	return c.e.starved.yields(c.p, c.sent, idle) || c.e.contended.yields(&c.seat, c.sent, idle)
}

// used reports whether the connection, after some more mails, has carried as much as it may.
func (c *connection) used(mails int, bytes int64) bool {
	return c.full(mails, bytes) || c.most > 0 && c.sent-c.along+mails >= c.most
}

// full is used as far as our own limits go.
func (c *connection) full(mails int, bytes int64) bool {
	per := &c.limits.Connection
	return per.Messages > 0 && c.sent+mails >= per.Messages || per.Bytes > 0 && c.bytes+bytes >= per.Bytes
}

// patience is how long an idle connection only waits for work before it watches the remote as well: watching costs
// system calls, and a connection that is idle for moments only need not pay them.
const patience = time.Second

// rest waits until the connection is woken or, when pause is not zero, that time has passed. It returns false when the
// connection must end: idle for too long, closed by the remote.
func (c *connection) rest(pause time.Duration) bool {
	c.limits = c.e.throttle.Limits(c.key.Path)
	limit, since := c.idleTime(), time.Now()
	c.account.Idle(true)
	c.event(monitor.ConnIdle, "")
	var woken, usable bool
	if pause > 0 {
		woken, usable = c.wait(pause)
	} else if woken, usable = c.wait(min(limit, patience)); !woken && usable && limit > patience {
		usable = c.watch(limit - patience)
	}
	if !woken && !c.p.leaveIdle(c) {
		<-c.wakeup // woken at this very moment
		woken = true
	}
	c.flows = c.flows && time.Since(since) < patience
	c.account.Idle(false)
	c.event(monitor.ConnBusy, "")
	return usable && (woken || pause > 0)
}

// wait waits to be woken, for limit at most. usable is false when everything breaks off.
func (c *connection) wait(limit time.Duration) (woken, usable bool) {
	if c.timer == nil {
		c.timer = time.NewTimer(limit)
	} else {
		c.timer.Reset(limit)
	}
	defer c.timer.Stop()
	select {
	case <-c.wakeup:
		return true, true
	case <-c.timer.C:
		return false, true
	case <-c.e.untilBreak().Done():
		return false, false
	}
}

// watch waits like wait, with an eye on the remote; it returns whether the connection is still usable.
func (c *connection) watch(limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(c.e.untilBreak(), limit)
	defer cancel()
	c.interrupt.Store(&cancel)
	defer c.interrupt.Store(nil)
	if len(c.wakeup) > 0 {
		return true
	}
	return c.conn.Idle(ctx)
}

// idleTime is how long the connection stays open without work.
func (c *connection) idleTime() time.Duration {
	return max(cmp.Or(c.limits.Connection.Idle, 5*time.Second), 0)
}

// idling returns the target of the connection, how many connections of the path may be idle, and how many to the same
// target; zero: any number.
func (c *connection) idling() (target netip.Addr, most, mostAtTarget int) {
	return c.target.Addr(), c.limits.Domain.Idle, c.limits.Target.Idle
}

// wake has an idle connection look for work. It was taken from the path's idle list by the caller.
func (c *connection) wake() {
	c.wakeup <- struct{}{}
	if cancel := c.interrupt.Load(); cancel != nil {
		(*cancel)()
	}
}

// deliver sends one mail and hands its outcome on.
func (c *connection) deliver(j *job) {
	if !c.prepare(j, c.tx) {
		return
	}
	c.sent++
	c.bytes += j.size
	if others := c.join(j); others != nil {
		c.deliverTogether(j, others)
		return
	}
	var next *Transaction
	if n := c.next; n != nil {
		switch {
		case c.together() > 1 && c.sociable(n): // others may go with it
		case n.absent():
			n.fetch = c.e.mails.begin(c.e.untilBreak(), n.m) // and not begun before it is there
		case c.prepare(n, c.nextTx):
			next = c.nextTx
		default:
			c.next = nil
		}
	}
	c.e.observe(monitor.Event{Kind: monitor.Attempted, MTA: c.key.Source, Remote: c.target, Domain: j.domain,
		Tags: j.m.Tags, Since: j.handedIn()})
	c.conn.Deliver(c.e.untilBreak(), c.tx, next)
	if c.tx.Unsent {
		c.stopped()
		c.unsent(j)
		return
	}
	c.attempted(j)
}

// stopped notes that the remote had enough of the connection before the last mail had a part in it, if that was all
// that there was to it: not that the mail before was refused, or long ago.
func (c *connection) stopped() {
	mails := c.sent - c.along - 1
	if c.flows && !c.e.broken() && c.e.learned.stopped(c.target, c.key.Site, c.opened, mails) {
		c.e.log.Info("a remote takes so many mails over one connection", "path", c.key.Path.String(), "remote", c.target,
			"mails", mails)
	}
}

// prepare fills in tx for a job, once its mail is there; false means that the job ended here, or waits
// again.
func (c *connection) prepare(j *job, tx *Transaction) bool {
	if tx.Message != nil {
		return true
	}
	if j.unready() && (j.absent() || c.e.mails.renders(j.m)) && !c.fetch(j) {
		return false
	}
	*tx = Transaction{Message: j.m, Finisher: c}
	if c.e.returnPath != nil && j.m.Envelope != "" {
		tx.ReturnPath, tx.EnvID = c.e.returnPath(j.m)
	}
	err := c.Finish(tx, nil)
	if err == nil {
		return true
	}
	*tx = Transaction{}
	c.account.Cancel(j.size)
	if _, told := errors.AsType[*Failure](err); c.e.broken() {
		c.e.release(j)
	} else if told {
		c.e.notFetched(j, err)
	} else {
		outcome := queue.Error
		if _, wrong := errors.AsType[*queue.PropertyError](err); wrong {
			outcome = queue.Invalid
		}
		c.e.notTried(j, queue.Result{State: queue.StateProcess, Result: outcome, Code: 554, Status: "5.6.0",
			Description: err.Error()})
	}
	return false
}

// fetch gets the mail of a job, which is next; false means that the job ended here, or waits again.
func (c *connection) fetch(j *job) bool {
	switch {
	case j.fetch != nil:
	case j.m.Body != nil:
		j.fetch = c.e.mails.rendered(c.e.untilStop(), j.m)
	default:
		j.fetch = c.e.mails.begin(c.e.untilBreak(), j.m)
	}
	if err := j.fetch.await(c.e.untilStop()); err != nil {
		c.account.Cancel(j.size)
		j.unfetch()
		c.e.notFetched(j, err)
		return false
	}
	if j.absent() && j.m.Key != "" {
		c.e.mails.answers(nil)
	}
	was := j.fetch.give(j.m)
	size := j.m.Body.Size()
	if size == j.size || was != nil { // which was counted with the size that it came with
		return true
	}
	c.account.Cancel(j.size) // of a size that was not known
	j.size = size
	_, looks := c.p.way()
	if wait := c.account.Send(size); !wait.Zero() {
		j.unfetch()
		c.p.putBackThrottled(j, wait, looks)
		return false
	}
	return true
}

// Finish implements Finisher; without fit it takes the mail to be fit.
func (c *connection) Finish(tx *Transaction, fit func(queue.Body) (queue.Body, error)) (err error) {
	tx.Body = tx.Message.Body
	if c.e.edit != nil {
		tx.Body, err = c.e.edit(c.e.untilBreak(), tx.Message)
	}
	if err == nil && fit != nil {
		tx.Body, err = fit(tx.Body)
	}
	if err == nil && c.e.finish != nil {
		tx.Body, err = c.e.finish(c.e.untilBreak(), c.hop, tx)
	}
	return err
}

// maxUnsent is how often a mail goes again, uncounted, because its connection ended before it.
const maxUnsent = 3

// unsent puts a job back that the remote had no part in: it is the first mail of another connection then. One that this
// happens to there as well, again and again, has a problem after all: the path is to blame, and in the end it counts as
// an attempt.
func (c *connection) unsent(j *job) {
	c.sent--
	c.account.Cancel(j.size)
	result := c.tx.Result
	j.unfetch()
	if c.e.broken() {
		c.e.release(j)
		return
	}
	times := j.spare()
	if times > 1 && !c.proven && !c.conn.Usable() {
		c.p.strike(result)
	}
	if c.proven || times <= maxUnsent {
		c.p.putBack(j)
		return
	}
	if result.State == "" {
		result = queue.Result{State: queue.StateUnknown, Result: queue.Lost,
			Description: "the connection broke before the mail was sent, again and again"}
	}
	c.e.conclude(j, result, Decision{Fatal: new(bool), Greylisted: new(bool)}, false) // it is tried again in any case
}

func (c *connection) event(kind monitor.Kind, text string) {
	c.e.observe(monitor.Event{Kind: kind, MTA: c.key.Source, Remote: c.target, Domain: c.key.Site, Text: text})
}
