package aside

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Reason is why a message is held. A registry asks it without a lock, but for Stale, which takes none.
type Reason interface {
	// Holds reports whether the message is still held, and until when if that ends by itself.
	Holds() (until time.Time, ok bool)
	// Stale reports whether it was decided by rules that changed since.
	Stale() bool
}

// Note says why a message is parked that is held.
type Note struct {
	Key    string
	ID     string // of messages with this key and ID one is kept as a sample
	Reason Reason
	Until  time.Time // it ends by itself then; zero: never
	Whole  bool      // all messages with this key are held
}

// hold is what is parked under one key because of reasons.
type hold struct {
	reason  Reason // the last one; nil: not known
	since   time.Time
	whole   bool
	samples map[string]*sample
	left    int // messages to be fetched; zero: none is
}

// sample stands for messages that are held for the same reason.
type sample struct {
	reason Reason
	until  time.Time
	free   bool
}

// free reports whether some of what is held may go.
func (h *hold) free() bool {
	for _, s := range h.samples {
		if s.free {
			return true
		}
	}
	return false
}

const (
	maxHolds   = 50000
	maxSamples = 100
	// piece is how many samples are asked before orders are looked after again.
	piece = 1000
)

// Hold notes that a message is parked because of a reason.
func (r *Registry) Hold(n *Note) {
	if r.Queue == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.holds[n.Key]
	if h == nil {
		if len(r.holds) >= maxHolds {
			r.overflow = true
			return
		}
		h = r.newHold(n.Key)
	}
	stale := n.Reason.Stale() // what was decided meanwhile did not see it
	if h.samples[n.ID] == nil && len(h.samples) >= maxSamples && !stale {
		return
	}
	h.reason, h.whole = n.Reason, h.whole || n.Whole
	h.samples[n.ID] = &sample{reason: n.Reason, until: n.Until}
	if h.left > 0 && !h.free() {
		r.fetch(h, 0)
	}
	ends := sooner(n.Until, r.end)
	if ends {
		r.end = n.Until
	}
	if stale || ends {
		r.recheck = r.recheck || stale
		r.signal()
	}
}

// newHold adds a key. The lock is held.
func (r *Registry) newHold(key string) *hold {
	h := &hold{since: r.now(), samples: make(map[string]*sample)}
	r.holds[key] = h
	return h
}

// Recheck has every reason asked whether it still holds.
func (r *Registry) Recheck() {
	r.mu.Lock()
	r.recheck = true
	r.mu.Unlock()
	r.signal()
}

// Free has all be fetched that is parked under a key now.
func (r *Registry) Free(key string) {
	r.mu.Lock()
	r.freed[key] = nil
	r.mu.Unlock()
	r.signal()
}

// Held is what is parked under one key because of reasons.
type Held struct {
	Reason  Reason // of several, the last one; nil: not known
	Since   time.Time
	Flowing bool // it is being fetched
}

// Held returns what is held under a key; the zero Held: nothing.
func (r *Registry) Held(key string) Held {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.holds[key]; h != nil {
		return Held{Reason: h.reason, Since: h.since, Flowing: h.left > 0}
	}
	return Held{}
}

// Keys returns all keys under which something is held, sorted.
func (r *Registry) Keys() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.holds))
}

// covers reports whether all messages with a key are held, so that fetching them is of no use. The lock is held.
func (r *Registry) covers(key string) bool {
	h := r.holds[key]
	return h != nil && h.whole && h.left == 0
}

// fetch has n messages of a key fetched; zero: no more of them. The lock is held.
func (r *Registry) fetch(h *hold, n int) {
	if h.left == 0 && n > 0 {
		r.flowing.Add(1)
	} else if h.left > 0 && n == 0 {
		r.flowing.Add(-1)
	}
	h.left = n
}

// over forgets what was fetched; samples of what is held still stay. The lock is held.
func (r *Registry) over(key string, h *hold) {
	r.fetch(h, 0)
	for id, s := range h.samples {
		if s.free {
			delete(h.samples, id)
		}
	}
	if len(h.samples) == 0 {
		delete(r.holds, key)
	}
}

// review asks every sample whether it is still held, and adds to freed the keys of which something is not. Orders are
// looked after meanwhile.
func (r *Registry) review(ctx context.Context, freed map[string]*hold) {
	type entry struct {
		key string
		h   *hold
		s   *sample
	}
	var entries []entry
	r.mu.Lock()
	for key, h := range r.holds {
		for _, s := range h.samples {
			entries = append(entries, entry{key, h, s})
		}
	}
	r.mu.Unlock()
	for i, en := range entries {
		until, held := en.s.reason.Holds()
		r.mu.Lock()
		if !held && !en.s.free {
			freed[en.key] = en.h
		}
		en.s.until, en.s.free = until, !held
		r.mu.Unlock()
		if i%piece == piece-1 {
			r.serve(ctx)
		}
	}
	r.stopHeld()
}

// stopHeld fetches no more of what is held again, all of it, and finds out when the next reason ends.
func (r *Registry) stopHeld() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end = time.Time{}
	for _, h := range r.holds {
		if h.left > 0 && !h.free() && len(h.samples) > 0 {
			r.fetch(h, 0)
		}
		for _, s := range h.samples {
			if !s.free && sooner(s.until, r.end) {
				r.end = s.until
			}
		}
	}
	if now := r.now(); !r.end.IsZero() && !r.end.After(now) {
		r.end = now.Add(time.Second) // the rules go by another clock
	}
}

// begin has all be fetched that is parked now under these keys: as long as nobody took them over, where a hold is
// given. When not all keys were remembered, so is what is parked under all keys that are not known.
func (r *Registry) begin(ctx context.Context, freed map[string]*hold) {
	r.mu.Lock()
	wanted := r.Queue != nil && (len(freed) > 0 || r.overflow)
	r.mu.Unlock()
	if !wanted {
		return
	}
	counts, err := r.Queue.Parked(ctx, r.Outbox)
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, h := range freed {
		if h != nil && r.holds[key] != h {
			continue
		}
		n := counts[key]
		if err != nil {
			n = piece // to find out
		}
		r.beginKey(key, n)
	}
	if err != nil || !r.overflow {
		return
	}
	r.overflow = false
	for key, n := range counts {
		if r.holds[key] == nil {
			r.beginKey(key, n)
		}
	}
}

// beginKey has n messages with a key fetched. The lock is held.
func (r *Registry) beginKey(key string, n int) {
	h := r.holds[key]
	switch {
	case n > 0 && h == nil:
		r.fetch(r.newHold(key), n)
	case n > 0:
		r.fetch(h, n)
	case h != nil:
		r.over(key, h)
	}
}

// release fetches a piece of what is held no longer, as much as there is room for.
func (r *Registry) release(ctx context.Context) {
	now, room := r.now(), r.Room()
	if room <= 0 || now.Before(r.barred) {
		return
	}
	r.mu.Lock()
	left := make(map[string]int, r.flowing.Load())
	for key, h := range r.holds {
		if h.left > 0 {
			left[key] = h.left
		}
	}
	r.mu.Unlock()
	share := max(1, room/max(1, len(left)))
	for key, n := range left {
		n = min(n, share, room)
		if n <= 0 || ctx.Err() != nil {
			return
		}
		got, err := r.Queue.Unpark(ctx, r.Outbox, key, n)
		if err != nil {
			if ctx.Err() == nil {
				r.Logger.Warn("fetching messages that were held failed; trying again", "error", err, "in", again)
			}
			r.barred = now.Add(again)
			return
		}
		room -= got
		r.fetched(key, got, n)
	}
}

// fetched notes how many messages of a key came when n were asked for.
func (r *Registry) fetched(key string, got, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.holds[key]
	switch {
	case h == nil || h.left == 0:
	case got < n || h.left <= got:
		r.over(key, h)
	default:
		r.fetch(h, h.left-got)
	}
}
