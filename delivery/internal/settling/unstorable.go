package settling

import (
	"errors"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// triesRefused is how many tries fail before a queue that a message names itself is believed to be of no use: about a
// minute.
const triesRefused = 12

// amend changes the successors of a message that the queue will never take as they are, and reports whether there was
// something to change: trying the same again and again would hold the message, and its room in memory, for ever.
//
//   - What is too large is published without its mail. A retry cannot be, so that the message fails.
//   - What goes to a queue that the message itself names, and that cannot be used, goes to the configured one.
func (s *Settler) amend(x *Ending, err error) bool {
	switch {
	case errors.Is(err, queue.ErrTooLarge):
		return s.withoutMails(x)
	case errors.Is(err, queue.ErrRefused) && x.tries >= triesRefused:
		return s.reroute(x)
	}
	return false
}

// withoutMails makes successors without the mail.
func (s *Settler) withoutMails(x *Ending) bool {
	changed := false
	items := make([]queue.Item, len(x.successors))
	for i, item := range x.successors {
		m := item.Message
		if m.Body == nil && m.Compose == nil || m == x.Notice {
			items[i] = item
			continue
		}
		if changed = true; item.Queue == s.Names.Outbox {
			items = s.unrepeatable(x, m)
			break
		}
		items[i] = queue.Item{Queue: item.Queue, Message: withoutMail(m)}
	}
	x.successors = items
	return changed
}

// unrepeatable returns the successors of a message that would be tried again if that could be stored.
func (s *Settler) unrepeatable(x *Ending, retry *queue.Message) []queue.Item {
	m := *retry
	m.NextAttempt = time.Time{}
	m.Results = append(m.Results[:len(m.Results):len(m.Results)],
		queue.Result{State: queue.StateStorage, Result: queue.Error, Time: time.Now(),
			Description: "the message, with its results, is larger than the queue takes"})
	failed := *x
	failed.Message = &m
	items := s.Names.finished(&failed, Failure)
	for i := range items {
		items[i].Message = withoutMail(items[i].Message)
	}
	return items
}

// withoutMail returns the message itself when it has no mail.
func withoutMail(m *queue.Message) *queue.Message {
	if m.Body == nil && m.Compose == nil {
		return m
	}
	bare := *m
	bare.Body, bare.Compose = nil, nil
	return &bare
}

// reroute replaces the queues that the message names by the configured ones.
func (s *Settler) reroute(x *Ending) bool {
	own := x.Message.Queues
	if own == nil {
		return false
	}
	changed := false
	var items []queue.Item
	roles := []struct {
		own        *string
		configured string
	}{
		{own.Results, s.Names.Results}, {own.Success, s.Names.Success}, {own.Failure, s.Names.Failure},
		{own.Retry, s.Names.Retry}, {own.DSN, s.Names.DSN},
	}
	for _, item := range x.successors {
		for i, role := range roles {
			if role.own != nil && *role.own == item.Queue && role.configured != item.Queue {
				s.Logger.Warn("a queue that a message names cannot be used; the configured one takes its place", "id", x.Message.ID,
					"queue", item.Queue, "instead", role.configured)
				item.Queue, changed = role.configured, true
				roles[i].own = nil // another role may have the same name
				break
			}
		}
		if item.Queue != "" {
			items = append(items, item)
		}
	}
	x.successors = items
	return changed
}
