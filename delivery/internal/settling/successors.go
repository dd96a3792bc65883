package settling

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Names names the queues. Results that have no queue are not published.
type Names struct {
	Outbox                           string
	Results, Success, Failure, Retry string // "": not published
	DSN                              string // of notifications to senders; "": none
	// Hook is the queue of a copy of each final result, and of the others with HookRetries, whatever queues a message
	// names for its own; "": none.
	Hook        string
	HookRetries bool
	HookExtract bool // with the property extracted, even where nobody else asks for it
}

// Outcome is how a message is finished.
type Outcome uint8

// The outcomes.
const (
	Success Outcome = iota
	Failure
)

// finished returns what takes the place of a finished message: its copies for the results queue and for the queue of
// its outcome. A message may name queues of its own.
func (n *Names) finished(x *Ending, outcome Outcome) []queue.Item {
	results, name := n.Results, n.Success
	if outcome == Failure {
		name = n.Failure
	}
	if own := x.Message.Queues; own != nil {
		results = override(own.Results, results)
		if outcome == Success {
			name = override(own.Success, name)
		} else {
			name = override(own.Failure, name)
		}
	}
	if results == "" && name == "" && n.Hook == "" {
		return nil
	}
	m := published(x, results != "" || name != "" || n.HookExtract)
	var items []queue.Item
	if results != "" {
		items = append(items, queue.Item{Queue: results, Message: m})
	}
	if name != "" {
		items = append(items, queue.Item{Queue: name, Message: m})
	}
	if n.Hook != "" {
		items = append(items, n.hooked(withoutNextAttempt(m), len(items) == 0))
	}
	return items
}

// retried returns what takes the place of a message that is tried again: itself, and a copy that tells of the retry.
func (n *Names) retried(x *Ending, again *queue.Message) []queue.Item {
	items := []queue.Item{{Queue: n.Outbox, Message: again}}
	name := n.Retry
	if own := x.Message.Queues; own != nil {
		name = override(own.Retry, name)
	}
	hooked := n.Hook != "" && n.HookRetries
	if name == "" && !hooked {
		return items
	}
	m := withNextAttempt(published(x, name != "" || n.HookExtract))
	if name != "" {
		items = append(items, queue.Item{Queue: name, Message: m})
	}
	if hooked {
		items = append(items, n.hooked(m, name == ""))
	}
	return items
}

// hooked is what is published for the hook of a result: m itself, unless others get that as well.
func (n *Names) hooked(m *queue.Message, alone bool) queue.Item {
	if !alone {
		own := *m
		m = &own
	}
	m.Body, m.Compose = nil, nil
	return queue.Item{Queue: n.Hook, Message: m, Given: true}
}

// Notices returns the queue of notifications about a message, "" when there are to be none.
func (n *Names) Notices(m *queue.Message) string {
	if m.Queues != nil {
		return override(m.Queues.DSN, n.DSN)
	}
	return n.DSN
}

// noticed returns the notification that goes with a settlement, if there is one.
func (n *Names) noticed(x *Ending) []queue.Item {
	if x.Notice == nil {
		return nil
	}
	return []queue.Item{{Queue: n.Notices(x.Message), Message: x.Notice}}
}

// override returns the name of a queue: the message's own, if it has one, or the configured one. "" means none.
func override(own *string, configured string) string {
	if own != nil {
		return *own
	}
	return configured
}

// published returns the form of a message that is published as a result: without its mail, unless that is wanted, and
// with some properties of it extracted.
func published(x *Ending, extracted bool) *queue.Message {
	m := *x.Message
	if extracted {
		m.Extracted = x.Extracted()
	}
	if !m.KeepMIME {
		m.Body, m.Compose = nil, nil
	}
	return &m
}

// withNextAttempt has the time of the next attempt stand in a message as a property that no queue waits for.
func withNextAttempt(m *queue.Message) *queue.Message {
	m.Extra = maps.Clone(m.Extra)
	if m.Extra == nil {
		m.Extra = make(map[string]json.RawMessage, 1)
	}
	m.Extra["nextattempt"] = m.NextAttempt.UTC().AppendFormat(nil, `{"time":"`+time.DateTime+`"}`)
	m.NextAttempt = time.Time{}
	return m
}

// withoutNextAttempt returns a message that says nothing of a next attempt, which is how hooks know the last result.
func withoutNextAttempt(m *queue.Message) *queue.Message {
	const property = "nextattempt"
	_, unread := m.Extra[property]
	if m.NextAttempt.IsZero() && !unread {
		return m
	}
	last := *m
	last.NextAttempt = time.Time{}
	if unread {
		last.Extra = maps.Clone(m.Extra)
		delete(last.Extra, property)
	}
	return &last
}
