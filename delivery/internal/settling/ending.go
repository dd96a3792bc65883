package settling

import (
	"encoding/json"

	"github.com/sluicemail/sluice/delivery/internal/extract"
	"github.com/sluicemail/sluice/queue"
)

// Ending is a message in memory, and how it leaves it. One goroutine has it at a time, and a Settler from the moment it
// was given one until that calls Ended.
type Ending struct {
	Delivery *queue.Delivery
	Message  *queue.Message
	Owner    any            // for Ended
	Notice   *queue.Message // published with what takes the message's place; nil: none

	do         action
	tries      int32 // that failed
	successors []queue.Item
	parking    *parking         // nil: it is not parked
	extracted  *json.RawMessage // of the mail, for results and logs; nil: not made yet
	next       *Ending          // in a list
}

// action is how a message leaves memory.
type action uint8

const (
	doSettle action = iota
	doRelease
	doPark
)

// Extracted returns the property extracted of the message, made once for each.
func (x *Ending) Extracted() json.RawMessage {
	if x.extracted == nil {
		properties := extract.Properties(x.Message)
		x.extracted = &properties
	}
	return *x.extracted
}

// parking is what a message is parked under, and why.
type parking struct{ key, why string }

// Parked returns why the message was parked, once it was.
func (x *Ending) Parked() (why string, parked bool) {
	if x.do != doPark {
		return "", false
	}
	return x.parking.why, true
}

// endings is a list, first in, first out.
type endings struct {
	first, last *Ending
	n           int
}

func (l *endings) push(x *Ending) {
	x.next = nil
	if l.last != nil {
		l.last.next = x
	} else {
		l.first = x
	}
	l.last = x
	l.n++
}

func (l *endings) pop() *Ending {
	x := l.first
	l.first = x.next
	if l.first == nil {
		l.last = nil
	}
	x.next = nil
	l.n--
	return x
}
