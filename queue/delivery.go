package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Delivery is a message handed to a consumer, who owes exactly one Settle, Release or Park for it, from any goroutine.
// Message is the consumer's own and may be changed; it and its body are valid until that call returns.
type Delivery struct {
	// Queue is the name of the queue it was read from.
	Queue string
	// Message is the decoded message. It is nil when Err is a *SyntaxError.
	Message *Message
	// Raw is what was stored, when it could not be decoded.
	Raw []byte
	// Err is a *SyntaxError when Raw is not a message at all, a *PropertyError when a property of Message is of a wrong
	// type or value (the message then keeps that property, unread, in Extra), a *DamageError when the stored mail is
	// lost or damaged, and nil otherwise.
	Err error
	// Redelivered is a hint that the message may have been handed out before.
	Redelivered bool
	// Picked is when the message was first handed to a consumer, as far as the engine remembers.
	Picked time.Time

	driver  Driver
	settled atomic.Bool
}

// Driver is what an engine supplies for its deliveries. Each method is called at most once for a delivery that it
// finished with success, and never while another one runs for the same delivery; after an error it may be called again.
//
// An error of Settle says that the successors may not be stored. An engine that stored them, but lost what it needs to
// remove the original (the channel of a broker), returns nil and settles the original when it meets it again.
type Driver interface {
	Settle(ctx context.Context, d *Delivery, successors []Item) error
	Release(ctx context.Context, d *Delivery) error
}

// NewDelivery returns a delivery for the given driver; engines fill in the fields.
func NewDelivery(driver Driver) *Delivery { return &Delivery{driver: driver} }

// Driver returns what NewDelivery was given, so that an engine's Park can tell its own deliveries.
func (d *Delivery) Driver() Driver { return d.driver }

// Settle removes the message from its queue and stores its successors (results, a retry, a bounce, or none) in one
// step. It returns when that is durable or, on engines that log lazily, ordered in the log: a crash may then hand the
// message out again, but never lose both it and its successors. A successor whose Body is that of d.Message shares its
// storage. After an error the delivery is still out and Settle may be called again.
func (d *Delivery) Settle(ctx context.Context, successors ...Item) error {
	return d.finish(func() error { return d.driver.Settle(ctx, d, successors) })
}

// Release gives the message back to its queue unchanged, to be handed out again, with no attempt counted.
func (d *Delivery) Release(ctx context.Context) error {
	return d.finish(func() error { return d.driver.Release(ctx, d) })
}

// Finish lets an engine's Park claim the delivery: it runs do unless the delivery is already settled, and marks it
// settled when do succeeds.
func (d *Delivery) Finish(do func() error) error { return d.finish(do) }

func (d *Delivery) finish(do func() error) error {
	if !d.settled.CompareAndSwap(false, true) {
		return ErrSettled
	}
	if err := do(); err != nil {
		d.settled.Store(false)
		return err
	}
	return nil
}

// SyntaxError says that stored bytes are not a message.
type SyntaxError struct {
	Offset int64 // in bytes, where known
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not a message: %s at byte %d", e.Reason, e.Offset)
}

// PropertyError says that a property of a message has a wrong type or an impossible value.
type PropertyError struct {
	Property string // as in JSON, with dots for nesting: "dsn.notify"
	Want     string // "a boolean"
	Got      string // `the string "maybe"`; shortened
}

func (e *PropertyError) Error() string {
	return fmt.Sprintf("property %s: expected %s, got %s", e.Property, e.Want, e.Got)
}

// DamageError says that a stored message or its mail can no longer be read.
type DamageError struct {
	Reason string
}

func (e *DamageError) Error() string { return "stored mail is damaged: " + e.Reason }
