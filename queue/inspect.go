package queue

import (
	"context"
	"time"
)

// Inspector is the add-on of engines whose contents can be looked at and moved about while mail flows. What is out with
// a consumer is listed but not moved or purged.
type Inspector interface {
	// Queues returns the state of every queue that exists, sorted by name. It reads counters and scans nothing.
	Queues(ctx context.Context) ([]Stats, error)
	// List returns up to limit entries that match f, oldest first, and a cursor that continues behind them ("" at the
	// end). An empty cursor starts at the beginning; limit 0 means 100.
	List(ctx context.Context, f Filter, cursor string, limit int) (entries []Entry, next string, err error)
	// Peek returns the message with this id without taking it. Its body is valid until the message is settled.
	// ErrNotFound when there is none.
	Peek(ctx context.Context, id string) (*Message, error)
	// Move puts what matches f into the queue to and returns how many that were.
	Move(ctx context.Context, f Filter, to string) (int, error)
	// Purge removes what matches f and returns how many that were.
	Purge(ctx context.Context, f Filter) (int, error)
	// RetryNow makes delayed and parked messages that match f due at once and returns how many that were.
	RetryNow(ctx context.Context, f Filter) (int, error)
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

// Filter selects messages; every field that is set must match. The zero Filter matches everything.
type Filter struct {
	Queue     string        // exact name
	ID        string        // exact message-id
	Domain    string        // recipient domain, exact, case-insensitive
	Envelope  string        // sender address, exact, case-insensitive
	Recipient string        // exact, case-insensitive
	Tag       string        // one of the tags
	State     State         // zero: any
	OlderThan time.Duration // since it was stored; zero: any
	NewerThan time.Duration
	Text      string // case-insensitive substring of envelope, recipient, message-id, or a tag
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
	Size      int64 // of the mail, in bytes
	Attempts  int
	Stored    time.Time // when the first version of it was stored
	Due       time.Time // zero: at once
	Parked    string    // key, when parked
}
