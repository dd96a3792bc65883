package delivery

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
)

// policy decides by the settings alone whether a message is sent, how often and for how long. It is not changed.
type policy struct {
	retry                         RetryPolicy
	looseEnvelope, looseRecipient bool
	store, renders                bool // there is a message store; mails can be rendered
}

// admit checks that a message with this deadline may and can be sent at all; otherwise it returns the result that
// finishes it.
func (p *policy) admit(m *queue.Message, deadline, now time.Time) (queue.Result, bool) {
	if !now.Before(deadline) || p.usedUp(m) {
		return givenUp(), false
	}
	if text := p.invalid(m); text != "" {
		return queue.Result{State: queue.StateProcess, Result: queue.Invalid, Code: 550, Status: "5.1.3", Description: text},
			false
	}
	return queue.Result{}, true
}

// deadline is when a message is given up that was first picked up then: its own, or the configured time later, in whole
// seconds.
func (p *policy) deadline(m *queue.Message, picked, now time.Time) time.Time {
	if !m.MaxDeliverTime.IsZero() {
		return m.MaxDeliverTime
	}
	if picked.IsZero() || picked.After(now) {
		picked = now
	}
	return wholeSecond(picked.Add(p.retry.lifetime()))
}

// nextAttempt is when a message is tried again after a delay; zero: after the next of the intervals. There is no
// attempt after its deadline: it is picked up once more then, to be finished. ok is false when its attempts or its time
// are used up.
func (p *policy) nextAttempt(m *queue.Message, delay time.Duration, deadline, now time.Time) (at time.Time, ok bool) {
	if p.usedUp(m) || !now.Before(deadline) {
		return time.Time{}, false
	}
	if delay <= 0 {
		delay = p.retry.after(len(m.Results), m.Retries)
	}
	next := now.Add(delay)
	if by := m.DeliverBy; by != nil && by.Mode == queue.DeliverByNotify && now.Before(by.Time) && by.Time.Before(next) {
		next = by.Time // what comes of this attempt is what its sender is told (RFC 2852 §4)
	}
	return putOff(next, deadline), true
}

// putOff is when a message is picked up again that is to wait until then, and has this deadline.
func putOff(until, deadline time.Time) time.Time {
	if until.After(deadline) {
		until = deadline
	}
	return wholeSecond(until)
}

// wholeSecond rounds up, as stored times are.
func wholeSecond(t time.Time) time.Time {
	t = t.UTC()
	if down := t.Truncate(time.Second); down.Before(t) {
		return down.Add(time.Second)
	}
	return t
}

// usedUp reports whether a message had all the attempts that it may have.
func (p *policy) usedUp(m *queue.Message) bool {
	most := p.retry.MaxAttempts
	if m.MaxAttempts != 0 {
		most = m.MaxAttempts
	}
	return most > 0 && len(m.Results) >= most
}

// invalid says what is wrong with the addresses of a message; "" when nothing is.
func (p *policy) invalid(m *queue.Message) string {
	if _, _, err := addr.Parse(m.Recipient, addressMode(p.looseRecipient)); err != nil {
		return fmt.Sprintf("recipient %q: %v", m.Recipient, err)
	}
	if m.Envelope == "" {
		return ""
	}
	if _, _, err := addr.Parse(m.Envelope, addressMode(p.looseEnvelope)); err != nil {
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
func (p *policy) missing(m *queue.Message) (queue.Result, bool) {
	state, text := queue.ResultState(""), ""
	stored := m.Key != "" && p.store
	switch {
	case m.Body == nil && m.Key != "" && !stored:
		state, text = queue.StateStorage, "there is no message store to fetch mime "+strconv.Quote(m.Key)+" from"
	case m.Body == nil && m.Compose != nil && !stored && !p.renders:
		state, text = queue.StateResponsive, "mime: expected a string, got an object; composing a mail is not supported"
	case m.Body == nil && !stored && m.Compose == nil:
		state, text = queue.StateProcess, "mime: expected a mail, got none"
	case m.Data != nil && !p.renders && !m.Force:
		state, text = queue.StatePersonalize, "data: personalisation is not supported; force sends the mail as it is"
	case m.InlineCSS && !p.renders && !m.Force:
		state, text = queue.StateResponsive,
			"inlinecss: moving styles into the tags is not supported; force sends the mail as it is"
	case m.Unsubscribe != nil && !p.renders && !m.Force:
		state, text = queue.StateProcess,
			"list-unsubscribe: adding these fields is not supported; force sends the mail without"
	default:
		return queue.Result{}, true
	}
	result := queue.Result{State: state, Result: queue.Error, Code: 554, Status: "5.6.0", Description: text}
	if state == queue.StateProcess {
		result.Result = queue.Invalid
	}
	return result, false
}

// undecodable is the result of a message that could not be decoded in full.
func undecodable(err error) queue.Result {
	r := queue.Result{State: queue.StateProcess, Result: queue.Invalid, Code: 554, Status: "5.6.0",
		Description: err.Error()}
	var damage *queue.DamageError
	if errors.As(err, &damage) {
		r.State, r.Result, r.Status = queue.StateStorage, queue.Lost, "5.3.0"
	}
	return r
}

// givenUp is the result of a message whose time or attempts are used up. It has no description, so that the
// last description in the results is what the remote said.
func givenUp() queue.Result {
	return queue.Result{State: queue.StateProcess, Result: queue.Timeout, Code: 554, Status: "5.4.7"}
}

// RetryPolicy says how long and how often mail is tried. Messages may override it.
type RetryPolicy struct {
	// Intervals between attempts; the last repeats. Empty: 10, 10, 30, 30 minutes, 1, 1, 2 hours.
	Intervals []time.Duration
	// Lifetime after the first pick-up; zero means a day.
	Lifetime time.Duration
	// MaxAttempts; zero means no limit.
	MaxAttempts int
}

func (r *RetryPolicy) lifetime() time.Duration { return cmp.Or(max(r.Lifetime, 0), 24*time.Hour) }

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

// delayedBy is the property that names the rule that delayed a message last: when the message is back, that rule would
// otherwise delay it again, until it expires.
const delayedBy = "delayed-by"

// delayOnce notes which rule delays a message; false when the same one did that already.
func delayOnce(m *queue.Message, rule string) bool {
	text, err := json.Marshal(rule)
	if err != nil || string(m.Extra[delayedBy]) == string(text) {
		return false
	}
	if m.Extra = maps.Clone(m.Extra); m.Extra == nil {
		m.Extra = make(map[string]json.RawMessage, 1)
	}
	m.Extra[delayedBy] = text
	return true
}
