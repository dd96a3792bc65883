package delivery

import (
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// handle takes a message from the outbox. It runs in the queue's own goroutine and blocks on nothing: what may take
// time goes to the look-ups or to the settler.
func (e *Engine) handle(d *queue.Delivery) {
	now := time.Now()
	j := &job{letter: letter{m: d.Message}, since: now}
	if j.m == nil {
		j.m = rawMessage(d.Raw)
	}
	j.Ending = settling.Ending{Delivery: d, Message: j.m, Owner: j}
	j.size = mailSize(j.m)
	j.domain = addr.Domain(j.m.Recipient)
	e.memory.enter()
	if e.memory.short() {
		e.relieve()
	}
	e.observe(monitor.Event{Kind: monitor.Picked, Domain: j.domain, Tags: j.m.Tags, Bytes: j.size})
	if e.stopping() {
		e.release(j)
		return
	}
	if !e.admit(j, now) || e.handOver(j) {
		return
	}
	if s := e.steering(); s != nil {
		if !e.applyRules(s, j, now) {
			return
		}
	} else if !e.present(j) {
		return
	}
	e.tellUnheeded(j.m)
	e.readHeader(j.m)
	e.route(j)
}

// admit checks that a message may and can be sent at all; false means that it ended here.
func (e *Engine) admit(j *job, now time.Time) bool {
	if err := j.Delivery.Err; err != nil {
		e.notTried(j, undecodable(err))
		return false
	}
	e.date(j, now)
	result, ok := e.policy.admit(j.m, j.deadline, now)
	if ok {
		return true
	}
	if outbox, awaited := e.planner.owner(j.m); outbox == "" && awaited && !now.Before(j.deadline) {
		result.Description = "no instance was known to have an address that it may leave from"
	}
	e.notTried(j, result)
	return false
}

// date gives a message its deadline.
func (e *Engine) date(j *job, now time.Time) {
	j.date(e.policy.deadline(j.m, j.Delivery.Picked, now))
}

// present checks that there is a mail to send; false means that the message ended here.
func (e *Engine) present(j *job) bool {
	result, ok := e.policy.missing(j.m)
	if !ok {
		e.notTried(j, result)
	}
	return ok
}

// rawMessage wraps what is no message at all, so that it can be published, byte for byte, as a failure.
func rawMessage(data []byte) *queue.Message {
	text := make([]byte, 0, base64.StdEncoding.EncodedLen(len(data))+2)
	text = append(text, '"')
	text = base64.StdEncoding.AppendEncode(text, data)
	text = append(text, '"')
	return &queue.Message{Extra: map[string]json.RawMessage{"raw": text}}
}

// applyRules has a message pass the operator's rules; false means that it ended here.
func (e *Engine) applyRules(s Steering, j *job, now time.Time) bool {
	if why, ok := s.Suppressed(j.m.Recipient); ok {
		e.notTried(j, refused(queue.StateSuppression, &why))
		return false
	}
	if !e.rewrite(s, j, now) {
		return false
	}
	if !e.present(j) {
		return false
	}
	if v := e.plan(j); !v.goes() {
		e.dispose(j, v)
		return false
	}
	return true
}

// rewrite has the rules change a message that is about to be sent; false means that it ended here.
func (e *Engine) rewrite(s Steering, j *job, now time.Time) bool {
	recipient, envelope, domain, tags := j.m.Recipient, j.m.Envelope, j.domain, j.m.Tags
	d := s.Rewrite(j.m, now)
	j.changed(recipient, domain, tags)
	if j.m.Recipient != recipient || j.m.Envelope != envelope {
		j.domain = addr.Domain(j.m.Recipient)
		if text := e.policy.invalid(j.m); text != "" {
			e.notTried(j, queue.Result{State: queue.StateRewrite, Result: queue.Invalid, Code: 550, Status: "5.1.3",
				Description: text})
			return false
		}
	}
	j.size = mailSize(j.m)
	e.date(j, now)
	switch {
	case d.Fail != nil:
		e.notTried(j, refused(queue.StateRewrite, d.Fail))
		return false
	case d.Delay > 0 && delayOnce(j.m, d.Rule):
		e.delay(j, now.Add(d.Delay))
		return false
	}
	return true
}

// readHeader finds what intake finds, in mail that came past it, out of a program: that the header says
// "TLS-Required: No".
func (e *Engine) readHeader(m *queue.Message) {
	if e.tls == nil || m.Connection != nil || m.Spool != nil || m.CLI != nil || m.HTTP != nil || m.RequireTLS {
		return
	}
	if mail, ok := m.Body.(interface{ Bytes() []byte }); ok && !m.TLSOptional {
		m.TLSOptional = mailheader.TLSOptional(mail.Bytes())
	}
}

// route finds out where a message goes and puts it there, now if that is known.
func (e *Engine) route(j *job) {
	if j.m.Smarthost != nil && j.m.Smarthost.Hostname != "" {
		e.place(j, e.relayRoute(j.m.Smarthost))
		return
	}
	route, err, ok := e.router.Cached(j.domain)
	switch {
	case !ok:
		e.routing.add(j)
	case err != nil:
		e.unreached(j, routeResult(err))
	default:
		if route.Hosts[0].Local != "" { // nothing was looked up, and its domains are few, unlike those of a relay
			e.tellAlias(route.Site, j.domain)
		}
		e.place(j, route)
	}
}

// place puts a routed job into the ready list of its path, and returns that path; nil when the job ended here.
func (e *Engine) place(j *job, route *Route) *path {
	for {
		key, v := e.pathFor(j, route)
		if !v.goes() {
			e.dispose(j, v)
			return nil
		}
		e.tellRedirect(j)
		p := e.path(&key, route)
		switch p.add(j, route) {
		case received:
			return p
		case outdated:
			j.drop()
		case unsuitable:
			j.unfitFor(key.Source)
		}
	}
}

// pathFor chooses the path of a message, unless something is decided against it.
func (e *Engine) pathFor(j *job, route *Route) (pathKey, verdict) {
	if !j.planned() {
		if v := e.plan(j); !v.goes() {
			return pathKey{}, v
		}
	}
	key := pathKey{Path: throttle.Path{Source: j.leaves(), Site: route.Site}, security: j.m.Security, avoid: j.avoids(),
		requireTLS: j.m.RequireTLS, tlsOptional: j.m.TLSOptional && !j.m.RequireTLS}
	if (key.security == queue.Verified || key.requireTLS) && !route.Relay {
		key.domain = j.domain
	}
	if e.tls != nil && !key.tlsOptional {
		key.secure = route.Secure
		if route.STS != nil {
			key.sts = route.STS.Key
		}
	}
	if route.Credentials != nil {
		key.login = *route.Credentials
	}
	return key, verdict{}
}

// tellRedirect tells the monitor, once for each message, that it does not leave from where it was to.
func (e *Engine) tellRedirect(j *job) {
	from, untold := j.untold()
	if !untold {
		return
	}
	if s := e.steering(); s != nil {
		if _, ok := s.(Foreteller); ok {
			s.Redirect(from, j.domain, time.Now()) // counts
		}
	}
	e.observe(monitor.Event{Kind: monitor.Reassigned, MTA: from, Domain: j.domain, Tags: j.m.Tags})
}

// unreached finishes or reschedules a job for which no connection could be had: the result counts as its attempt. It
// reports whether a rule ended it for good.
func (e *Engine) unreached(j *job, result queue.Result) (final bool) {
	e.observe(monitor.Event{Kind: monitor.Attempted, MTA: j.mta(), Domain: j.domain, Tags: j.m.Tags, Since: j.handedIn()})
	d := e.respond(j, &result, result.Description, netip.Addr{})
	e.conclude(j, result, d, false)
	return d.final()
}

// respond asks the rules about a reply.
func (e *Engine) respond(j *job, result *queue.Result, text string, target netip.Addr) Decision {
	e.classify(result, "")
	s := e.steering()
	if s == nil {
		return Decision{}
	}
	recipient, tags := j.m.Recipient, j.m.Tags
	d := s.Respond(j.selection(j.leaves(), target), j.m, result, text)
	j.changed(recipient, j.domain, tags)
	return d
}

// conclude ends an attempt, as the reply and the rules have it. sent says that the remote accepted the message.
func (e *Engine) conclude(j *job, result queue.Result, d Decision, sent bool) {
	switch judge(&d, &result, sent) {
	case succeeded:
		e.finish(j, result, monitor.Delivered, settling.Success)
	case failed:
		e.finish(j, result, monitor.Failed, settling.Failure)
	case delayed:
		e.retryAfter(j, result, d.Delay)
	case greylisted:
		e.retryAfter(j, result, e.greylistDelay(j))
	default:
		e.retryAfter(j, result, 0)
	}
}

// greylistDelay is the delay after an attempt that was greylisted; zero: as after others.
func (e *Engine) greylistDelay(j *job) time.Duration {
	if j.path == nil {
		return 0
	}
	return e.throttle.Limits(j.path.id().Path).Greylist.Delay
}

// notTried finishes a message without an attempt.
func (e *Engine) notTried(j *job, result queue.Result) {
	e.finish(j, result, monitor.NotTried, settling.Failure)
}

func (e *Engine) finish(j *job, result queue.Result, kind monitor.Kind, outcome settling.Outcome) {
	e.record(j, result)
	e.report(kind, j)
	if e.notifies(j) {
		switch {
		case outcome != settling.Success:
			j.Notice = e.Notifier.Failed(j.m)
		case j.inMailbox:
			j.Notice = e.Notifier.Delivered(j.m)
		default:
			j.Notice = e.Notifier.Relayed(j.m)
		}
	}
	e.settler.Finish(&j.Ending, outcome)
}

// notifies reports whether the sender of a message may want to be told.
func (e *Engine) notifies(j *job) bool {
	return e.Notifier != nil && e.settler.Names.Notices(j.m) != ""
}

// retryAfter puts a message back into the outbox for later, after a delay or, when that is zero, the next of the
// intervals; or finishes it when its attempts or its time are used up. There is no attempt after its deadline: it is
// picked up once more then, to be finished.
func (e *Engine) retryAfter(j *job, result queue.Result, delay time.Duration) {
	e.record(j, result)
	e.report(monitor.Retried, j)
	next, ok := e.policy.nextAttempt(j.m, delay, j.deadline, time.Now())
	if !ok {
		e.notTried(j, givenUp())
		return
	}
	j.m.NextAttempt = next
	if e.notifies(j) {
		j.Notice = e.Notifier.Delayed(j.m, j.deadline)
	}
	e.settler.Retry(&j.Ending, j.stored())
}

// delay puts a message back into the outbox, with no attempt counted.
func (e *Engine) delay(j *job, until time.Time) {
	j.m.NextAttempt = putOff(until, j.deadline)
	e.settle(j, queue.Item{Queue: e.outbox, Message: j.m})
}

// dispose ends a job as decided, or puts it off.
func (e *Engine) dispose(j *job, v verdict) {
	switch {
	case v.pause != nil:
		e.parkPaused(j, v.pause, nil)
	case v.forNow():
		e.retryAfter(j, *v.result, 0)
	default:
		e.notTried(j, *v.result)
	}
}

// record adds a result to the message.
func (e *Engine) record(j *job, result queue.Result) {
	if result.Code == 0 {
		result.Code, result.Status = ownCode(&result)
	}
	e.classify(&result, "")
	result.Time = time.Now().UTC().Truncate(time.Second)
	results := make([]queue.Result, len(j.m.Results)+1)
	copy(results, j.m.Results)
	results[len(results)-1] = result
	j.m.Results = results
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
		with.Extracted = j.Extracted()
		m = &with
	}
	ev := monitor.Event{Kind: kind, Domain: j.domain, Tags: j.m.Tags, Bytes: j.size, Code: result.Code,
		Class: string(result.Class.Base()), Text: result.Description, Message: m, Result: result, MTA: j.mta(), Remote: j.target,
		Since: j.handedIn(), Stages: j.took}
	if c := result.Cipher; c != nil {
		ev.TLS.Protocol = c.Version
	}
	if p := result.TLSPolicy; p != nil {
		ev.TLS.Policy, ev.TLS.Mode, ev.TLS.Failure = p.Type, p.Mode, p.Failure
	}
	if !ev.MTA.IsValid() && result.From != "" {
		ev.MTA, _ = netip.ParseAddr(result.From) // the system chose it
	}
	e.observe(ev)
}

// settle replaces a message by its successors.
func (e *Engine) settle(j *job, successor queue.Item) { e.settler.Settle(&j.Ending, successor) }

// ended counts a job out of memory.
func (e *Engine) ended(x *settling.Ending) {
	j := x.Owner.(*job)
	j.unfetch()
	e.memory.leave()
	domain, tags := j.told()
	if why, parked := x.Parked(); parked {
		e.parked(j)
		e.observe(monitor.Event{Kind: monitor.Parked, Domain: domain, Tags: tags, Text: why})
	} else {
		e.observe(monitor.Event{Kind: monitor.Left, Domain: domain, Tags: tags})
	}
}

// parked tells the part of the engine that had a message parked: an Unpark in the meantime has missed it.
func (e *Engine) parked(j *job) {
	switch {
	case j.note == unowned:
		if outbox, _ := e.planner.owner(j.m); outbox != "" {
			e.LookElsewhere()
		}
	case j.note != nil:
		e.aside.Hold(j.note)
	case j.path != nil:
		j.path.adopt(j.domain)
	default:
		e.routing.adopt(j.domain)
	}
}
