package delivery

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// The queues that a message may override.
func resultsQueue(q *queue.Queues) *string { return q.Results }
func successQueue(q *queue.Queues) *string { return q.Success }
func failureQueue(q *queue.Queues) *string { return q.Failure }
func retryQueue(q *queue.Queues) *string   { return q.Retry }

// override returns the name of a queue: the message's own, if it has one, or the configured one. "" means none.
func override(q *queue.Queues, of func(*queue.Queues) *string, configured string) string {
	if q != nil {
		if own := of(q); own != nil {
			return *own
		}
	}
	return configured
}

// finished returns what takes the place of a finished message: its copies for the results queue and for the queue of
// its outcome.
func (e *Engine) finished(j *job, configured string, of func(*queue.Queues) *string) []queue.Item {
	results := override(j.m.Queues, resultsQueue, e.Names.Results)
	outcome := override(j.m.Queues, of, configured)
	if results == "" && outcome == "" {
		return nil
	}
	m := published(j)
	var items []queue.Item
	if results != "" {
		items = append(items, queue.Item{Queue: results, Message: m})
	}
	if outcome != "" {
		items = append(items, queue.Item{Queue: outcome, Message: m})
	}
	return items
}

// published returns the form of a message that is published as a result: without its mail, unless that is wanted, and
// with some properties of it extracted.
func published(j *job) *queue.Message {
	m := *j.m
	m.Extracted = j.extracts()
	if !m.KeepMIME {
		m.Body, m.Compose = nil, nil
	}
	return &m
}

// extracts makes the property extracted, once for each outcome.
func (j *job) extracts() json.RawMessage {
	if j.extracted == nil {
		j.extracted = extracted(j.m)
	}
	return j.extracted
}

// retried returns the copy of a message that tells of its retry. When that comes stands in it as a property that no
// queue waits for.
func retried(j *job) *queue.Message {
	m := published(j)
	m.Extra = maps.Clone(m.Extra)
	if m.Extra == nil {
		m.Extra = make(map[string]json.RawMessage, 1)
	}
	m.Extra["nextattempt"] = m.NextAttempt.UTC().AppendFormat(nil, `{"time":"`+time.DateTime+`"}`)
	m.NextAttempt = time.Time{}
	return m
}
