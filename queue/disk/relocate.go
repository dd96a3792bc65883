package disk

import (
	"slices"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// relocation is an entry whose record is written again, elsewhere or for another queue. It gets a new id, and the old
// one is settled in the same group, so that each id is found in one segment only.
type relocation struct {
	slot    uint32
	id      uint64
	payload []byte
}

const relocateAtOnce = 256

// readForRelocation reads the records of entries. Entries that are settled meanwhile, or damaged, are left out.
func (q *Queue) readForRelocation(slots []slotID) []relocation {
	list := make([]relocation, 0, len(slots))
	for _, s := range slots {
		payload, err := q.readEntry(s)
		if err == nil {
			list = append(list, relocation{s.slot, s.id, payload})
		}
	}
	return list
}

// slotID names an entry; the id tells whether it is still the same one.
type slotID struct {
	slot uint32
	id   uint64
}

// alive returns the entry, nil when it is settled or on the move. q.mu is held.
func (q *Queue) alive(s slotID) *entry {
	if !q.x.entries.valid(s.slot) {
		return nil
	}
	e := q.x.entries.at(s.slot)
	if e.id != s.id || e.state == stateGone || e.state == stateMoving || e.state == 0 {
		return nil
	}
	return e
}

// readEntry reads the payload of an entry's record.
func (q *Queue) readEntry(s slotID) ([]byte, error) {
	q.mu.Lock()
	if q.filesClosed {
		q.mu.Unlock()
		return nil, queue.ErrClosed
	}
	e := q.alive(s)
	if e == nil {
		q.mu.Unlock()
		return nil, errGone
	}
	seg, off, length := q.segs.get(e.seg), int64(e.off), e.length
	seg.readers++
	q.mu.Unlock()
	defer q.unpin(seg)
	return q.readRecord(seg, off, length)
}

// addCopy puts an entry's record into g once more. q.mu is held.
func (q *Queue) addCopy(g *group, slot uint32, payload []byte, to string) {
	e := q.x.entries.at(slot)
	old := e.id
	e.id = q.nextID.Add(1)
	g.begin()
	g.buf = append(g.buf, payload...)
	length := g.end(messageRecord, e.id)
	g.copies = append(g.copies, groupCopy{entry: slot, record: len(g.recs) - 1, length: length, to: to})
	g.addSettle(old)
}

// waitFor enqueues a group that was filled under q.mu, which it releases, and waits for it. Copies cannot be taken
// back, so such a group is not refused for lack of space: it waits.
func (q *Queue) waitFor(g *group) error {
	g.own, g.waiting = true, true
	q.enqueue(g)
	q.mu.Unlock()
	err := <-g.done
	if err == nil {
		q.groups.put(g)
	}
	return err
}

// pickRewrite claims a segment that is mostly dead and returns it, nil when there is none.
func (q *Queue) pickRewrite() *segment {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.failed != nil {
		return nil
	}
	share := int64(4) // at most a quarter alive
	if q.full != nil {
		share = 2
	}
	var best *segment
	for _, s := range q.segs.slots {
		if s == nil || s.state != stateUsed || !s.sealed || s.busy || s.live <= 0 || s.live*share > s.size {
			continue
		}
		if q.full == nil && time.Since(s.sealedAt) < q.opts.rewriteAge {
			continue
		}
		if best == nil || s.live*best.size < best.live*s.size {
			best = s
		}
	}
	if best == nil || q.full != nil && q.cur.room() < best.live+best.live/4+segmentPage {
		return nil
	}
	best.busy = true
	return best
}

// rewrite copies what is left in a mostly dead segment to the end of the log, so that it can be given back: one segment
// a second at most.
func (q *Queue) rewrite() {
	if time.Since(q.rewritten) < min(time.Second, q.opts.rewriteAge) {
		return
	}
	s := q.pickRewrite()
	if s == nil {
		return
	}
	q.rewritten = time.Now()
	q.rewriteSegment(s)
	q.mu.Lock()
	s.busy, s.sealedAt = false, time.Now()
	q.mu.Unlock()
	q.kickKeeper()
}

func (q *Queue) rewriteSegment(s *segment) {
	for at := uint32(0); ; at += chunkLen {
		slots, more := q.slotsIn(s, at)
		for chunk := range slices.Chunk(slots, relocateAtOnce) {
			if q.copyBodies(s, chunk) != nil || q.copyRecords(s, chunk) != nil {
				return
			}
		}
		if !more {
			return
		}
	}
}

// slotsIn lists the entries of one chunk of the index that have something in s.
func (q *Queue) slotsIn(s *segment, at uint32) (slots []slotID, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || int(at>>chunkBits) >= len(q.x.entries.chunks) {
		return nil, false
	}
	for i := at; i < at+chunkLen; i++ {
		e := q.x.entries.at(i)
		if e.state == 0 || e.state == stateGone || e.state == stateMoving {
			continue
		}
		if e.seg == s.slot || e.body != 0 && q.x.bodies.at(e.body).seg == s.slot {
			slots = append(slots, slotID{i, e.id})
		}
	}
	return slots, true
}

// copyRecords writes the message records again that lie in s.
func (q *Queue) copyRecords(s *segment, slots []slotID) error {
	list := q.readForRelocation(slots)
	q.mu.Lock()
	if err := q.refusal(); err != nil {
		q.mu.Unlock()
		return err
	}
	g := q.groups.get()
	for _, r := range list {
		if e := q.alive(slotID{r.slot, r.id}); e != nil && e.seg == s.slot {
			q.addCopy(g, r.slot, r.payload, "")
		}
	}
	return q.finishCopies(g)
}

// finishCopies stores g if there is anything in it. q.mu is held, and released.
func (q *Queue) finishCopies(g *group) error {
	if len(g.copies) == 0 {
		q.mu.Unlock()
		q.groups.put(g)
		return nil
	}
	return q.waitFor(g)
}

// bodyCopy is a mail that is written again.
type bodyCopy struct {
	index uint32
	id    uint64
	size  int64
	data  []byte
	crc   uint32
}

// copyBodies writes the mails again that lie in s, up to a few MiB at a time.
func (q *Queue) copyBodies(s *segment, slots []slotID) error {
	var list []bodyCopy
	total := int64(0)
	for _, b := range q.bodiesIn(s, slots) {
		data := make([]byte, b.size)
		if n, err := q.readBody(b.index, b.id, data, 0); n < len(data) || err != nil || checksum(data) != b.crc {
			continue // the next reader finds out
		}
		b.data = data
		list = append(list, b)
		if total += b.size; total > maxLazyBytes {
			if err := q.storeBodies(s, list); err != nil {
				return err
			}
			list, total = nil, 0
		}
	}
	return q.storeBodies(s, list)
}

func (q *Queue) bodiesIn(s *segment, slots []slotID) []bodyCopy {
	q.mu.Lock()
	defer q.mu.Unlock()
	seen := map[uint32]bool{}
	var list []bodyCopy
	for _, slot := range slots {
		e := q.alive(slot)
		if e == nil || e.body == 0 || seen[e.body] {
			continue
		}
		b := q.x.bodies.at(e.body)
		if b.seg == s.slot && b.place == inLog && b.flags&bodyDamaged == 0 {
			seen[e.body] = true
			list = append(list, bodyCopy{index: e.body, id: b.id, size: b.size, crc: b.crc})
		}
	}
	return list
}

func (q *Queue) storeBodies(s *segment, list []bodyCopy) error {
	q.mu.Lock()
	if err := q.refusal(); err != nil {
		q.mu.Unlock()
		return err
	}
	g := q.groups.get()
	for _, c := range list {
		b := q.body(c.index, c.id)
		if b == nil || b.seg != s.slot {
			continue
		}
		b.refs++
		g.copies = append(g.copies, groupCopy{body: c.index, record: g.addBodyRecord(c.id, c.data, c.crc)})
	}
	return q.finishCopies(g)
}
