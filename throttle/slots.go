package throttle

import (
	"context"
	"sync"
)

// Slots counts the connections of a process, incoming and outgoing together, and keeps both kinds within their limits.
//
// With 100 in total, 50 incoming and 75 outgoing, sending never takes more than 75, so that 25 always remain for
// clients; clients may grow to 50 while sending is slow. What neither side has for itself goes to the side that comes
// first.
//
// [Slots.Incoming] and [Slots.Outgoing] are the two sides; a server and a delivery engine each take theirs as
//
//	interface {
//		Acquire(context.Context) error
//		TryAcquire() bool
//		Release()
//	}
//
// Callers of Acquire wait in line, each side in its own. When both lines wait for the same free slot they take turns,
// so neither side starves, however many wait on the other. Everything costs one short mutex; nothing polls.
type Slots struct {
	mu       sync.Mutex
	total    int // zero: unlimited
	sides    [2]SlotSide
	lastSide int // the side that was served last when both waited
}

// SlotSide is one side of [Slots]. Its methods are safe for concurrent use.
type SlotSide struct {
	slots *Slots
	index int

	// All below is guarded by slots.mu.
	limit  int // zero: unlimited
	used   int
	line   waitLine
	missed bool // a TryAcquire failed since the listeners were last told
	listen []func()
}

const (
	sideIn = iota
	sideOut
)

// NewSlots returns slots for total connections, of which at most in are incoming and at most out outgoing. For each of
// them zero or less means: no such limit.
func NewSlots(total, in, out int) *Slots {
	s := &Slots{lastSide: sideOut}
	for i := range s.sides {
		s.sides[i].slots, s.sides[i].index = s, i
	}
	s.setLimits(total, in, out)
	return s
}

// Incoming is the side of clients that connect to us.
func (s *Slots) Incoming() *SlotSide { return &s.sides[sideIn] }

// Outgoing is the side of connections that we make.
func (s *Slots) Outgoing() *SlotSide { return &s.sides[sideOut] }

// SetLimits changes the limits; see [NewSlots]. Slots that are taken stay taken: after a reduction no new ones are
// given until enough have come back.
func (s *Slots) SetLimits(total, in, out int) {
	s.mu.Lock()
	s.setLimits(total, in, out)
	tell := s.handOut()
	s.mu.Unlock()
	tell.call()
}

func (s *Slots) setLimits(total, in, out int) {
	s.total = max(total, 0)
	s.sides[sideIn].limit = max(in, 0)
	s.sides[sideOut].limit = max(out, 0)
}

// Limits returns the limits as set; zero means unlimited.
func (s *Slots) Limits() (total, in, out int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, s.sides[sideIn].limit, s.sides[sideOut].limit
}

// Acquire takes a slot, waiting in line until there is one. It returns ctx's error when that ends first, and then holds
// nothing.
func (d *SlotSide) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := d.slots
	s.mu.Lock()
	if d.line.empty() && d.room() {
		d.used++
		s.mu.Unlock()
		return nil
	}
	w := &slotWaiter{granted: make(chan struct{})}
	d.line.push(w)
	s.mu.Unlock()

	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		d.leave(w)
		return ctx.Err()
	}
}

// leave takes w, whose caller gave up, out of the line, or gives back the slot that it was granted in the same moment.
func (d *SlotSide) leave(w *slotWaiter) {
	s := d.slots
	s.mu.Lock()
	if d.line.remove(w) {
		s.mu.Unlock()
		return
	}
	d.used--
	tell := s.handOut()
	s.mu.Unlock()
	tell.call()
}

// TryAcquire takes a slot if one is free and nobody of this side waits in line for it.
//
// A caller that keeps asking has no place in line: slots that both sides could have go to the other side's waiting
// callers first. Use Acquire where that matters.
func (d *SlotSide) TryAcquire() bool {
	s := d.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.line.empty() && d.room() {
		d.used++
		return true
	}
	d.missed = true
	return false
}

// Release gives back a slot. It panics when none is taken.
func (d *SlotSide) Release() {
	s := d.slots
	s.mu.Lock()
	if d.used == 0 {
		s.mu.Unlock()
		panic("throttle: Release of a connection slot that was not acquired")
	}
	d.used--
	tell := s.handOut()
	s.mu.Unlock()
	tell.call()
}

// Changed registers f, which is called when TryAcquire failed and there is a free slot again. It is called from any
// goroutine, without locks held, and must not block; it may call TryAcquire.
func (d *SlotSide) Changed(f func()) {
	d.slots.mu.Lock()
	defer d.slots.mu.Unlock()
	// A new slice each time: listeners are called outside the lock.
	d.listen = append(d.listen[:len(d.listen):len(d.listen)], f)
}

// Used returns how many slots this side holds.
func (d *SlotSide) Used() int {
	d.slots.mu.Lock()
	defer d.slots.mu.Unlock()
	return d.used
}

// Waiting returns how many callers of Acquire wait.
func (d *SlotSide) Waiting() int {
	d.slots.mu.Lock()
	defer d.slots.mu.Unlock()
	return d.line.length
}

// room reports whether the limits allow this side one more.
func (d *SlotSide) room() bool {
	s := d.slots
	if d.limit > 0 && d.used >= d.limit {
		return false
	}
	return s.total == 0 || s.sides[sideIn].used+s.sides[sideOut].used < s.total
}

// handOut grants slots until nobody who waits may have one, and returns whom to tell of what is left. So there is never
// a caller waiting for a slot that is free.
func (s *Slots) handOut() (tell listeners) {
	for {
		d := s.next()
		if d == nil {
			break
		}
		d.used++
		s.lastSide = d.index
		close(d.line.pop().granted)
	}
	for i := range s.sides {
		d := &s.sides[i]
		if d.missed && d.room() {
			d.missed = false
			tell[i] = d.listen
		}
	}
	return tell
}

// next returns the side whose first waiter is to be served: where both could be, the one that was not served last.
func (s *Slots) next() *SlotSide {
	for i := 1; i <= len(s.sides); i++ {
		d := &s.sides[(s.lastSide+i)%len(s.sides)]
		if !d.line.empty() && d.room() {
			return d
		}
	}
	return nil
}

// listeners are the functions to call for each side once the lock is gone.
type listeners [2][]func()

func (l *listeners) call() {
	for _, side := range l {
		for _, f := range side {
			f()
		}
	}
}

// slotWaiter is a caller of Acquire in line.
type slotWaiter struct {
	granted    chan struct{} // closed with the slot already counted
	prev, next *slotWaiter
	queued     bool
}

// waitLine is a doubly linked list: callers join at the end and may leave from anywhere.
type waitLine struct {
	first, last *slotWaiter
	length      int
}

func (l *waitLine) empty() bool { return l.first == nil }

func (l *waitLine) push(w *slotWaiter) {
	w.queued, w.prev = true, l.last
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.length++
}

func (l *waitLine) pop() *slotWaiter {
	w := l.first
	l.remove(w)
	return w
}

// remove reports whether w was still in line.
func (l *waitLine) remove(w *slotWaiter) bool {
	if !w.queued {
		return false
	}
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queued, w.prev, w.next = false, nil, nil
	l.length--
	return true
}
