package delivery

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// handle takes a message from the outbox. It runs in the queue's own goroutine and blocks on nothing: what may take
// time goes to the look-ups or to the settler.
func (e *Engine) handle(d *queue.Delivery) {
	now := time.Now()
	j := &job{m: d.Message, since: now}
	if j.m == nil {
		j.m = rawMessage(d.Raw)
	}
	j.ending = settling.Ending{Delivery: d, Message: j.m, Owner: j}
	j.size = mailSize(j.m)
	j.domain = addr.Domain(j.m.Recipient)
	e.inMemory.Add(1)
	if e.short() {
		e.relieve()
	}
	e.observe(monitor.Event{Kind: monitor.Picked, Domain: j.domain, Tags: j.m.Tags, Bytes: j.size})
	if e.stopping.Load() {
		e.release(j)
		return
	}
	if result, ok := e.admit(j, now); !ok {
		e.notTried(j, result)
		return
	}
	if e.handOver(j) {
		return
	}
	if s := e.steering(); s != nil {
		if !e.applyRules(s, j, now) {
			return
		}
	} else if result, ok := e.missing(j.m); !ok {
		e.notTried(j, result)
		return
	}
	e.tellUnheeded(j.m)
	e.route(j)
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
	if result, ok := e.missing(j.m); !ok {
		e.notTried(j, result)
		return false
	}
	if v := e.plan(j); !v.goes() {
		e.dispose(j, v)
		return false
	}
	return true
}

// rawMessage wraps what is no message at all, so that it can be published, byte for byte, as a failure.
func rawMessage(data []byte) *queue.Message {
	text := make([]byte, 0, base64.StdEncoding.EncodedLen(len(data))+2)
	text = append(text, '"')
	text = base64.StdEncoding.AppendEncode(text, data)
	text = append(text, '"')
	return &queue.Message{Extra: map[string]json.RawMessage{"raw": text}}
}

// admit checks that the message may and can be sent at all; otherwise it returns the result that finishes it.
func (e *Engine) admit(j *job, now time.Time) (queue.Result, bool) {
	m := j.m
	if err := j.ending.Delivery.Err; err != nil {
		return e.undecodable(err), false
	}
	j.undated = m.MaxDeliverTime.IsZero()
	j.deadline = e.deadline(j.ending.Delivery, now)
	if !now.Before(j.deadline) {
		result := givenUp()
		if outbox, awaited := e.owner(m); outbox == "" && awaited {
			result.Description = "no instance was known to have an address that it may leave from"
		}
		return result, false
	}
	if n := e.maxAttempts(m); n > 0 && len(m.Results) >= n {
		return givenUp(), false
	}
	if text := e.invalid(m); text != "" {
		return queue.Result{State: queue.StateProcess, Result: queue.Invalid, Code: 550, Status: "5.1.3", Description: text},
			false
	}
	return queue.Result{}, true
}

// deadline is when the message is given up: its own, or the configured time after it was first picked up, which the
// message carries along from then on, in whole seconds.
func (e *Engine) deadline(d *queue.Delivery, now time.Time) time.Time {
	if !d.Message.MaxDeliverTime.IsZero() {
		return d.Message.MaxDeliverTime
	}
	first := d.Picked
	if first.IsZero() || first.After(now) {
		first = now
	}
	d.Message.MaxDeliverTime = wholeSecond(first.Add(e.Retry.lifetime()))
	return d.Message.MaxDeliverTime
}

// wholeSecond rounds up, as stored times are.
func wholeSecond(t time.Time) time.Time {
	t = t.UTC()
	if down := t.Truncate(time.Second); down.Before(t) {
		return down.Add(time.Second)
	}
	return t
}

func (e *Engine) maxAttempts(m *queue.Message) int {
	if m.MaxAttempts != 0 {
		return max(m.MaxAttempts, 0)
	}
	return e.Retry.MaxAttempts
}

// invalid says what is wrong with the addresses of a message; "" when nothing is.
func (e *Engine) invalid(m *queue.Message) string {
	if _, _, err := addr.Parse(m.Recipient, addressMode(e.LooseRecipient)); err != nil {
		return fmt.Sprintf("recipient %q: %v", m.Recipient, err)
	}
	if m.Envelope == "" {
		return ""
	}
	if _, _, err := addr.Parse(m.Envelope, addressMode(e.LooseEnvelope)); err != nil {
		return fmt.Sprintf("envelope %q: %v", m.Envelope, err)
	}
	return ""
}

func addressMode(loose bool) addr.Mode {
	if loose {
		return addr.Loose | addr.UTF8
	}
	return addr.Strict | addr.UTF8
}

// missing finishes messages that have no mail to send, or ask for one to be made in a way that no part of this program
// can do.
func (e *Engine) missing(m *queue.Message) (queue.Result, bool) {
	state, text := queue.ResultState(""), ""
	stored := m.Key != "" && e.Store != nil
	switch {
	case m.Body == nil && m.Key != "" && !stored:
		state, text = queue.StateStorage, "there is no message store to fetch mime "+strconv.Quote(m.Key)+" from"
	case m.Body == nil && m.Compose != nil && !stored:
		state, text = queue.StateResponsive, "mime: expected a string, got an object; composing a mail is not supported"
	case m.Body == nil && !stored:
		state, text = queue.StateProcess, "mime: expected a mail, got none"
	case m.Data != nil && !m.Force:
		state, text = queue.StatePersonalize, "data: personalisation is not supported; force sends the mail as it is"
	case m.InlineCSS && !m.Force:
		state, text = queue.StateResponsive,
			"inlinecss: moving styles into the tags is not supported; force sends the mail as it is"
	case sealOnly(m.DKIM) && !m.Force:
		state, text = queue.StateProcess,
			"dkim: a key is for arc alone, and ARC seals are not supported; force sends the mail without"
	default:
		return queue.Result{}, true
	}
	result := queue.Result{State: state, Result: queue.Error, Code: 554, Status: "5.6.0", Description: text}
	if state == queue.StateProcess {
		result.Result = queue.Invalid
	}
	return result, false
}

// sealOnly reports whether there is a key that is for nothing but ARC.
func sealOnly(keys []queue.DKIM) bool {
	return slices.ContainsFunc(keys, func(k queue.DKIM) bool {
		return len(k.Protocols) > 0 &&
			!slices.Contains(k.Protocols, "dkim")
	})
}

// undecodable is the result of a message that could not be decoded in full.
func (e *Engine) undecodable(err error) queue.Result {
	r := queue.Result{State: queue.StateProcess, Result: queue.Invalid, Code: 554, Status: "5.6.0",
		Description: err.Error()}
	var damage *queue.DamageError
	if errors.As(err, &damage) {
		r.State, r.Result, r.Status = queue.StateStorage, queue.Lost, "5.3.0"
	}
	return r
}

// givenUp is the result of a message whose time or attempts are used up. It has no description, so that who reads the
// last one there is sees what the remote said.
func givenUp() queue.Result {
	return queue.Result{State: queue.StateProcess, Result: queue.Timeout, Code: 554, Status: "5.4.7"}
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
		p := e.path(key, route)
		switch p.add(j, route) {
		case received:
			return p
		case outdated:
			j.planned = false
		case unsuitable:
			j.unfit |= familyOf(key.Source)
			j.planned = false
		}
	}
}
