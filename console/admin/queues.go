package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// inspector returns the queue's add-on, or why there is none.
func (a *Admin) inspector() (queue.Inspector, error) {
	if a.Queue == nil {
		return nil, unavailable("there is no queue", nil)
	}
	i, ok := a.Queue.(queue.Inspector)
	if !ok {
		return nil, unsupported("the queue in use cannot be looked into")
	}
	return i, nil
}

// queueError sorts the errors of a queue into those of this package.
func queueError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, queue.ErrNotFound):
		return notFound("no message with this id waits in the queue")
	case errors.Is(err, errors.ErrUnsupported):
		return unsupported(err.Error())
	}
	return unavailable("the queue cannot be used now", err)
}

// Queues returns the state of every queue, sorted by name.
func (a *Admin) Queues(ctx context.Context) ([]queue.Stats, error) {
	i, err := a.inspector()
	if err != nil {
		return nil, err
	}
	all, err := i.Queues(ctx)
	return all, queueError(err)
}

// Messages returns up to limit messages that match f, oldest first, and a cursor that continues behind them, "" at the
// end.
func (a *Admin) Messages(ctx context.Context, f queue.Filter, cursor string, limit int) (entries []queue.Entry,
	next string, err error) {
	i, err := a.inspector()
	if err != nil {
		return nil, "", err
	}
	entries, next, err = i.List(ctx, f, cursor, limit)
	if err != nil && cursor != "" && ctx.Err() == nil && !errors.Is(err, queue.ErrUnavailable) &&
		!errors.Is(err, queue.ErrClosed) {
		return nil, "", invalid("cursor", cursor, "what an earlier page gave for the next")
	}
	return entries, next, queueError(err)
}

// Message is one message that waits.
type Message struct {
	Entry queue.Entry
	// Record is its JSON without the mail and without secrets.
	Record json.RawMessage
	// Why it has not left.
	Why Why
	// Mail is the mail itself, for people who may see mail; nil when it is kept elsewhere.
	Mail queue.Body
}

// Why tells why a message has not left.
type Why struct {
	// Where it is: "queue" (to be picked up), "memory" (in the delivery engine), "lookup" (there, waiting for DNS),
	// "parked", "deferred" (until Next), "sending".
	Where string `json:"where"`
	// Cause is the kind of reason: "pause", "flood", "limit", "backoff", "retry", "schedule", "lookup", "slot",
	// "connect", "turn", "memory", "sending", "instance", "none"; "" when only the queue was asked.
	Cause string `json:"cause,omitempty"`
	// Reason is a sentence for people.
	Reason string `json:"reason"`
	// Limit is the limit or rule that holds it ("maxconnections", "pause", "flood"), Rule where that comes from.
	Limit string `json:"limit,omitempty"`
	Rule  string `json:"rule,omitempty"`
	// Source and Site are the path it takes, where that is known.
	Source string `json:"source,omitempty"`
	Site   string `json:"site,omitempty"`
	// Ahead is how many messages in memory go before it.
	Ahead int `json:"ahead,omitempty"`
	// Since is when it began to wait, Next when it is tried, or looked at, again. Zero: not known.
	Since time.Time `json:"since,omitzero"`
	Next  time.Time `json:"next,omitzero"`
	// Attempts so far, and what was answered to the last.
	Attempts   int    `json:"attempts"`
	LastAnswer string `json:"last-answer,omitempty"`
}

// Message returns the message with an id, and why it has not left.
func (a *Admin) Message(ctx context.Context, id string) (*Message, error) {
	i, err := a.inspector()
	if err != nil {
		return nil, err
	}
	entries, _, err := i.List(ctx, queue.Filter{ID: id}, "", 1)
	if err != nil {
		return nil, queueError(err)
	}
	if len(entries) == 0 {
		return nil, queueError(queue.ErrNotFound)
	}
	m, err := i.Peek(ctx, id)
	if err != nil {
		return nil, queueError(err)
	}
	one := &Message{Entry: entries[0], Record: m.AppendRecord(nil), Mail: m.Body, Why: queuedWhy(&entries[0])}
	if a.WhyWaiting != nil {
		if why, ok := a.WhyWaiting(ctx, m, &entries[0]); ok {
			one.Why = why
		}
	}
	if one.Why.Since.IsZero() {
		one.Why.Since = entries[0].Stored
	}
	one.Why.Attempts = max(one.Why.Attempts, entries[0].Attempts)
	if n := len(m.Results); n > 0 && one.Why.LastAnswer == "" {
		one.Why.LastAnswer = answer(&m.Results[n-1])
	}
	return one, nil
}

// queuedWhy tells what the queue alone knows.
func queuedWhy(e *queue.Entry) Why {
	why := Why{Where: "queue", Since: e.Stored, Next: e.Due, Attempts: e.Attempts}
	switch e.State {
	case queue.Delayed:
		why.Where, why.Reason = "deferred", "it is to be tried again at "+timeText(e.Due)
		if e.Attempts == 0 {
			why.Reason = "it is not to leave before " + timeText(e.Due)
		}
	case queue.Parked:
		why.Where, why.Reason = "parked", "it is set aside with all that waits for "+strconv.Quote(e.Parked)
	case queue.Out:
		why.Where, why.Reason = "memory", "it is with the delivery engine"
	default:
		why.Reason = "it waits in the queue " + strconv.Quote(e.Queue) + " to be picked up"
	}
	return why
}

// answer writes a result in one line.
func answer(r *queue.Result) string {
	s := fmt.Sprintf("%s/%s", r.State, r.Result)
	if r.Code != 0 {
		s += " " + strconv.Itoa(r.Code)
	}
	if r.Status != "" {
		s += " " + r.Status
	}
	if r.Description != "" {
		s += " " + r.Description
	}
	return s
}

// Action is something done to messages that wait.
type Action string

// The actions.
const (
	Move  Action = "move"  // into another queue
	Drop  Action = "drop"  // they are gone, without a result
	Retry Action = "retry" // what is delayed or parked is due at once
)

// Act does something to all messages that match f, and returns how many those were. to is the queue for Move. What is
// with the delivery engine just now is left alone. With dryRun nothing is done: the number is how many there would be.
func (a *Admin) Act(ctx context.Context, action Action, f queue.Filter, to string, dryRun bool) (int, error) {
	i, err := a.inspector()
	if err != nil {
		return 0, err
	}
	if action == Move && to == "" {
		return 0, invalid("to", nil, "the name of a queue")
	}
	if action != Move && to != "" {
		return 0, invalid("to", to, "nothing: only move needs it")
	}
	if dryRun {
		return a.wouldAct(ctx, i, action, f, to)
	}
	var n int
	switch action {
	case Move:
		n, err = i.Move(ctx, f, to)
	case Drop:
		n, err = i.Purge(ctx, f)
	case Retry:
		n, err = i.RetryNow(ctx, f)
	default:
		return 0, invalid("action", string(action), "one of move, drop, retry")
	}
	if err != nil {
		return n, queueError(err)
	}
	a.did(ctx, "messages: "+string(action), "filter", f, "to", to, "messages", n)
	return n, nil
}

// wouldAct counts what an action would concern.
func (a *Admin) wouldAct(ctx context.Context, i queue.Inspector, action Action, f queue.Filter, to string) (int,
	error) {
	concerns := func(e *queue.Entry) bool { return e.State != queue.Out }
	switch action {
	case Move:
		concerns = func(e *queue.Entry) bool { return e.State != queue.Out && e.Queue != to }
	case Retry:
		concerns = func(e *queue.Entry) bool { return e.State == queue.Delayed || e.State == queue.Parked }
	case Drop:
	default:
		return 0, invalid("action", string(action), "one of move, drop, retry")
	}
	n, cursor := 0, ""
	for {
		const page = 10_000
		entries, next, err := i.List(ctx, f, cursor, page)
		if err != nil {
			return 0, queueError(err)
		}
		for k := range entries {
			if concerns(&entries[k]) {
				n++
			}
		}
		if next == "" {
			return n, nil
		}
		cursor = next
	}
}

// ParseState reads the name of a state; "" is any.
func ParseState(name string) (queue.State, error) {
	states := []queue.State{queue.AnyState, queue.Ready, queue.Delayed, queue.Parked, queue.Out}
	if name == "" {
		return queue.AnyState, nil
	}
	at := slices.IndexFunc(states, func(s queue.State) bool { return s.String() == name })
	if at < 0 {
		return 0, invalid("state", name, "one of ready, delayed, parked, out")
	}
	return states[at], nil
}
