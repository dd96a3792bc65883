package disk

import (
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
)

// matcher is a filter made ready: what the index can tell is decided there, the rest by the message itself.
type matcher struct {
	f      queue.Filter
	domain string
	text   string
	now    time.Time

	id, sender, rcpt uint32
	record           bool // the message must be read to be sure
}

func newMatcher(f queue.Filter) *matcher {
	return &matcher{
		f: f, domain: addr.Fold(f.Domain), text: strings.ToLower(f.Text), now: time.Now(),
		id: hash(f.ID, false), sender: hash(f.Envelope, true), rcpt: hash(f.Recipient, true),
		record: f.ID != "" || f.Envelope != "" || f.Recipient != "" || f.Text != "",
	}
}

// entry reports whether an entry may match. q.mu is held.
func (t *matcher) entry(x *index, e *entry) bool {
	f := &t.f
	state := stateOf(e)
	switch {
	case state == queue.AnyState,
		f.State != queue.AnyState && f.State != state,
		f.Queue != x.queues[e.queue].name && (f.Queue != "" || queue.Hidden(x.queues[e.queue].name)),
		f.ID != "" && e.idHash != t.id,
		f.Envelope != "" && e.senderHash != t.sender,
		f.Recipient != "" && e.rcptHash != t.rcpt,
		f.Domain != "" && x.strings.get(e.domain) != t.domain,
		f.Tag != "" && !hasTag(x.strings.get(e.tags), f.Tag):
		return false
	}
	return f.MatchesAge(time.Unix(0, e.stored), t.now)
}

// message decides what the index cannot tell.
func (t *matcher) message(m *queue.Message) bool {
	f := &t.f
	if f.ID != "" && m.ID != f.ID ||
		f.Envelope != "" && !strings.EqualFold(m.Envelope, f.Envelope) ||
		f.Recipient != "" && !strings.EqualFold(m.Recipient, f.Recipient) {
		return false
	}
	if t.text == "" || containsFold(m.Envelope, t.text) || containsFold(m.Recipient, t.text) ||
		containsFold(m.ID, t.text) {
		return true
	}
	for _, tag := range m.Tags {
		if containsFold(tag, t.text) {
			return true
		}
	}
	return false
}

func containsFold(s, lower string) bool { return strings.Contains(strings.ToLower(s), lower) }

func hasTag(joined, tag string) bool {
	for t := range strings.SplitSeq(joined, tagSeparator) {
		if t == tag {
			return true
		}
	}
	return false
}

// stateOf returns AnyState for an entry that is settled or on the move.
func stateOf(e *entry) queue.State {
	switch e.state {
	case stateReady:
		return queue.Ready
	case stateDelayed:
		return queue.Delayed
	case stateParked:
		return queue.Parked
	case stateOut:
		return queue.Out
	}
	return queue.AnyState
}
