package queue

import (
	"context"
	"errors"
	"io"
	"time"
)

// Queue keeps messages until they are settled. All methods are safe for concurrent use.
//
// Engines with more powers also implement [Inspector] and [Parker]; ask for them by type assertion.
type Queue interface {
	// Publish returns nil when every item is durable. On an error some of them may be stored: the caller may publish
	// again, which can make a duplicate but never a loss. Engines that store all or nothing say so with [Atomic].
	// Items whose messages share a Body value share its storage. A message whose NextAttempt lies in the future is not
	// handed out before. The queue does not change the messages and keeps no reference to them after it returns,
	// their bodies excepted, which it may read for as long as a Delivery of them is out.
	Publish(ctx context.Context, items ...Item) error

	// Consume hands the messages of the named queue to handle, one call at a time; handle must not block. It returns
	// when ctx ends (nil), or with the error that ended it. Once it has returned, handle is called no more; deliveries
	// already handed out stay settleable until Close. Several consumers of one queue share its messages.
	Consume(ctx context.Context, name string, opts ConsumeOptions, handle func(*Delivery)) error

	// Close releases what the queue holds. Deliveries that are still out return to their queue, as if released.
	Close() error
}

// Atomic is implemented by engines that can tell whether one Publish or Settle stores all of its items or none.
type Atomic interface {
	Atomic() bool
}

// Item is a message on its way into a queue.
type Item struct {
	Queue   string
	Message *Message
}

// ConsumeOptions tunes a consumer. The zero value is usable.
type ConsumeOptions struct {
	// Prefetch is the largest number of deliveries that are out at a time: neither settled, released nor parked.
	// Zero means 1000.
	Prefetch int
}

// DefaultPrefetch is what a zero ConsumeOptions.Prefetch means.
const DefaultPrefetch = 1000

// Body is a mail as it goes over the wire: header and content with CRLF line ends, not dot-stuffed. ReadAt is safe for
// concurrent use. *bytes.Reader and *io.SectionReader are bodies.
//
// A body that also has a method Bytes() []byte lies in memory and may be read, never written, through it; one with a
// method File() *os.File is exactly the content of that file, which an engine on the same file system may adopt by a
// hard link instead of copying it.
type Body interface {
	io.ReaderAt
	Size() int64
}

// Bytes is a Body in memory. It must not be changed once it has been handed on.
type Bytes []byte

// ReadAt implements io.ReaderAt.
func (b Bytes) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("queue: negative offset")
	}
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Size returns the length in bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Bytes returns b itself.
func (b Bytes) Bytes() []byte { return b }

// The errors of a queue. Engines wrap them with the cause; test with errors.Is. The comments give the reply that
// smtpin/enqueue makes of each.
var (
	ErrFull        = errors.New("queue: no space left")                  // 452 4.3.1
	ErrTooLarge    = errors.New("queue: message too large")              // 552 5.3.4
	ErrUnavailable = errors.New("queue: unavailable")                    // 451 4.3.0
	ErrUnknown     = errors.New("queue: outcome unknown, may be stored") // 451 4.3.0
	ErrClosed      = errors.New("queue: closed")                         // 451 4.3.0
	ErrLocked      = errors.New("queue: locked by another process")      // at opening
	ErrSettled     = errors.New("queue: delivery already settled")       // a bug of the caller
	ErrNotFound    = errors.New("queue: no such message")                // Inspector only
)

// Parker is the add-on of engines that can set a delivery aside for a while without blocking what comes behind it.
type Parker interface {
	// Park sets d aside, unchanged and with no attempt counted, under key (a recipient domain, or "tag:" and a tag).
	// It counts as settled: d is not out any more. It is handed out again by Unpark, by itself after at most
	// [MaxParked], or when the queue is opened again.
	Park(ctx context.Context, d *Delivery, key string) error
	// Unpark lets up to n of the messages parked under key come to the consumers of queue again, those parked first
	// going first, ahead of what waits unparked. It returns how many it let go.
	Unpark(ctx context.Context, queue, key string, n int) (int, error)
	// Parked returns the number of messages parked under each key of queue.
	Parked(ctx context.Context, queue string) (map[string]int, error)
}

// MaxParked is how long a message stays parked at most before it is handed out again.
const MaxParked = 10 * time.Minute
