package dsn

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/lru"
	"github.com/sluicemail/sluice/queue"
)

// event is what may be told.
type event uint8

const (
	failed event = iota
	delayed
	relayed
	delivered
)

// word is the name of the event in notify (RFC 3461 §4.1), and action the field of the same name (RFC 3464 §2.3.3).
func (ev event) word() string   { return [...]string{"FAILURE", "DELAY", "SUCCESS", "SUCCESS"}[ev] }
func (ev event) action() string { return [...]string{"failed", "delayed", "relayed", "delivered"}[ev] }

// Notifier makes notifications: messages to be published. Its fields are not to be changed once it is in use. It is
// safe for concurrent use.
type Notifier struct {
	// Host is the name of this MTA, and the domain of a From without one.
	Host string
	// From is the address in the header of notifications; "": postmaster.
	From string
	// DoubleTo is told of notifications that could not be delivered; "": nobody.
	DoubleTo string
	// DoubleHost is the domain of a DoubleTo without one. "": Host.
	DoubleHost string
	// Notify are the events told of mail that does not say which: FAILURE, DELAY, SUCCESS, or NEVER alone. Nil:
	// FAILURE.
	Notify []string
	// Ret is how much of a mail is returned that does not say so: FULL or HDRS. "": HDRS.
	Ret string
	// DelayAfter is the age at which a mail counts as delayed. Zero: four hours.
	DelayAfter time.Duration
	// PerHour bounds the notifications to one address in an hour. Zero: 100. Negative: no bound.
	PerHour int
	// Texts is what people read. Nil: the built-in ones.
	Texts *Texts
	// Logger is told of what is left out. Nil: slog.Default.
	Logger *slog.Logger

	mu   sync.Mutex
	sent lru.Cache[string, *quota]
}

// quota counts the notifications to an address in the hour that began.
type quota struct {
	n    int
	told bool
}

const (
	defaultPerHour    = 100
	defaultDelayAfter = 4 * time.Hour
	maxQuotas         = 100_000
)

// Failed returns the notification that a message failed for good, nil when nobody is to be told. The last result of m
// says what happened.
func (n *Notifier) Failed(m *queue.Message) *queue.Message { return n.about(m, failed, time.Time{}) }

// Delayed is Failed for a message that is tried again, until a time; zero when that is not known. It is to be called
// after each attempt: the first one at which the mail is DelayAfter old is told of.
func (n *Notifier) Delayed(m *queue.Message, until time.Time) *queue.Message {
	return n.about(m, delayed, until)
}

// Relayed is Failed for a message that a server took.
func (n *Notifier) Relayed(m *queue.Message) *queue.Message { return n.about(m, relayed, time.Time{}) }

// Delivered is Failed for a message that is in a mailbox here.
func (n *Notifier) Delivered(m *queue.Message) *queue.Message {
	return n.about(m, delivered, time.Time{})
}

func (n *Notifier) about(m *queue.Message, ev event, until time.Time) *queue.Message {
	if len(m.Results) == 0 || !n.wanted(m, ev) {
		return nil
	}
	to := m.Envelope
	if to == "" {
		to = at(n.DoubleTo, cmp.Or(n.DoubleHost, n.Host))
		if ev != failed || to == "" || addr.FoldAddress(m.Recipient) == addr.FoldAddress(to) {
			return nil
		}
	}
	if !n.allow(to) {
		return nil
	}
	now := time.Now()
	c := composer{Notifier: n, m: m, result: telling(m), event: ev, to: to, now: now, until: until}
	return &queue.Message{Recipient: to, Body: queue.Bytes(c.mail()), Received: now.UTC().Truncate(time.Second),
		RequireTLS: m.RequireTLS, TLSOptional: m.TLSOptional}
}

// wanted reports whether somebody is to be told of the event.
func (n *Notifier) wanted(m *queue.Message, ev event) bool {
	notify := n.Notify
	if m.DSN != nil && len(m.DSN.Notify) > 0 {
		notify = m.DSN.Notify
	}
	if by := m.DeliverBy; by != nil && (m.DSN == nil || len(m.DSN.Notify) == 0) {
		switch { // asked for in another way (RFC 2852 §4)
		case ev == delayed && by.Mode == queue.DeliverByNotify:
			return n.crossed(m)
		case ev == relayed && by.Trace:
			return true
		}
	}
	if notify == nil {
		notify = []string{"FAILURE"}
	}
	is := func(word string) func(string) bool {
		return func(s string) bool { return strings.EqualFold(s, word) }
	}
	if slices.ContainsFunc(notify, is("NEVER")) || !slices.ContainsFunc(notify, is(ev.word())) {
		return false
	}
	switch ev {
	case relayed:
		return !m.Results[len(m.Results)-1].DSN || m.DeliverBy != nil && m.DeliverBy.Trace // else the next server tells
	case delayed:
		return n.crossed(m)
	}
	return true
}

// crossed reports whether the last result is the first one after the mail began to count as delayed.
func (n *Notifier) crossed(m *queue.Message) bool {
	since := m.Received
	if m.HoldUntil.After(since) {
		since = m.HoldUntil
	}
	line := since.Add(cmp.Or(n.DelayAfter, defaultDelayAfter))
	if by := m.DeliverBy; by != nil && by.Mode == queue.DeliverByNotify {
		line = by.Time // whatever its age: this is what the sender asked for
	}
	last := len(m.Results) - 1
	return !m.Received.IsZero() && !m.Results[last].Time.Before(line) &&
		(last == 0 || m.Results[last-1].Time.Before(line))
}

// allow counts a notification to an address.
func (n *Notifier) allow(to string) bool {
	limit := cmp.Or(n.PerHour, defaultPerHour)
	if limit < 0 {
		return true
	}
	key, now := addr.FoldAddress(to), time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sent.Limit = maxQuotas
	q, ok := n.sent.Peek(key, now)
	if !ok {
		q = new(quota)
		n.sent.Put(key, q, 1, now.Add(time.Hour))
	}
	if q.n++; q.n <= limit {
		return true
	}
	if !q.told {
		q.told = true
		cmp.Or(n.Logger, slog.Default()).Warn("no more bounces to an address within this hour", "to", to, "limit", limit)
	}
	return false
}

// at gives an address without a domain this one.
func at(address, domain string) string {
	if address == "" || strings.Contains(address, "@") {
		return address
	}
	return address + "@" + domain
}

// telling returns the result that tells most: the last one, or the one before where the last only says that time is
// up.
func telling(m *queue.Message) *queue.Result {
	last := len(m.Results) - 1
	if r := &m.Results[last]; last > 0 && r.State == queue.StateProcess && r.Result == queue.Timeout {
		return &m.Results[last-1]
	}
	return &m.Results[last]
}
