package delivery

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// steering returns the rules in force; nil: there are none.
func (e *Engine) steering() Steering {
	if e.Steering == nil {
		return nil
	}
	return e.Steering()
}

// Steered tells the engine that Steering returns something else than before. Nothing that is paused now begins any more
// once it returned; what waits in memory is gone through by and by, and what is no longer paused is fetched again. It
// does not block.
func (e *Engine) Steered() {
	e.init()
	e.epoch.Add(1)
	e.pausing.steeringChanged()
}

// verdict is what was decided about a message before it has a path. The zero verdict lets it go.
type verdict struct {
	result *queue.Result // finishes it, or puts it off
	pause  *Pause        // holds it
}

func (v verdict) goes() bool { return v.result == nil && v.pause == nil }

// forNow reports whether the message is refused with 4yz, so that it is tried again.
func (v verdict) forNow() bool { return v.result != nil && v.result.Code/100 == 4 }

// dispose ends a job as decided, or puts it off.
func (e *Engine) dispose(j *job, v verdict) {
	switch {
	case v.pause != nil:
		e.parkPaused(j, v.pause, nil)
	case v.forNow():
		e.retry(j, *v.result)
	default:
		e.notTried(j, *v.result)
	}
}

// rewrite has the rules change a message that is about to be sent; false means that it ended here.
func (e *Engine) rewrite(s Steering, j *job, now time.Time) bool {
	recipient, envelope, domain, tags := j.m.Recipient, j.m.Envelope, j.domain, j.m.Tags
	d := s.Rewrite(j.m, now)
	j.changed(recipient, domain, tags)
	if j.m.Recipient != recipient || j.m.Envelope != envelope {
		j.domain = addr.Domain(j.m.Recipient)
		if text := e.invalid(j.m); text != "" {
			e.notTried(j, queue.Result{State: queue.StateRewrite, Result: queue.Invalid, Code: 550, Status: "5.1.3",
				Description: text})
			return false
		}
	}
	j.size = mailSize(j.m)
	j.deadline = e.deadline(j.ending.Delivery, now)
	switch {
	case d.Fail != nil:
		e.notTried(j, refused(queue.StateRewrite, d.Fail))
		return false
	case d.Delay > 0 && e.delayOnce(j, d.Rule):
		e.delay(j, now.Add(d.Delay))
		return false
	}
	return true
}

// refused is the result of a message that somebody decided against.
func refused(state queue.ResultState, why *Refusal) queue.Result {
	return queue.Result{State: state, Result: queue.Error, Code: why.Code, Status: why.Status,
		Description: why.Description}
}

// delayed is the property that names the rule that delayed a message last: when the message is back, that rule would
// otherwise delay it again, until it expires.
const delayed = "delayed-by"

// delayOnce notes which rule delays a message; false when the same one did that already.
func (e *Engine) delayOnce(j *job, rule string) bool {
	text, err := json.Marshal(rule)
	if err != nil || string(j.m.Extra[delayed]) == string(text) {
		return false
	}
	extra := make(map[string]json.RawMessage, len(j.m.Extra)+1)
	for name, value := range j.m.Extra {
		extra[name] = value
	}
	extra[delayed] = text
	j.m.Extra = extra
	return true
}

// delay puts a message back into the outbox, with no attempt counted.
func (e *Engine) delay(j *job, until time.Time) {
	if until.After(j.deadline) {
		until = j.deadline
	}
	j.m.NextAttempt = wholeSecond(until)
	e.settle(j, queue.Item{Queue: e.Names.Outbox, Message: j.m})
}

// selection describes a job on its way from source to target.
func (j *job) selection(source, target netip.Addr) *Selection {
	sel := &j.ownWay().sel
	*sel = Selection{Source: source, Domain: j.domain, Tags: j.m.Tags, Target: target}
	if j.m.IPs == nil {
		sel.Pool = j.m.Pool
	}
	return sel
}

// ruling asks whether what sel describes may go.
func ruling(s Steering, sel *Selection, now time.Time) verdict {
	if p, ok := s.Paused(sel, now); ok {
		pause := p // so that only this is on the heap
		return verdict{pause: &pause}
	}
	if why, ok := s.Refused(sel, now); ok {
		result := refused(queue.StateProcess, &why)
		return verdict{result: &result}
	}
	return verdict{}
}

// plan chooses the address that a job leaves from, among the addresses that nothing is decided against. When there is
// none, the message waits while any of them is paused, is put off when one is refused for now, and fails otherwise.
func (e *Engine) plan(j *job) verdict {
	j.epoch = e.epoch.Load() // before asking, or what changes meanwhile would go unnoticed
	s := e.steering()
	if s == nil {
		return e.planFreely(j)
	}
	way := j.ownWay()
	sources, named := e.usable(way.open[:0], j, s)
	if !named {
		sources = append(sources, netip.Addr{})
	}
	c := choice{e: e, j: j, s: s, open: sources[:0], planned: way.planned[:0]}
	for _, source := range sources {
		c.consider(source)
	}
	return c.made()
}

// planFreely is plan while there are no rules.
func (e *Engine) planFreely(j *job) verdict {
	if j.way != nil {
		j.way.redirected = netip.Addr{}
	}
	if j.m.IPs == nil && j.m.Pool == "" && len(e.Sources.Default) == 0 {
		j.source, j.planned = netip.Addr{}, true
		return verdict{}
	}
	return e.planNamed(j)
}

// planNamed is planFreely for a message that may not leave from anywhere.
func (e *Engine) planNamed(j *job) verdict {
	var room [8]netip.Addr
	sources, _ := e.usable(room[:0], j, nil)
	if len(sources) == 0 {
		return verdict{result: e.sourceless(j)}
	}
	j.source, j.planned = e.choose(sources, j), true
	return verdict{}
}

// choice is the choice of a source address for a job.
type choice struct {
	e       *Engine
	j       *job
	s       Steering
	open    []netip.Addr // that nothing is decided against
	planned []netip.Addr // in place of which each of them came
	now     time.Time
	against verdict // what was decided against others: a pause rather than a refusal, one for now rather than for good
	strict  bool    // the only address that the message may leave from is paused
	absent  bool    // a redirect leads to an address that is not here
}

// consider asks about one candidate.
func (c *choice) consider(source netip.Addr) {
	if c.now.IsZero() {
		c.now = time.Now()
	}
	to := source
	if source.IsValid() {
		if other, ok := redirect(c.s, source, c.j.domain, c.now); ok {
			to = other.Unmap()
			if familyOf(to)&c.j.unfit != 0 || !c.e.isLocal(to) {
				c.absent = true
				return
			}
		}
	}
	v := ruling(c.s, c.j.selection(to, netip.Addr{}), c.now)
	switch {
	case v.goes():
		c.open = append(c.open, to)
		c.planned = append(c.planned, source)
	case v.pause != nil:
		c.strict = c.strict || c.e.bound(c.j, to)
		if c.against.pause == nil || sooner(v.pause.Until, c.against.pause.Until) {
			c.against = v
		}
	case c.against.goes(), c.against.pause == nil && v.forNow():
		c.against = v
	}
}

// redirect returns where mail leaves from instead of source. It counts nothing where that can be.
func redirect(s Steering, source netip.Addr, domain string, now time.Time) (netip.Addr, bool) {
	if f, ok := s.(Foreteller); ok {
		to, rules := f.Redirects(source, domain, now)
		return to, len(rules) > 0
	}
	return s.Redirect(source, domain, now)
}

// sooner reports whether the time a comes before b, where zero means never.
func sooner(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// made returns what came of it.
func (c *choice) made() verdict {
	switch {
	case len(c.open) > 0 && !c.strict:
		source := c.e.choose(c.open, c.j)
		c.j.source, c.j.planned, c.j.way.redirected = source, true, netip.Addr{}
		if planned := c.planned[slices.Index(c.open, source)]; planned != source {
			c.j.way.redirected = planned
		}
		return verdict{}
	case !c.against.goes():
		return c.against
	}
	result := c.e.sourceless(c.j)
	if c.absent && c.j.unfit == 0 {
		result.Description = "the address that mail is redirected to is not here"
	}
	return verdict{result: result}
}

// tellRedirect tells the monitor, once for each message, that it does not leave from where it was to.
func (e *Engine) tellRedirect(j *job) {
	if w := j.way; w != nil && w.redirected.IsValid() && !w.told {
		w.told = true
		if s := e.steering(); s != nil {
			if _, ok := s.(Foreteller); ok {
				s.Redirect(w.redirected, j.domain, time.Now()) // counts
			}
		}
		e.observe(monitor.Event{Kind: monitor.Reassigned, MTA: w.redirected, Domain: j.domain, Tags: j.m.Tags})
	}
}
