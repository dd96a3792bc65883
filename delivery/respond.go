package delivery

import (
	"net/netip"
	"strings"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// is returns what a rule says, or what holds without one.
func is(rule *bool, otherwise bool) bool {
	if rule != nil {
		return *rule
	}
	return otherwise
}

// rules reports whether a decision says what becomes of the message, so that the attempt counts whatever it was.
func (d *Decision) rules() bool {
	return d.Fail != nil || d.Delay > 0 || d.Fatal != nil || d.Individual != nil && *d.Individual ||
		d.Greylisted != nil || d.Fallback != nil
}

// respond asks the rules about a reply.
func (e *Engine) respond(j *job, result *queue.Result, text string, target netip.Addr) Decision {
	s := e.steering()
	if s == nil {
		return Decision{}
	}
	recipient, tags := j.m.Recipient, j.m.Tags
	d := s.Respond(j.selection(j.source, target), j.m, result, text)
	j.changed(recipient, j.domain, tags)
	return d
}

// conclude ends an attempt that did not succeed, as the reply and the rules have it.
func (e *Engine) conclude(j *job, result queue.Result, d Decision) {
	switch {
	case d.Fail != nil:
		e.failAs(j, result, d.Fail)
	case result.Success(): // says the rule
		e.delivered(j, result)
	case d.Delay > 0 && !is(d.Fatal, false):
		e.retryAfter(j, result, d.Delay)
	case is(d.Fatal, !temporary(&result) && !is(d.Greylisted, false)):
		e.fail(j, result)
	case is(d.Greylisted, greylisting(&result)):
		e.retryAfter(j, result, e.greylistDelay(j))
	default:
		e.retry(j, result)
	}
}

// failAs finishes a message with what a rule says instead of the remote, as far as it says something.
func (e *Engine) failAs(j *job, result queue.Result, why *Refusal) {
	result.Result = queue.Error
	if why.Code != 0 {
		result.Code = why.Code
	}
	if why.Status != "" {
		result.Status = why.Status
	}
	if why.Description != "" {
		result.Description = why.Description
	}
	e.fail(j, result)
}

// delay puts the path off-line, as a rule has it: that the reply concerns all messages to it.
func (p *path) delay(result queue.Result) {
	p.mu.Lock()
	p.lastError = reason(result)
	until := time.Now().Add(p.backOff(result))
	p.sendTo = until
	p.wakeAt(until)
	p.mu.Unlock()
}

// maxFallbacks is how many addresses a message is tried at, at most, before the attempt counts.
const maxFallbacks = maxTargets

// fallBack has a message tried at another address of its site, over a path that leaves out the addresses where it was
// tried; false when there were enough.
func (c *connection) fallBack(j *job, result *queue.Result) bool {
	if strings.Count(j.avoid, " ") >= maxFallbacks-1 || c.e.stopping.Load() {
		return false
	}
	fallen := *result
	j.fallen = &fallen
	j.avoid += c.target.Addr().String() + " "
	j.tx = Transaction{}
	j.unfetch()
	c.p.mu.Lock()
	route := c.p.route
	c.p.mu.Unlock()
	c.e.place(j, route)
	return true
}

// avoids reports whether an address is among the addresses that are left out.
func avoids(avoid string, addr netip.Addr) bool {
	return avoid != "" && strings.Contains(" "+avoid, " "+addr.String()+" ")
}

// fallen ends what waits for addresses that are not there: the result of the address before is that of the attempt.
func (p *path) fallen() {
	p.mu.Lock()
	p.starting--
	jobs := p.takeAll()
	p.mu.Unlock()
	for _, j := range jobs {
		if j.fallen == nil {
			p.e.retry(j, queue.Result{State: queue.StateConnect, Result: queue.Error, Code: 451, Status: "4.4.1",
				Description: "no other address of the site is left"})
		} else if temporary(j.fallen) {
			p.e.retry(j, *j.fallen)
		} else {
			p.e.fail(j, *j.fallen)
		}
	}
}
