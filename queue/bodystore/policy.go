package bodystore

import (
	"fmt"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Policy says which mails a queue puts into the store.
type Policy uint8

// The policies. Whatever they say, a message that names a key keeps it.
const (
	None Policy = iota // none: mails stay in the queue
	In                 // in: mails of messages that are published
	Out                // out: mails of what takes the place of a message: retries, and results that keep their mail
	All                // all: both
)

// ParsePolicy returns the policy of that name: none, in, out or all; "" is none.
func ParsePolicy(name string) (Policy, error) {
	for p, known := range []string{"none", "in", "out", "all"} {
		if name == known {
			return Policy(p), nil
		}
	}
	if name == "" {
		return None, nil
	}
	return None, fmt.Errorf("policy %q: expected none, in, out or all", name)
}

// Terms are how a queue uses its store.
type Terms struct {
	Policy Policy
	// TTL is how long a mail stays after the last attempt to deliver it can be.
	TTL time.Duration
	// Lifetime is how long messages without a time of their own are tried, from when they are first picked up; zero
	// means a day.
	Lifetime time.Duration
	// Waiting is how long a message may lie in a queue before it is first picked up, while nothing is delivered, or
	// until somebody else reads it; zero means a week. The store then still has its mail.
	Waiting time.Duration
	// Timeout limits the time to put one mail; zero leaves that to the store.
	Timeout time.Duration
}

// expires is until when the mail of a message is needed.
func (t *Terms) expires(m *queue.Message, now time.Time) time.Time {
	end := now
	if m.NextAttempt.After(end) {
		end = m.NextAttempt
	}
	switch {
	case m.MaxDeliverTime.After(end):
		end = m.MaxDeliverTime
	case m.MaxDeliverTime.IsZero():
		end = end.Add(orElse(t.Waiting, 7*24*time.Hour)).Add(orElse(t.Lifetime, 24*time.Hour))
	}
	return end.Add(t.TTL)
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}
