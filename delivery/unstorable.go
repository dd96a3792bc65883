package delivery

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
func (e *Engine) amend(j *job, err error) bool {
	switch {
	case errors.Is(err, queue.ErrTooLarge):
		return e.withoutMails(j)
	case errors.Is(err, queue.ErrRefused) && j.tries >= triesRefused:
		return e.reroute(j)
	}
	return false
}

// withoutMails makes successors without the mail.
func (e *Engine) withoutMails(j *job) bool {
	changed := false
	items := make([]queue.Item, len(j.successors))
	for i, item := range j.successors {
		m := item.Message
		if m.Body == nil && m.Compose == nil {
			items[i] = item
			continue
		}
		if changed = true; item.Queue == e.Names.Outbox {
			items = e.unrepeatable(j, m)
			break
		}
		items[i] = queue.Item{Queue: item.Queue, Message: withoutMail(m)}
	}
	j.successors = items
	return changed
}

// unrepeatable returns the successors of a message that would be tried again if that could be stored.
func (e *Engine) unrepeatable(j *job, retry *queue.Message) []queue.Item {
	m := *retry
	m.NextAttempt = time.Time{}
	m.Results = append(m.Results[:len(m.Results):len(m.Results)],
		queue.Result{State: queue.StateStorage, Result: queue.Error, Time: time.Now(),
			Description: "the message, with its results, is larger than the queue takes"})
	failed := *j
	failed.m = &m
	items := e.finished(&failed, e.Names.Failure, failureQueue)
	for i := range items {
		items[i].Message = withoutMail(items[i].Message)
	}
	return items
}

func withoutMail(m *queue.Message) *queue.Message {
	bare := *m
	bare.Body, bare.Compose = nil, nil
	return &bare
}

// reroute replaces the queues that the message names by the configured ones.
func (e *Engine) reroute(j *job) bool {
	own := j.m.Queues
	if own == nil {
		return false
	}
	changed := false
	var items []queue.Item
	roles := []struct {
		own        *string
		configured string
	}{
		{own.Results, e.Names.Results}, {own.Success, e.Names.Success}, {own.Failure, e.Names.Failure},
		{own.Retry, e.Names.Retry},
	}
	for _, item := range j.successors {
		for i, role := range roles {
			if role.own != nil && *role.own == item.Queue && role.configured != item.Queue {
				e.Logger.Warn("a queue that a message names cannot be used; the configured one takes its place", "id", j.m.ID,
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
	j.successors = items
	return changed
}
