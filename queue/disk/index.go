package disk

import (
	"strings"

	"github.com/sluicemail/sluice/queue"
)

// entry is what memory knows of a waiting message. It holds no pointers and lies in a slab.
type entry struct {
	id     uint64 // of its record; changes when it is moved
	due    int64  // not before, in ms since 1970; for a parked one when it comes back; 0: at once
	stored int64  // when the first version was stored, in ns since 1970: the order of listings
	picked int64  // when it was first handed out, in ms since 1970

	off    uint32 // of its record
	seg    uint32 // slot of the segment that holds it
	length uint32 // of the record as stored
	body   uint32 // index in bodies
	queue  uint32 // number of its queue
	domain uint32 // interned: domain of the recipient
	tags   uint32 // interned: tags, joined
	key    uint32 // interned: what it is parked under

	next, prev uint32 // in its flow, in the unparked list, or in its parking list
	pos        uint32 // in the heap of due times, plus one
	hot        uint32 // of the decoded message in the cache

	idHash, senderHash, rcptHash uint32

	priority int32
	attempts uint16
	state    entryState
	flags    uint8
}

type entryState uint8

const (
	stateReady   entryState = 1 + iota
	stateDelayed            // in the heap
	stateParked             // in a parking list and the heap
	stateOut                // with a consumer
	stateMoving             // held by Move until its new record is durable
	stateGone               // settled, waiting for that to be durable
)

const (
	flagHanded   = 1 << iota // may have been with a consumer before
	flagUnparked             // ready, in the list that goes first
)

// bodyEntry is what memory knows of a stored mail.
type bodyEntry struct {
	id    uint64
	size  int64
	off   uint32
	seg   uint32 // slot; 0 for one in a file, or for one that is not found
	crc   uint32
	refs  uint32 // entries, and groups on their way to the log
	hot   uint32
	place bodyPlace
	flags uint8
}

const (
	bodyChecked = 1 << iota // written or verified by this process
	bodyDamaged
)

// recordBytes is what it takes in its segment.
func (b *bodyEntry) recordBytes() int64 {
	if b.place != inLog || b.seg == 0 {
		return 0
	}
	return recordSize(b.size)
}

// facts are the properties of a message that the index keeps.
type facts struct {
	due      int64
	stored   int64
	picked   int64
	queue    string
	domain   string
	tags     string
	idHash   uint32
	sender   uint32
	rcpt     uint32
	priority int32
	attempts uint16
	flags    uint8
}

const tagSeparator = "\x00"

// factsOf fills in what the message itself tells.
func factsOf(queueName string, m *queue.Message) facts {
	f := facts{
		queue: queueName, domain: m.Domain(),
		idHash: hash(m.ID, false), sender: hash(m.Envelope, true), rcpt: hash(m.Recipient, true),
		priority: int32(max(-1<<31, min(1<<31-1, m.Priority))),
		attempts: uint16(min(len(m.Results), 1<<16-1)),
	}
	if !m.NextAttempt.IsZero() {
		f.due = ceilMillis(m.NextAttempt)
	}
	switch len(m.Tags) {
	case 0:
	case 1:
		f.tags = m.Tags[0]
	default:
		f.tags = strings.Join(m.Tags, tagSeparator)
	}
	return f
}

// hash is FNV-1a. It narrows a search; whatever it finds is compared in full.
func hash(s string, fold bool) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if fold && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// index knows every waiting message. Queue.mu protects it.
type index struct {
	entries slab[entry]
	bodies  slab[bodyEntry]
	strings interner
	names   map[string]*named
	queues  []*named // by number; 0 is not used
	delays  delayHeap
}

func (x *index) init() {
	x.strings, x.names, x.queues = newInterner(), map[string]*named{}, []*named{nil}
	x.delays.entries = &x.entries
}

// maxIdleQueues bounds how many queues without messages and consumers are remembered.
const maxIdleQueues = 1000

// named returns the queue of this name.
func (x *index) named(name string) *named {
	if n, ok := x.names[name]; ok {
		return n
	}
	var number uint32
	if len(x.names) >= maxIdleQueues {
		number = x.dropIdle()
	}
	if number == 0 {
		number = uint32(len(x.queues))
		x.queues = append(x.queues, nil)
	}
	n := &named{name: strings.Clone(name), number: number}
	x.queues[number] = n
	x.names[n.name] = n
	return n
}

// dropIdle forgets a queue that nobody uses and returns its number.
func (x *index) dropIdle() uint32 {
	looked := 0
	for name, n := range x.names {
		if n.total == 0 && len(n.consumers) == 0 {
			delete(x.names, name)
			x.queues[n.number] = nil
			return n.number
		}
		if looked++; looked > 16 {
			break
		}
	}
	return 0
}

// insert makes an entry for a stored message, in no list yet.
func (x *index) insert(id uint64, f *facts) uint32 {
	i := x.entries.alloc()
	n := x.named(f.queue)
	n.total++
	*x.entries.at(i) = entry{
		id: id, due: f.due, stored: f.stored, picked: f.picked, queue: n.number,
		domain: x.strings.acquire(f.domain), tags: x.strings.acquire(f.tags),
		idHash: f.idHash, senderHash: f.sender, rcptHash: f.rcpt,
		priority: f.priority, attempts: f.attempts, flags: f.flags,
	}
	return i
}

// forget frees an entry that is in no list.
func (x *index) forget(i uint32) {
	e := x.entries.at(i)
	x.strings.release(e.domain)
	x.strings.release(e.tags)
	x.queues[e.queue].total--
	x.entries.release(i)
}

// reassign changes the queue of an entry that is in no list.
func (x *index) reassign(e *entry, name string) {
	x.queues[e.queue].total--
	n := x.named(name)
	e.queue = n.number
	n.total++
}

// place puts an entry where it waits: among the delayed or the ready ones.
func (x *index) place(i uint32, now int64, front bool) {
	e := x.entries.at(i)
	n := x.queues[e.queue]
	n.bytes += x.sizeOf(e)
	if e.due > now {
		e.state = stateDelayed
		n.delayed++
		x.delays.push(i)
		return
	}
	e.state = stateReady
	n.ready++
	x.addReady(n, i, front)
}

// displace takes a waiting entry out of its lists and counts.
func (x *index) displace(i uint32) {
	e := x.entries.at(i)
	n := x.queues[e.queue]
	n.bytes -= x.sizeOf(e)
	switch e.state {
	case stateReady:
		n.ready--
		x.removeReady(n, i)
	case stateDelayed:
		n.delayed--
		x.delays.remove(i)
	case stateParked:
		n.parked--
		x.unlistParked(n, i)
	case stateOut:
		n.out--
	}
	e.state = stateGone
}

func (x *index) sizeOf(e *entry) int64 {
	if e.body == 0 {
		return 0
	}
	return x.bodies.at(e.body).size
}

func ceilMillis(t interface{ UnixNano() int64 }) int64 { return (t.UnixNano() + 999_999) / 1_000_000 }
