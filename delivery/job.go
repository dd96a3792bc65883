package delivery

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/aside"
	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/queue"
)

// job is a message in memory, from the moment it is read until it is settled, released or parked. One goroutine has it
// at a time, or it is in a list that a lock guards.
type job struct {
	letter
	deadline time.Time
	since    time.Time // read, for the limit on its time in memory
	size     int64
	// how often a connection ended before this mail had a part in it; not changed while it is in a list
	unsent  int32
	planned bool // source is chosen
	undated bool // its deadline is not stored yet
	tx      Transaction
	fetch   *fetch         // of its mail; nil: none, or not begun
	target  netip.AddrPort // of the attempt
	path    *path

	// What was decided about it; see plan.
	epoch  uint64      // of the steering that was asked
	source netip.Addr  // where it leaves from
	detour *detour     // nil: it was not tried at other addresses before the attempt counts
	note   *aside.Note // why it is parked and what under; nil: for want of room, under its domain
	read   *reading    // nil: as it is now

	ending settling.Ending // how it leaves memory

	prev, next *job // in a jobList
}

// detour is where a message was tried that is tried at other addresses of its site before the attempt counts.
type detour struct {
	avoid string       // these addresses, each with a space behind it
	last  queue.Result // of the last of them
}

// avoids returns the addresses that a job is not to go to, each with a space behind it.
func (j *job) avoids() string {
	if j.detour == nil {
		return ""
	}
	return j.detour.avoid
}

// reading is what the monitor was told of a message when it was read, where that changed.
type reading struct {
	domain string
	tags   []string
}

// changed notes what the monitor was told, after rules may have changed it.
func (j *job) changed(recipient, domain string, tags []string) {
	if j.read == nil && (j.m.Recipient != recipient || !slices.Equal(j.m.Tags, tags)) {
		j.read = &reading{domain, tags}
	}
}

// told returns what the monitor was told of a job when it was read.
func (j *job) told() (domain string, tags []string) {
	if j.read != nil {
		return j.read.domain, j.read.tags
	}
	return j.domain, j.m.Tags
}

// jobList is a doubly linked list of jobs. A job is in one list at a time.
type jobList struct {
	first, last *job
	n           int
}

func (l *jobList) pushBack(j *job) {
	j.prev, j.next = l.last, nil
	if l.last != nil {
		l.last.next = j
	} else {
		l.first = j
	}
	l.last = j
	l.n++
}

func (l *jobList) pushFront(j *job) {
	j.prev, j.next = nil, l.first
	if l.first != nil {
		l.first.prev = j
	} else {
		l.last = j
	}
	l.first = j
	l.n++
}

func (l *jobList) remove(j *job) {
	if j.prev != nil {
		j.prev.next = j.next
	} else {
		l.first = j.next
	}
	if j.next != nil {
		j.next.prev = j.prev
	} else {
		l.last = j.prev
	}
	j.prev, j.next = nil, nil
	l.n--
}

func (l *jobList) popFront() *job {
	j := l.first
	if j != nil {
		l.remove(j)
	}
	return j
}

// takeAll empties the list and returns the jobs in order.
func (l *jobList) takeAll() []*job {
	jobs := make([]*job, 0, l.n)
	for j := l.popFront(); j != nil; j = l.popFront() {
		jobs = append(jobs, j)
	}
	return jobs
}

// parkedUnder is the key under which a job is parked.
func (j *job) parkedUnder() string {
	if j.note != nil {
		return j.note.Key
	}
	return j.domain
}
