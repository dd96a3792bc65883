package delivery

import (
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// allowance is what the throttle said last that a path must wait for.
type allowance struct {
	connecting, sending hold
	looks               uint64 // how often the throttle asked to look again
}

// hold forbids something until a time; zero: it is allowed.
type hold struct {
	until time.Time
	wait  throttle.Wait // why
}

// look has the throttle asked again, as it says that its answers are out of date.
func (a *allowance) look() {
	a.looks++
	a.connecting, a.sending = hold{}, hold{}
}

// connectAfter notes that no connection is allowed before a wait is over. It is out of date when the throttle asked to
// look again since looks was told.
func (a *allowance) connectAfter(wait throttle.Wait, looks uint64) {
	if a.looks == looks {
		a.connecting = hold{time.Now().Add(wait.For), wait}
	}
}

// sendAfter notes, like connectAfter, that no mail is allowed before a wait is over.
func (a *allowance) sendAfter(wait throttle.Wait, looks uint64) {
	if a.looks == looks {
		a.sending = hold{time.Now().Add(wait.For), wait}
	}
}

// told returns how often the throttle asked to look again.
func (a *allowance) told() uint64 { return a.looks }

// connectAt and sendAt return when a connection and a mail are allowed again; the past, or the zero time: now.
func (a *allowance) connectAt() time.Time { return a.connecting.until }
func (a *allowance) sendAt() time.Time    { return a.sending.until }

// holdsConnecting and holdsSending return the limit that a connection and mail wait for, and until when; zeros: none.
func (a *allowance) holdsConnecting(now time.Time) (throttle.Wait, time.Time) {
	return a.connecting.at(now)
}

func (a *allowance) holdsSending(now time.Time) (throttle.Wait, time.Time) { return a.sending.at(now) }

func (h hold) at(now time.Time) (throttle.Wait, time.Time) {
	if !now.Before(h.until) {
		return throttle.Wait{}, time.Time{}
	}
	return h.wait, h.until
}
