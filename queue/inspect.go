package queue

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
)

// Inspector is the add-on of engines whose contents can be looked at and moved about while mail flows. What is out with
// a consumer is listed but not moved or purged.
type Inspector interface {
	// Queues returns the state of every queue that exists and is not [Hidden], sorted by name. It reads counters and
	// scans nothing. Whether a queue that is empty still exists is up to the engine.
	Queues(ctx context.Context) ([]Stats, error)
	// List returns up to limit entries that match f, oldest first, and a cursor that continues behind them ("" at the
	// end). An empty cursor starts at the beginning; limit 0 means 100. Where looking takes long there may be fewer, and
	// none, with a cursor all the same.
	List(ctx context.Context, f Filter, cursor string, limit int) (entries []Entry, next string, err error)
	// Peek returns the message with this id without taking it. Its body is valid until the message is settled.
	// ErrNotFound when there is none.
	Peek(ctx context.Context, id string) (*Message, error)
	// Move puts what matches f, and is not in it yet, into the queue to and returns how many that were. What was parked
	// is ready there; what was delayed stays delayed.
	Move(ctx context.Context, f Filter, to string) (int, error)
	// Purge removes what matches f and returns how many that were.
	Purge(ctx context.Context, f Filter) (int, error)
	// RetryNow makes delayed and parked messages that match f due at once and returns how many that were. The messages
	// themselves, their NextAttempt included, stay as they are.
	RetryNow(ctx context.Context, f Filter) (int, error)
}

// ConsumerCounter is the add-on of engines that know who reads their queues.
type ConsumerCounter interface {
	// Consumers returns how many consumers each queue has, those of other programs included where there can be any.
	Consumers(ctx context.Context) (map[string]int, error)
}

// Stats counts the messages of one queue by state.
type Stats struct {
	Queue   string
	Ready   int   // due, waiting for a consumer
	Delayed int   // waiting for their NextAttempt
	Parked  int   // set aside by a Parker
	Out     int   // with a consumer
	Bytes   int64 // of all of them, mails shared by several recipients counted each time
}

// Hidden reports whether a queue of this name is for bookkeeping, and nothing that people call mail is in it: it begins
// with a dot. Embedded engines list, move and purge what is there only for a Filter that names it.
func Hidden(name string) bool { return strings.HasPrefix(name, ".") }

// Filter selects messages; every field that is set must match. The zero Filter matches everything that is not in a
// [Hidden] queue.
type Filter struct {
	Queue     string        // exact name
	ID        string        // exact message-id
	Domain    string        // recipient domain, exact, case-insensitive
	Envelope  string        // sender address, exact, case-insensitive
	Recipient string        // exact, case-insensitive
	Tag       string        // one of the tags
	State     State         // zero: any
	OlderThan time.Duration // stored longer ago than that; zero: any
	NewerThan time.Duration // stored less long ago than that; zero: any. What was stored just so long ago is neither
	Text      string        // case-insensitive substring of envelope, recipient, message-id, or a tag
}

// Matches reports whether a message with this entry is selected at the given time.
func (f *Filter) Matches(e *Entry, now time.Time) bool {
	switch {
	case f.Queue != e.Queue && (f.Queue != "" || Hidden(e.Queue)),
		f.ID != "" && f.ID != e.ID,
		f.State != AnyState && f.State != e.State,
		!f.MatchesAge(e.Stored, now),
		f.Envelope != "" && !strings.EqualFold(f.Envelope, e.Envelope),
		f.Recipient != "" && !strings.EqualFold(f.Recipient, e.Recipient),
		f.Domain != "" && addr.Fold(f.Domain) != DomainOf(e.Recipient),
		f.Tag != "" && !slices.Contains(e.Tags, f.Tag):
		return false
	}
	return f.Text == "" || e.contains(f.Text)
}

// MatchesAge reports whether a message that was stored then is selected at the given time by OlderThan and NewerThan.
func (f *Filter) MatchesAge(stored, now time.Time) bool {
	age := now.Sub(stored)
	return (f.OlderThan == 0 || age > f.OlderThan) && (f.NewerThan == 0 || age < f.NewerThan)
}

func (e *Entry) contains(text string) bool {
	text = strings.ToLower(text)
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	return has(e.Envelope) || has(e.Recipient) || has(e.ID) || slices.ContainsFunc(e.Tags, has)
}

// State is where a message in a queue is.
type State uint8

// The states of a message.
const (
	AnyState State = iota
	Ready          // due, waiting for a consumer
	Delayed        // waiting for its NextAttempt
	Parked         // set aside by a Parker
	Out            // with a consumer
)

// String returns the lower-case name.
func (s State) String() string {
	return [...]string{"any", "ready", "delayed", "parked", "out"}[min(s, Out)]
}

// Entry is one line of a listing.
type Entry struct {
	ID        string
	Queue     string
	State     State
	Envelope  string
	Recipient string
	Tags      []string
	Size      int64     // of the mail, in bytes
	Attempts  int       // number of results
	Stored    time.Time // when it was published first: a successor with the same ID keeps the time
	Due       time.Time // zero: at once
	Parked    string    // key, when parked
}
