package queuetest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// Options declare what an engine lacks, and how to treat it. The zero Options demand everything but durability.
type Options struct {
	// Unordered says that messages with one recipient domain and one priority may be handed out in another order than
	// that of publishing, and released ones not before messages that wait.
	Unordered bool
	// NoPriorities says that Message.Priority has no effect.
	NoPriorities bool
	// Reopen closes q, which is idle, and opens the same store again. Nil: the engine forgets everything when it
	// closes.
	Reopen func(t *testing.T, q queue.Queue) queue.Queue
	// Shared says that several processes may have the engine open, as with a broker: what one of them parked comes to
	// the others only after queue.MaxParked, which is too long to wait for here. Other engines must work in a bubble of
	// testing/synctest, too.
	Shared bool
	// Patience is how long something may take that has to happen. Zero means 30 s.
	Patience time.Duration
	// Quiet is how long nothing must happen to believe that nothing will. Zero means 50 ms.
	Quiet time.Duration
}

// Run examines the engine that newQueue makes. Each case calls newQueue once, for an engine that is empty and shares
// nothing with any other, and closes it.
func Run(t *testing.T, newQueue func(t *testing.T) queue.Queue, opts Options) {
	if opts.Patience == 0 {
		opts.Patience = 30 * time.Second
	}
	if opts.Quiet == 0 {
		opts.Quiet = 50 * time.Millisecond
	}
	for _, group := range [][]rule{publishing, consuming, settling, bodies, surviving, delaying, parking, inspecting,
		closing, storming, reopening} {
		for _, r := range group {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				t.Cleanup(func() {
					if t.Failed() {
						t.Log("The rule that was broken: " + r.text)
					}
				})
				if r.bubble && (r.skip == nil || !r.skip(opts)) {
					synctest.Test(t, func(t *testing.T) { examine(t, newQueue, opts, r) })
					return
				}
				examine(t, newQueue, opts, r)
			})
		}
	}
}

func examine(t *testing.T, newQueue func(t *testing.T) queue.Queue, opts Options, r rule) {
	if r.skip != nil && r.skip(opts) {
		t.Skip("the engine's options leave this out")
	}
	e := &exam{T: t, opts: opts, q: newQueue(t)}
	t.Cleanup(func() { require.NoError(t, e.q.Close(), "Close") })
	e.inspector, _ = e.q.(queue.Inspector)
	e.parker, _ = e.q.(queue.Parker)
	if r.needs != nil && !r.needs(e) {
		t.Skip("the engine does not have this power")
	}
	r.run(e)
}

// rule is one case.
type rule struct {
	name  string
	text  string
	skip  func(Options) bool // left out by the options
	needs func(*exam) bool   // powers that the engine must have
	run   func(*exam)

	bubble bool // the engine is made and examined in a bubble of testing/synctest
}

func shared(o Options) bool     { return o.Shared }
func unordered(o Options) bool  { return o.Unordered }
func noPriority(o Options) bool { return o.NoPriorities }
func forgetful(o Options) bool  { return o.Reopen == nil }
func forgetfulOrShared(o Options) bool {
	return o.Reopen == nil || o.Shared
}
func hasInspector(e *exam) bool  { return e.inspector != nil }
func hasParker(e *exam) bool     { return e.parker != nil }
func parkerAndList(e *exam) bool { return e.parker != nil && e.inspector != nil }

// isAtomic reports whether the engine promises all or nothing.
func isAtomic(e *exam) bool {
	a, ok := e.q.(queue.Atomic)
	return ok && a.Atomic()
}
