package delivery

import (
	"time"

	"github.com/sluicemail/sluice/delivery/internal/aside"
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
	case !j.dated(): // what is parked does not change: its deadline is stored first
		m := *j.m
		m.NextAttempt = time.Now().Add(again)
		e.settle(j, queue.Item{Queue: e.outbox, Message: &m})
	default:
		j.note = unowned
		e.park(j, "no instance is known to have its addresses")
	}
	return true
}

// unowned is why messages are parked whose addresses no instance is known to have.
var unowned = &aside.Note{Key: "ips:unknown"}

// LookElsewhere has the messages looked at again for whose addresses no instance was known: it is called when one was
// heard of. It does not wait. Without it they are looked at every queue.MaxParked. One that still has no instance is
// parked again, behind the others.
func (e *Engine) LookElsewhere() {
	e.init()
	e.aside.Free(unowned.Key)
}
