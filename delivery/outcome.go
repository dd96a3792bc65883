package delivery

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// attempted judges the outcome of a mail that went, or tried to go, over a connection.
func (c *connection) attempted(j *job) {
	result := c.tx.Result
	j.target, j.inMailbox, j.took = c.target, c.tx.Delivered, c.tx.Stages
	if c.sent-c.along == 1 {
		opening := c.link.took()
		j.took.Connect, j.took.Greeting, j.took.TLS = opening.Connect, opening.Greeting, opening.TLS
	}
	if c.e.broken() && result.Code == 0 {
		c.e.release(j) // we broke it off ourselves
		return
	}
	c.e.throttle.Observe(c.key.Path, c.target.Addr(), throttle.Outcome{
		Code: result.Code, Text: oneLine(c.tx.Text), Sent: result.Success(), ConnLost: result.Result == queue.Lost &&
			result.State != queue.StateStorage && !c.blamed,
	})
	success, said, elsewhere := result.Success(), result, c.tx.Elsewhere
	if answered(&said) && !c.proven {
		c.proven = true
		c.p.recovered()
	}
	c.e.classify(&c.tx.Result, c.mx)
	d := c.e.respond(j, &c.tx.Result, c.tx.Text, c.target.Addr())
	result = c.tx.Result // a rule may have changed it
	if success {
		c.accepted++
		c.flows = true
		c.e.conclude(j, result, d, true)
		return
	}
	if is(d.Strange, said.Result == queue.Invalid) {
		c.event(monitor.Strange, said.Description)
	}
	if !c.blamed {
		c.blame(&said, d.Individual)
	}
	if c.hadEnough(&said) && !d.rules() {
		c.spent = true
		c.stopped()
		c.unsent(j)
		return
	}
	c.flows = false
	if d.Fail == nil && is(d.Fallback, elsewhere) && c.fallBack(j, &result) {
		return
	}
	c.e.conclude(j, result, d, false)
}

// notFetched ends a job whose mail could not be fetched: for good when the mail is gone, and for a while when the store
// could not be asked.
func (e *core) notFetched(j *job, err error) {
	result := queue.Result{State: queue.StateStorage, Code: 554, Status: "5.3.0"}
	_, damaged := errors.AsType[*queue.DamageError](err)
	failure, unrendered := errors.AsType[*Failure](err)
	switch {
	case e.stopping():
		e.release(j)
		return
	case errors.Is(err, errSlowRender) || unrendered && failure.Temporary:
		e.log.Warn("a mail cannot be made now; its message waits", "id", j.m.ID, "error", err, "in", renderAgain)
		e.delay(j, time.Now().Add(renderAgain))
		return
	case unrendered:
		e.notTried(j, failure.Result)
		return
	case errors.Is(err, queue.ErrNotFound):
		result.Result, result.Description = queue.Lost, "the mail "+strconv.Quote(j.m.Key)+" is not in the message store"
	case damaged:
		result.Result, result.Description = queue.Invalid, "the mail "+strconv.Quote(j.m.Key)+" cannot be used: "+err.Error()
	default:
		if j.m.Key != "" {
			e.mails.answers(err)
		}
		_, again := e.mails.times()
		e.delay(j, time.Now().Add(again))
		return
	}
	e.mails.answers(nil)
	e.notTried(j, result)
}

// hadEnough reports whether the remote refused to go on with a connection, rather than this mail. Many say 452 at MAIL
// once a connection has delivered what it may (RFC 5321 §4.5.3.1.10 has the code for recipients).
func (c *connection) hadEnough(said *queue.Result) bool {
	if said.Code == 421 {
		return c.proven
	}
	return said.State == queue.StateMailFrom && said.Code/100 == 4 && c.accepted > 0
}

// blame has the path, and the target, suffer for an attempt that did not succeed, where that is not the message's fault
// alone.
func (c *connection) blame(said *queue.Result, individual *bool) {
	if said.State != queue.StateStorage { // that is our own disk's fault
		c.e.offline.leaveAlone(c.target, said, c.limits)
	}
	if is(individual, c.proven || !broke(said)) {
		return
	}
	if individual != nil {
		c.p.delay(*said)
	} else {
		c.p.strike(*said)
	}
}

// fallBack has a message tried at another address of its site, over a path that leaves out the addresses where it was
// tried; false when there were enough.
func (c *connection) fallBack(j *job, result *queue.Result) bool {
	if strings.Count(j.avoids(), " ") >= maxFallbacks-1 || c.e.stopping() {
		return false
	}
	j.fallBack(c.target.Addr(), result)
	route, _ := c.p.way()
	c.e.place(j, route)
	return true
}
