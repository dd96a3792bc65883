package checks

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	defaultTimeout = 30 * time.Second
	defaultLookups = 100
	// grace is how long a check may take, after its context ended, to say what it was waiting for.
	grace = 100 * time.Millisecond
	// maxLeftBehind is how many calls of one checker may hang beyond their time before it is not asked any more.
	maxLeftBehind = 64
)

// Runner asks several checkers about a mail, in parallel. It is used by pointer, safe for concurrent use, and its
// fields stay as they are once it is in use.
type Runner struct {
	// Checkers to ask, in the order in which results are wanted.
	Checkers []Checker
	// Timeout is how long each of them may take: zero is 30 seconds. With one that waits for others its time begins
	// when they are done, so that the longest row of such checks is how many times Timeout a mail can take at most.
	Timeout time.Duration
	// Lookups is how many DNS look-ups one mail may cost where resolvers are [Bounded]: zero is 100, negative no limit.
	Lookups int
	// Logger hears of checks that fail; nil is silence.
	Logger *slog.Logger
	// Took is told how long each check of a mail took, one that was given up included. Rounds about several mails call
	// it at once; it must not block. Nil: nobody is told.
	Took func(check string, took time.Duration)

	once    sync.Once
	entries []*entry
}

// CheckConnect asks those checkers that are a [ConnectChecker] about a client. What they say belongs into Earlier of
// every mail of the connection.
func (r *Runner) CheckConnect(ctx context.Context, client netip.Addr) []Result {
	r.once.Do(r.prepare)
	return r.run(ctx, &Mail{Client: client}, true)
}

// Check asks all checkers but those for connections, and returns mail.Earlier followed by what they found. It takes no
// longer than the time limits say, whatever checkers do; mail.Body is not read any more when it returns, but what else
// is in mail may be, by one that hangs, and must not be changed.
func (r *Runner) Check(ctx context.Context, mail *Mail) []Result {
	r.once.Do(r.prepare)
	return r.run(ctx, mail, false)
}

// entry is a checker with what the runner knows about it.
type entry struct {
	Checker
	name    string
	connect ConnectChecker // nil when it is for mails
	after   []int          // indexes of those it waits for
	left    leftBehind
}

// prepare finds out who waits for whom.
func (r *Runner) prepare() {
	for _, c := range r.Checkers {
		e := &entry{Checker: c, name: c.Name()}
		e.connect, _ = c.(ConnectChecker)
		r.entries = append(r.entries, e)
	}
	for i, e := range r.entries {
		later, ok := e.Checker.(Later)
		if !ok || e.connect != nil {
			continue
		}
		for _, name := range later.After() {
			r.waitFor(i, name)
		}
	}
}

// waitFor makes one checker wait for all of a name, unless that would make a circle.
func (r *Runner) waitFor(i int, name string) {
	for j, other := range r.entries {
		if other.name != name || other.connect != nil {
			continue
		}
		if r.reaches(j, i) {
			r.logger().Error("checks wait for each other", "check", r.entries[i].name, "after", name)
			continue
		}
		r.entries[i].after = append(r.entries[i].after, j)
	}
}

// reaches reports whether a checker waits for another, perhaps through others, or is that one.
func (r *Runner) reaches(from, to int) bool {
	if from == to {
		return true
	}
	for _, next := range r.entries[from].after {
		if r.reaches(next, to) {
			return true
		}
	}
	return false
}

func (r *Runner) logger() *slog.Logger {
	if r.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Logger
}

func (r *Runner) timeout() time.Duration {
	if r.Timeout <= 0 {
		return defaultTimeout
	}
	return r.Timeout
}

func (r *Runner) lookups() int {
	if r.Lookups == 0 {
		return defaultLookups
	}
	return r.Lookups
}
