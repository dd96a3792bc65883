package delivery

import (
	"sync"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// again is how long a message waits that belongs to another instance which reads the same outbox.
const again = time.Second

// handOver gives a message that may leave from no address of this machine to the instance that has one of them, and
// reports whether it did. While none is known to have it, the message is set aside.
func (e *Engine) handOver(j *job) bool {
	outbox, awaited := e.planner.owner(j.m)
	switch {
	case outbox != "":
		m := *j.m
		if outbox == e.outbox {
			m.NextAttempt = time.Now().Add(again) // or it would be back at once
		}
		e.settle(j, queue.Item{Queue: outbox, Message: &m})
	case !awaited:
		return false
	case j.undated: // what is parked does not change: its deadline is stored first
		m := *j.m
		m.NextAttempt = time.Now().Add(again)
		e.settle(j, queue.Item{Queue: e.outbox, Message: &m})
	default:
		j.parkKey = unownedKey
		e.park(j, "no instance is known to have its addresses")
	}
	return true
}

// unownedKey is what messages are parked under whose addresses no instance is known to have.
const unownedKey = "ips:unknown"

// unowned fetches what is parked under unownedKey.
type unowned struct {
	mu     sync.Mutex
	left   int  // to be fetched
	asking bool // the queue is being asked
}

// LookElsewhere has the messages looked at again for whose addresses no instance was known: it is called when one was
// heard of. It does not wait. Without it they are looked at every queue.MaxParked.
func (e *Engine) LookElsewhere() {
	e.init()
	if e.stopping.Load() {
		return
	}
	e.settler.Call(func() {
		counts, err := e.settler.Parked()
		if err != nil {
			return // they come by themselves
		}
		e.unowned.mu.Lock()
		e.unowned.left = max(e.unowned.left, counts[unownedKey])
		e.unowned.mu.Unlock()
		e.fetchUnowned()
	})
}

// fetchUnowned fetches some of these messages, as far as there is room. One that still has no instance is parked again,
// behind the others.
func (e *Engine) fetchUnowned() {
	u := &e.unowned
	u.mu.Lock()
	defer u.mu.Unlock()
	n := min(u.left, e.prefetch/4)
	if n <= 0 || u.asking || e.short() || e.stopping.Load() {
		return
	}
	u.asking = true
	e.settler.Call(func() {
		got, empty, err := e.settler.Unpark([]string{unownedKey}, n)
		u.mu.Lock()
		defer u.mu.Unlock()
		u.asking = false
		if u.left -= got; err == nil && len(empty) > 0 {
			u.left = 0
		}
	})
}
