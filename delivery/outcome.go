package delivery

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// RetryPolicy says how long and how often mail is tried. Messages may override it.
type RetryPolicy struct {
	// Intervals between attempts; the last repeats. Empty: 10, 10, 30, 30 minutes, 1, 1, 2 hours.
	Intervals []time.Duration
	// Lifetime after the first pick-up; zero means a day.
	Lifetime time.Duration
	// MaxAttempts; zero means no limit.
	MaxAttempts int
}

func (r *RetryPolicy) lifetime() time.Duration {
	if r.Lifetime <= 0 {
		return 24 * time.Hour
	}
	return r.Lifetime
}

// after returns the delay that follows attempt n, counted from 1.
func (r *RetryPolicy) after(n int, own []time.Duration) time.Duration {
	intervals := own
	if len(intervals) == 0 {
		intervals = r.Intervals
	}
	if len(intervals) == 0 {
		intervals = []time.Duration{10 * time.Minute, 10 * time.Minute, 30 * time.Minute, 30 * time.Minute, time.Hour,
			time.Hour, 2 * time.Hour}
	}
	return intervals[min(max(n, 1), len(intervals))-1]
}

// attempted judges the outcome of a mail that went, or tried to go, over a connection.
func (e *Engine) attempted(c *connection, j *job) {
	result := j.tx.Result
	j.target = c.target
	if e.ctx.Err() != nil && result.Code == 0 {
		e.release(j) // we broke it off ourselves
		return
	}
	e.Throttle.Observe(c.p.key.Path, c.target.Addr(), throttle.Outcome{
		Code: result.Code, Text: oneLine(j.tx.Text), Sent: result.Success(), ConnLost: result.Result == queue.Lost &&
			result.State != queue.StateStorage,
	})
	success, said := result.Success(), result
	if answered(&said) && !c.proven {
		c.proven = true
		c.p.recovered()
	}
	d := e.respond(j, &j.tx.Result, j.tx.Text, c.target.Addr())
	result = j.tx.Result // a rule may have changed it
	if success {
		c.accepted++
		c.flows = true
		if d.Fail != nil {
			e.failAs(j, result, d.Fail)
		} else {
			e.delivered(j, result)
		}
		return
	}
	if is(d.Strange, said.Result == queue.Invalid) {
		c.event(monitor.Strange, said.Description)
	}
	e.blame(c, &said, d.Individual)
	if c.hadEnough(&said) && !d.rules() {
		c.spent = true
		c.stopped()
		c.unsent(j)
		return
	}
	c.flows = false
	if d.Fail == nil && is(d.Fallback, false) && c.fallBack(j, &result) {
		return
	}
	e.conclude(j, result, d)
}

// answered reports whether a reply is one to a mail, whatever it says: the way to the remote works then, and the remote
// does.
func answered(said *queue.Result) bool {
	return said.Code != 0 && said.Code != 421 && said.Result != queue.Invalid && said.State != queue.StateStorage
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
func (e *Engine) blame(c *connection, said *queue.Result, individual *bool) {
	if said.State != queue.StateStorage { // that is our own disk's fault
		e.leaveAlone(c.target, said, c.limits)
	}
	broken := said.Code == 421 || said.Result == queue.Lost || said.Result == queue.Timeout
	broken = broken && said.State != queue.StateStorage && !c.proven
	if is(individual, !broken) {
		return
	}
	if individual != nil {
		c.p.delay(*said)
	} else {
		c.p.strike(*said)
	}
}

// oneLine returns a reply as throttles expect it.
func oneLine(text string) string {
	if strings.IndexByte(text, '\n') < 0 {
		return text
	}
	return strings.ReplaceAll(text, "\n", " ")
}

// delivered finishes a message that the remote accepted.
func (e *Engine) delivered(j *job, result queue.Result) {
	e.record(j, result)
	e.report(monitor.Delivered, j)
	e.settler.Finish(&j.ending, settling.Success)
}

// fail finishes a message for good.
func (e *Engine) fail(j *job, result queue.Result) {
	e.record(j, result)
	e.report(monitor.Failed, j)
	e.settler.Finish(&j.ending, settling.Failure)
}

// notTried finishes a message without an attempt.
func (e *Engine) notTried(j *job, result queue.Result) {
	e.record(j, result)
	e.report(monitor.NotTried, j)
	e.settler.Finish(&j.ending, settling.Failure)
}

// expire finishes a message whose time is over.
func (e *Engine) expire(j *job) { e.notTried(j, givenUp()) }

// retry puts a message back into the outbox for later, or finishes it when its attempts or its time are used up. There
// is no attempt after its deadline: it is picked up once more then, to be finished.
func (e *Engine) retry(j *job, result queue.Result) { e.retryAfter(j, result, 0) }

// retryAfter is retry after a delay; zero: the next of the intervals.
func (e *Engine) retryAfter(j *job, result queue.Result, delay time.Duration) {
	e.record(j, result)
	e.report(monitor.Retried, j)
	now := time.Now()
	if n := e.maxAttempts(j.m); n > 0 && len(j.m.Results) >= n {
		e.notTried(j, givenUp())
		return
	}
	if !now.Before(j.deadline) {
		e.expire(j)
		return
	}
	if delay <= 0 {
		delay = e.Retry.after(len(j.m.Results), j.m.Retries)
	}
	next := now.Add(delay)
	if next.After(j.deadline) {
		next = j.deadline
	}
	j.m.NextAttempt = wholeSecond(next)
	e.settler.Retry(&j.ending, j.stored())
}

// record adds a result to the message.
func (e *Engine) record(j *job, result queue.Result) {
	if result.Code == 0 {
		result.Code, result.Status = ownCode(&result)
	}
	result.Time = time.Now().UTC().Truncate(time.Second)
	results := make([]queue.Result, len(j.m.Results)+1)
	copy(results, j.m.Results)
	results[len(results)-1] = result
	j.m.Results = results
}

// ownCode returns a code and a status that fit a connection that was not made, or not secured, when no remote gave one.
func ownCode(r *queue.Result) (code int, status string) {
	switch r.State {
	case queue.StateConnect, queue.StateHandshake:
		return 451, "4.4.1"
	case queue.StateDNS:
		return 451, "4.4.3"
	case queue.StateBind:
		return 451, "4.3.5"
	case queue.StateStartTLS, queue.StateAuthPlain, queue.StateAuthLogin, queue.StateAuthUsername,
		queue.StateAuthPassword, queue.StateAuthCRAM, queue.StateAuthResponse:
		return 454, "4.7.0"
	}
	return 0, ""
}

// report tells the monitor of the last result.
func (e *Engine) report(kind monitor.Kind, j *job) {
	if e.quiet {
		return
	}
	result := &j.m.Results[len(j.m.Results)-1]
	m := j.m
	if e.Extract {
		with := *j.m
		with.Extracted = j.ending.Extracted()
		m = &with
	}
	ev := monitor.Event{Kind: kind, Domain: j.domain, Tags: j.m.Tags, Bytes: j.size, Code: result.Code,
		Text: result.Description, Message: m, Result: result, Remote: j.target}
	if j.path != nil {
		ev.MTA = j.path.key.Source
	}
	if !ev.MTA.IsValid() && result.From != "" {
		ev.MTA, _ = netip.ParseAddr(result.From) // the system chose it
	}
	e.observe(ev)
}
