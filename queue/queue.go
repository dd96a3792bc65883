package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Queue keeps messages until they are settled. All methods are safe for concurrent use.
//
// Engines with more powers also implement [Inspector] and [Parker]; ask for them by type assertion.
type Queue interface {
	// Publish returns nil when every item is durable. On an error some of them may be stored: the caller may publish
	// again, which can make a duplicate but never a loss. Engines that store all or nothing say so with [Atomic]. Items
	// whose messages share a Body value share its storage; see [SameBody]. A message whose NextAttempt lies in the
	// future is not handed out before. Items without a message or without the name of a queue are refused with an
	// error, and then nothing is stored; see [CheckItems].
	//
	// The queue does not change the messages and keeps no reference to them after it returns, but for bodies in memory,
	// those with a method Bytes: it may go on reading them, so they must never change. Any other body is read before
	// Publish returns and may be closed then.
	Publish(ctx context.Context, items ...Item) error

	// Consume hands the messages of the named queue to handle, one call at a time; handle must not block. It returns
	// when ctx ends (nil), or with the error that ended it, ErrClosed after Close. Once it has returned, handle is
	// called no more; deliveries already handed out stay settleable until Close. Several consumers of one queue share
	// its messages.
	//
	// Messages of a higher Priority go first. Among equals there is no promise of order but that a message which waits
	// is not passed over for ever; engines hand out in the order of publishing, or take turns between recipient
	// domains.
	Consume(ctx context.Context, name string, opts ConsumeOptions, handle func(*Delivery)) error

	// Close releases what the queue holds. Deliveries that are still out return to their queue, as if released. From
	// then on every method, those of deliveries included, returns ErrClosed; a second Close returns nil.
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
	// Given says that the message has no body, that nobody else has it once it is published, and that what it refers to
	// changes no more: the queue may hand out this very one instead of a copy, its times finer than a second.
	Given bool
}

// CheckItems returns an error that names the first item without a message or without the name of a queue, and nil when
// there is none. Engines call it before they store anything.
func CheckItems(items []Item) error {
	for i := range items {
		if items[i].Message == nil {
			return fmt.Errorf("queue: item %d of %d, for queue %q, has no message", i+1, len(items), items[i].Queue)
		}
		if items[i].Queue == "" {
			return fmt.Errorf("queue: item %d of %d, message %q, names no queue", i+1, len(items), items[i].Message.ID)
		}
	}
	return nil
}

// ConsumeOptions tunes a consumer. The zero value is usable.
type ConsumeOptions struct {
	// Prefetch is the largest number of deliveries that are out at a time: neither settled, released nor parked.
	// Zero means 1000.
	Prefetch int
}

// DefaultPrefetch is what a zero ConsumeOptions.Prefetch means.
const DefaultPrefetch = 1000

// The errors of a queue. Engines wrap them with the cause; test with errors.Is. The comments give the reply that
// smtpin/enqueue makes of each.
var (
	ErrFull        = errors.New("queue: no space left")     // 452 4.3.1
	ErrTooLarge    = errors.New("queue: message too large") // 552 5.3.4
	ErrUnavailable = errors.New("queue: unavailable")       // 451 4.3.0
	// beside ErrUnavailable: no repetition mends it
	ErrRefused  = errors.New("not without a change of the configuration")
	ErrUnknown  = errors.New("queue: outcome unknown, may be stored") // 451 4.3.0
	ErrClosed   = errors.New("queue: closed")                         // 451 4.3.0
	ErrLocked   = errors.New("queue: locked by another process")      // at opening
	ErrSettled  = errors.New("queue: delivery already settled")       // a bug of the caller
	ErrNotFound = errors.New("queue: no such message")                // Inspector only
)

// Parker is the add-on of engines that can set a delivery aside for a while without blocking what comes behind it.
type Parker interface {
	// Park sets d aside, unchanged and with no attempt counted, under key: a recipient domain, or a text with a colon
	// ("tag:" and a tag, "pause:" and a number, "ips:" and a word).
	// It counts as settled: d is not out any more. It is handed out again by Unpark, and by itself after at most
	// [MaxParked]. When the queue is opened again, engines that only one process can open hand it out at once; a broker
	// leaves what another process parked to MaxParked.
	Park(ctx context.Context, d *Delivery, key string) error
	// Unpark lets up to n of the messages parked under key come to the consumers of queue again, those parked first
	// going first, ahead of what waits unparked with the same priority. They come as Prefetch has room, and can be
	// released, parked and settled as any other. It returns how many it let go.
	Unpark(ctx context.Context, queue, key string, n int) (int, error)
	// Parked returns the number of messages parked under each key of queue: on a broker, of those that this process
	// parked, as Unpark reaches no others.
	Parked(ctx context.Context, queue string) (map[string]int, error)
}

// MaxParked is how long a message stays parked at most before it is handed out again.
const MaxParked = 10 * time.Minute
