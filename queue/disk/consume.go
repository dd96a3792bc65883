package disk

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// consumer is one call of Consume. Queue.mu protects it.
type consumer struct {
	n        *named
	prefetch int
	out      int
	waiting  bool
	gone     bool
	wake     chan struct{}
}

func (c *consumer) signal() {
	c.waiting = false
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// wake tells one waiting consumer of n that there is something for it. q.mu is held.
func (q *Queue) wake(n *named) {
	for k := range n.consumers {
		at := (n.next + k) % len(n.consumers)
		if c := n.consumers[at]; c.waiting && c.out < c.prefetch {
			n.next = at + 1
			c.signal()
			return
		}
	}
}

// warm reports whether messages for this queue are likely to be taken soon, so that a copy in memory pays.
func (q *Queue) warm(name string) bool {
	if q.cache.limit == 0 {
		return false
	}
	q.mu.Lock()
	n := q.x.names[name]
	ok := n != nil && len(n.consumers) > 0 && n.ready < maxWarm
	q.mu.Unlock()
	return ok
}

// maxWarm is the backlog beyond which decoded messages are not kept.
const maxWarm = 5000

// picked is a ready entry on its way to a consumer.
type picked struct {
	slot        uint32
	id          uint64
	body        uint32
	bodyID      uint64
	size        int64
	data        []byte
	check       bool // the mail was not looked at since the start
	damaged     bool
	message     *queue.Message
	segment     *segment // pinned, when message is nil
	off         int64
	length      uint32
	first       time.Time
	due         int64
	redelivered bool
	stored      int64
	tags        string
}

// pickAtOnce is how many entries are taken at a time.
const pickAtOnce = 32

// Consume hands the messages of the named queue to handle.
func (q *Queue) Consume(ctx context.Context, name string, opts queue.ConsumeOptions,
	handle func(*queue.Delivery)) error {
	prefetch := opts.Prefetch
	if prefetch <= 0 {
		prefetch = queue.DefaultPrefetch
	}
	q.mu.Lock()
	if err := q.refusal(); err != nil {
		q.mu.Unlock()
		return err
	}
	n := q.x.named(name)
	c := &consumer{n: n, prefetch: prefetch, wake: make(chan struct{}, 1)}
	n.consumers = append(n.consumers, c)
	q.mu.Unlock()
	defer q.leave(c)
	var batch []picked
	for {
		var err error
		if batch, err = q.pick(c, batch[:0]); err != nil {
			return err
		}
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-c.wake:
			}
			continue
		}
		for i := range batch {
			if ctx.Err() != nil {
				q.putBack(c, batch[i:])
				return nil
			}
			if d := q.deliver(c, &batch[i]); d != nil {
				handle(d)
			}
		}
		clear(batch)
	}
}

func (q *Queue) leave(c *consumer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.gone = true
	c.n.consumers = slices.DeleteFunc(c.n.consumers, func(o *consumer) bool { return o == c })
	if c.n.ready > 0 {
		q.wake(c.n) // for what this one was told of
	}
}

// pick takes what c may have. The error is that of a queue that is closed or failed.
func (q *Queue) pick(c *consumer, batch []picked) ([]picked, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.refusal(); err != nil {
		return batch, err
	}
	for len(batch) < pickAtOnce && c.out < c.prefetch {
		i := q.x.takeReady(c.n)
		if i == 0 {
			break
		}
		c.out++
		batch = append(batch, q.describe(i))
	}
	c.waiting = len(batch) == 0
	return batch, nil
}

// describe collects what is needed to hand an entry out. q.mu is held.
func (q *Queue) describe(i uint32) picked {
	e := q.x.entries.at(i)
	p := picked{slot: i, id: e.id, body: e.body, due: e.due, stored: e.stored, redelivered: e.flags&flagHanded != 0}
	e.flags |= flagHanded
	if e.picked == 0 {
		e.picked = time.Now().UnixMilli()
	}
	p.first = time.UnixMilli(e.picked)
	if e.body != 0 {
		b := q.x.bodies.at(e.body)
		p.bodyID, p.size, p.data = b.id, b.size, q.cache.body(e.body)
		p.damaged = b.flags&bodyDamaged != 0
		p.check = b.flags&(bodyChecked|bodyDamaged) == 0 && p.data == nil
	}
	if p.message = q.cache.takeMessage(e); p.message == nil {
		p.segment = q.segs.get(e.seg)
		p.segment.readers++
		p.off, p.length = int64(e.off), e.length
		p.tags = q.x.strings.get(e.tags)
	}
	return p
}

// putBack returns entries that were picked and not handed out.
func (q *Queue) putBack(c *consumer, batch []picked) {
	for i := len(batch) - 1; i >= 0; i-- {
		p := &batch[i]
		if p.segment != nil {
			q.unpin(p.segment)
		}
		q.mu.Lock()
		q.returnEntry(c, p.slot)
		q.mu.Unlock()
	}
}

// returnEntry makes an entry that is out ready again, ahead of its like. q.mu is held.
func (q *Queue) returnEntry(c *consumer, slot uint32) {
	e := q.x.entries.at(slot)
	q.x.displace(slot)
	e.due = 0
	q.x.place(slot, 0, true)
	q.returned(c)
	q.wake(q.x.queues[e.queue])
}

// returned counts a delivery of c as no longer out. q.mu is held.
func (q *Queue) returned(c *consumer) {
	c.out--
	if c.waiting && c.n.ready > 0 {
		c.signal()
	}
}

// deliver makes the delivery of a picked entry, nil when its record is lost.
func (q *Queue) deliver(c *consumer, p *picked) *queue.Delivery {
	h := &handedOut{q: q, c: c, slot: p.slot, stored: p.stored, picked: p.first.UnixMilli()}
	d := queue.NewDelivery(h)
	d.Queue, d.Picked, d.Redelivered = c.n.name, p.first, p.redelivered
	m := p.message
	if m == nil {
		raw, err := q.readRecord(p.segment, p.off, p.length)
		q.unpin(p.segment)
		if err != nil {
			q.recordLost(c, p, err)
			return nil
		}
		env, ok := parseEnvelope(raw)
		m, err = queue.DecodeBinary(env.message)
		if err != nil || !ok {
			d.Raw, d.Err = raw, err
			if d.Err == nil {
				d.Err = &queue.SyntaxError{Reason: "its envelope cannot be read"}
			}
			return d
		}
	}
	h.id = m.ID
	d.Message = m
	p.correctDue(m)
	if p.body != 0 {
		d.Err = q.attachBody(m, p)
	}
	return d
}

// correctDue takes back the rounding of NextAttempt to whole seconds, for the message is handed out when it is due.
func (p *picked) correctDue(m *queue.Message) {
	due := time.UnixMilli(p.due).UTC()
	if p.due > 0 && m.NextAttempt.After(due) && m.NextAttempt.Sub(due) < time.Second {
		m.NextAttempt = due
	}
}

// checkAtOnce is the size up to which a mail from an earlier run is verified when it is first handed out; a larger one
// is when it is first read.
const checkAtOnce = 4 << 20

// attachBody gives the message its mail, or says why not.
func (q *Queue) attachBody(m *queue.Message, p *picked) error {
	if p.data != nil {
		m.Body = &memoryMail{mail{q: q, index: p.body, id: p.bodyID, size: p.size, data: p.data}}
		return nil
	}
	if p.damaged {
		return errDamagedMail
	}
	b := &mail{q: q, index: p.body, id: p.bodyID, size: p.size}
	if p.check && p.size <= checkAtOnce {
		_, err := b.load()
		if _, damaged := err.(*queue.DamageError); damaged {
			return err
		}
	}
	m.Body = b
	return nil
}

// handedOut is the driver of a delivery.
type handedOut struct {
	q              *Queue
	c              *consumer
	slot           uint32
	id             string
	stored, picked int64
}

// recordLost handles a message whose record cannot be read: a damaged one is reported, its bytes are moved aside and
// it is no more; one that could not be read for another reason is tried again later.
func (q *Queue) recordLost(c *consumer, p *picked, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	e := q.x.entries.at(p.slot)
	q.returned(c)
	q.x.displace(p.slot)
	if _, ok := err.(*queue.DamageError); !ok {
		q.log.Warn("cannot read a message; trying again later", "error", err)
		e.due = time.Now().Add(queue.MaxParked).UnixMilli()
		q.x.place(p.slot, 0, false)
		return
	}
	q.damage.note(q.log, fmt.Sprintf("the record of a message is damaged: %s at %d, %d bytes, queue %s, domain %q",
		segmentName(e.seg), e.off, recordSize(int64(e.length)), c.n.name, q.x.strings.get(e.domain)))
	q.damage.Messages++
	q.salvageRecord(e)
	q.settled = append(q.settled, p.slot)
	q.lazy += 8
	q.arm(q.opts.SettleDelay)
}

// readRecord reads and verifies the payload of a record.
func (q *Queue) readRecord(s *segment, off int64, length uint32) ([]byte, error) {
	buf := make([]byte, headerSize+int(length))
	n, err := s.file.ReadAt(buf, off)
	if n < len(buf) && err == io.EOF {
		return nil, &queue.DamageError{Reason: "the segment ends before the record does"}
	}
	if n < len(buf) {
		return nil, fmt.Errorf("read %s at %d: %w", segmentName(s.slot), off, err)
	}
	h, ok := parseHeader(buf, s.seed, off)
	payload := buf[headerSize:]
	if !ok || h.kind != messageRecord || h.length != length || checksum(payload) != h.crc {
		return nil, &queue.DamageError{Reason: "the record of the message"}
	}
	return payload, nil
}
