package delivery

import (
	"math/rand/v2"
	"time"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// The back-off of a path doubles from the first to the last with each failed round, give or take a tenth, unless the
// throttle sets a fixed one.
const (
	firstBackOff = 30 * time.Second
	lastBackOff  = 15 * time.Minute
)

// backOff is how a path leaves its site alone after failures.
type backOff struct {
	failures  int       // since the last success
	offlineTo time.Time // no connection is made before
	growTo    time.Time // no further connection is made before, while there are others
	why       string    // the last failure
}

// fail notes a failure, after which the path is off-line, and returns for how long.
func (b *backOff) fail(result *queue.Result, limits *throttle.Limits) time.Duration {
	b.failures++
	delay := limits.Connection.Offline
	switch {
	case result.State == queue.StateBind && limits.Faults.BindRetry > 0:
		delay = limits.Faults.BindRetry
	case result.Result == queue.Lost && limits.Faults.LostOffline > 0:
		delay = limits.Faults.LostOffline
	case result.Result == queue.Invalid && limits.Faults.InvalidOffline > 0:
		delay = limits.Faults.InvalidOffline
	case delay <= 0:
		delay = jitter(min(firstBackOff<<min(b.failures-1, 10), lastBackOff))
	}
	b.offlineTo = time.Now().Add(delay)
	b.growTo = b.offlineTo
	b.why = reason(result)
	return delay
}

// slow notes a failure while other connections work: the path only grows no further for a while.
func (b *backOff) slow(result *queue.Result) {
	b.growTo = time.Now().Add(firstBackOff)
	b.why = reason(result)
}

// end forgets the failures, as the path was seen to work.
func (b *backOff) end() { *b = backOff{growTo: b.growTo} }

// until returns before when no connection is made, or no further one when there are others; zero: one may be made.
func (b *backOff) until(others bool) time.Time {
	if others {
		return b.growTo
	}
	return b.offlineTo
}

// failing reports whether the last connection failed.
func (b *backOff) failing() bool { return b.failures > 0 }

// lastError returns the last failure; "" when the path was seen to work since.
func (b *backOff) lastError() string { return b.why }

// jitter changes d by up to a tenth, so that many paths do not come back at once.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// shutOut is how long an address is left alone by all paths after it could not be reached: less than any path's
// back-off, so that the path that found out does not shut itself out.
func shutOut(limits *throttle.Limits) time.Duration {
	if d := limits.Connection.Offline; d > 0 {
		return d * 3 / 4
	}
	return firstBackOff * 3 / 4
}
