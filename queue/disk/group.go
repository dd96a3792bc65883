package disk

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"github.com/sluicemail/sluice/queue"
)

// group is what one call stores: all of it or nothing. It is encoded by the caller and placed by the committer.
type group struct {
	buf  []byte // headers and payloads one behind the other, mails left out
	cuts []cut  // the mails
	recs []recordPlace
	size int64 // in the log, mails included

	bodies []groupBody
	known  map[bodyIdentity]int // of bodies, once there are many
	msgs   []groupMessage
	copies []groupCopy
	retire []uint32 // entries that its settle record removes

	own     bool // may use the space kept in reserve
	waiting bool
	done    chan error // receives the outcome when waiting
}

// cut is a mail that goes between two parts of the buffer.
type cut struct {
	at   int
	data []byte
}

type recordPlace struct {
	at  int   // of its header in buf
	off int64 // from the start of the group
}

type groupBody struct {
	identity bodyIdentity
	index    uint32 // in the index: a stored mail that is shared; else 0
	id       uint64
	size     int64
	crc      uint32
	place    bodyPlace
	record   int
	data     []byte // to keep in memory
}

type groupMessage struct {
	facts
	id     uint64
	record int
	length uint32
	body   int // in bodies, or -1
	copied *queue.Message
}

// groupCopy is an entry or a body that gets a new place.
type groupCopy struct {
	entry, body uint32
	record      int
	length      uint32
	to          string // new queue of the entry, if any
}

// bodyIdentity tells whether two Body values are the same one.
type bodyIdentity struct{ a, b uintptr }

// identify uses where the bytes lie, or what the interface value refers to; bodies need not be comparable.
func identify(b queue.Body, data []byte) bodyIdentity {
	if data != nil {
		return bodyIdentity{uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data))}
	}
	words := *(*[2]uintptr)(unsafe.Pointer(&b))
	return bodyIdentity{words[0], words[1]}
}

// maxKeptBuffer bounds the buffers that are pooled.
const maxKeptBuffer = 64 << 10

// groupPool holds empty groups; it is a field of the queue.
type groupPool struct{ pool sync.Pool }

func (p *groupPool) get() *group {
	if g, ok := p.pool.Get().(*group); ok {
		return g
	}
	return &group{done: make(chan error, 1)}
}

func (p *groupPool) put(g *group) {
	if cap(g.buf) > maxKeptBuffer {
		return
	}
	clear(g.cuts)
	clear(g.bodies)
	clear(g.msgs)
	clear(g.copies)
	*g = group{
		buf: g.buf[:0], cuts: g.cuts[:0], recs: g.recs[:0], bodies: g.bodies[:0], msgs: g.msgs[:0],
		copies: g.copies[:0], retire: g.retire[:0], done: g.done,
	}
	p.pool.Put(g)
}

// begin opens a record whose payload is appended to buf.
func (g *group) begin() {
	g.recs = append(g.recs, recordPlace{at: len(g.buf), off: g.size})
	g.buf = append(g.buf, make([]byte, headerSize)...)
}

// end closes it and returns the length of its payload.
func (g *group) end(kind recordKind, id uint64) uint32 {
	at := g.recs[len(g.recs)-1].at
	payload := g.buf[at+headerSize:]
	n := len(payload)
	putHeader(g.buf[at:], kind, id, uint32(n), checksum(payload))
	g.pad(n)
	return uint32(n)
}

func (g *group) pad(payload int) {
	g.size += recordSize(int64(payload))
	var zeros [recordAlign]byte
	g.buf = append(g.buf, zeros[:-payload&(recordAlign-1)]...)
}

// smallBody is the size up to which copying a mail is cheaper than a piece of its own.
const smallBody = 1024

// addBodyRecord adds a mail, without copying it unless it is small.
func (g *group) addBodyRecord(id uint64, data []byte, crc uint32) int {
	g.begin()
	at := g.recs[len(g.recs)-1].at
	putHeader(g.buf[at:], bodyRecord, id, uint32(len(data)), crc)
	if len(data) <= smallBody {
		g.buf = append(g.buf, data...)
	} else {
		g.cuts = append(g.cuts, cut{at: len(g.buf), data: data})
	}
	g.pad(len(data))
	return len(g.recs) - 1
}

// addSettle adds a settle record.
func (g *group) addSettle(ids ...uint64) {
	g.begin()
	for _, id := range ids {
		g.buf = binary.LittleEndian.AppendUint64(g.buf, id)
	}
	g.end(settleRecord, 0)
}

// addMessageRecord adds a message whose mail is b, if any.
func (g *group) addMessageRecord(id uint64, f *facts, b *groupBody, m *queue.Message) (record int, length uint32) {
	g.begin()
	env := envelope{stored: f.stored, picked: f.picked}
	if b != nil {
		env.where, env.body, env.size, env.crc = b.place, b.id, b.size, b.crc
	}
	g.buf = env.append(g.buf, f.queue)
	g.buf = queue.AppendBinary(g.buf, m)
	length = g.end(messageRecord, id)
	return len(g.recs) - 1, length
}

// messageBytes returns the message part of a message record.
func (g *group) messageBytes(record int, length uint32) []byte {
	from := g.recs[record].at + headerSize
	env, _ := parseEnvelope(g.buf[from : from+int(length)])
	return env.message
}

// ancestor is the delivery whose successors are stored: the next version of the same message keeps its times.
type ancestor struct {
	id             string
	stored, picked int64
}

// encode fills g with the items. On an error g is released.
func (q *Queue) encode(g *group, items []queue.Item, from *ancestor) (err error) {
	now := time.Now().UnixNano()
	for i := range items {
		if err = q.encodeItem(g, &items[i], now+int64(i), from); err != nil {
			q.discard(g)
			return err
		}
	}
	return nil
}

// maxMessage bounds one message record.
const maxMessage = 1 << 28

func (q *Queue) encodeItem(g *group, item *queue.Item, now int64, from *ancestor) error {
	m := item.Message
	if m == nil || item.Queue == "" {
		return fmt.Errorf("queue %q: an item needs a queue name and a message", item.Queue)
	}
	gm := groupMessage{facts: factsOf(item.Queue, m), id: q.nextID.Add(1), body: -1}
	gm.stored = now
	if from != nil && from.id == m.ID {
		gm.stored, gm.picked = from.stored, from.picked
	}
	var b *groupBody
	if m.Body != nil {
		n, err := q.addBody(g, m.Body)
		if err != nil {
			return err
		}
		gm.body, b = n, &g.bodies[n]
	}
	gm.record, gm.length = g.addMessageRecord(gm.id, &gm.facts, b, m)
	if gm.length > maxMessage {
		return fmt.Errorf("%w: %d bytes without its mail", queue.ErrTooLarge, gm.length)
	}
	switch {
	case !q.warm(item.Queue):
	case item.Given:
		gm.copied = m
	default: // decoded from what is stored, it shares nothing with m
		gm.copied, _ = queue.DecodeBinary(g.messageBytes(gm.record, gm.length))
	}
	g.msgs = append(g.msgs, gm)
	return nil
}

// discard gives back what an encoded group holds, because it will not be stored.
func (q *Queue) discard(g *group) {
	q.mu.Lock()
	for i := range g.bodies {
		if g.bodies[i].index != 0 {
			q.dropRef(g.bodies[i].index)
		}
	}
	q.mu.Unlock()
	for i := range g.bodies {
		if b := &g.bodies[i]; b.index == 0 && b.place == inFile {
			q.removeBodyFile(b.id, b.size)
		}
	}
	q.groups.put(g)
}
