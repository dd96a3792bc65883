package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
)

// The checkpoint holds the index as of a position in the log, so that opening reads it and the log behind that
// position only. It is a file of blocks: length, checksum of the payload, payload. The first block is the head, the
// last one is empty, those between hold entries and the strings that they refer to. It is written under another name,
// synced and renamed. Without it, or when it is damaged, the whole log is read.
//
// It is written while mail flows: an entry may be newer than the position. Replaying the log behind it does no harm,
// for storing what is known and settling what is not known changes nothing.
const (
	checkpointName = "checkpoint"
	checkpointTemp = "checkpoint.new"
	checkpointForm = "sluicec1"

	minCheckpointAfter = 128 << 20
	blockEntries       = 1024
	writeBuffer        = 256 << 10
)

// checkpointWriter writes blocks through a buffer.
type checkpointWriter struct {
	f   storeFile
	off int64
	buf []byte
}

func (w *checkpointWriter) block(payload []byte) error {
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(payload)))
	w.buf = binary.LittleEndian.AppendUint32(w.buf, checksum(payload))
	w.buf = append(w.buf, payload...)
	if len(w.buf) < writeBuffer && len(payload) > 0 {
		return nil
	}
	err := w.f.WriteVec([][]byte{w.buf}, w.off)
	w.off += int64(len(w.buf))
	w.buf = w.buf[:0]
	return err
}

// checkpoint saves the index.
func (q *Queue) checkpoint() error {
	if err := q.fs.Remove(checkpointTemp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := q.fs.Create(checkpointTemp, 0)
	if err != nil {
		return err
	}
	w := &checkpointWriter{f: f}
	q.mu.Lock()
	freed := q.freedSince
	q.mu.Unlock()
	err = q.writeCheckpoint(w)
	if err == nil {
		err = f.Sync()
	}
	f.Close()
	if err == nil {
		err = q.fs.Rename(checkpointTemp, checkpointName)
	}
	if err == nil {
		err = q.fs.SyncDir(".")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		return fmt.Errorf("save the index of %s: %w", q.dir, err)
	}
	q.checkpointBytes = w.off
	q.checkpointAfter = max(minCheckpointAfter, 4*w.off)
	q.freedSince = append([]uint64(nil), q.freedSince[len(freed):]...)
	q.saved = true
	return nil
}

func (q *Queue) writeCheckpoint(w *checkpointWriter) error {
	q.mu.Lock()
	head := q.checkpointHead()
	q.logged = 0
	chunks := len(q.x.entries.chunks)
	q.mu.Unlock()
	if err := w.block(head); err != nil {
		return err
	}
	enc := blockEncoder{q: q}
	for at := uint32(0); at < uint32(chunks)<<chunkBits; at += blockEntries {
		if payload := enc.encode(at); len(payload) > 0 {
			if err := w.block(payload); err != nil {
				return err
			}
		}
	}
	// What an entry says may be ahead of the log: a copy that is about to be written gives it its id.
	if err := q.flush(); err != nil && !q.isClosed() {
		return err
	}
	return w.block(nil)
}

func (q *Queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// checkpointHead describes the log. q.mu is held.
func (q *Queue) checkpointHead() []byte {
	p := []byte(checkpointForm)
	p = binary.AppendUvarint(p, q.cur.number)
	p = binary.AppendUvarint(p, uint64(q.cur.end))
	p = binary.AppendUvarint(p, q.batch)
	p = binary.AppendUvarint(p, q.nextID.Load())
	p = binary.AppendUvarint(p, q.segs.number)
	for _, s := range q.segs.slots {
		if s == nil || s.state != stateUsed {
			continue
		}
		p = binary.AppendUvarint(p, s.number)
		p = binary.AppendUvarint(p, uint64(s.end))
		p = binary.AppendUvarint(p, s.minID)
		p = binary.AppendUvarint(p, s.maxID)
		p = binary.AppendUvarint(p, uint64(len(s.settles)))
		last := uint32(0)
		for _, off := range s.settles {
			p = binary.AppendUvarint(p, uint64(off-last))
			last = off
		}
	}
	return p
}

// blockEncoder makes the payloads of blocks: a table of strings, then entries.
type blockEncoder struct {
	q       *Queue
	buf     []byte
	strs    []byte
	numbers map[string]uint64
	n       uint64
}

// encode describes the entries from at on, as they are now.
func (c *blockEncoder) encode(at uint32) []byte {
	c.buf, c.strs, c.n = c.buf[:0], c.strs[:0], 0
	c.numbers = make(map[string]uint64)
	c.q.mu.Lock()
	for i := at; i < at+blockEntries; i++ {
		if e := c.q.x.entries.at(i); e.id != 0 && e.state != 0 {
			c.entry(e)
		}
	}
	c.q.mu.Unlock()
	if c.n == 0 {
		return nil
	}
	p := binary.AppendUvarint(nil, uint64(len(c.numbers)))
	p = append(p, c.strs...)
	p = binary.AppendUvarint(p, c.n)
	return append(p, c.buf...)
}

func (c *blockEncoder) str(s string) {
	n, ok := c.numbers[s]
	if !ok {
		n = uint64(len(c.numbers))
		c.numbers[s] = n
		c.strs = binary.AppendUvarint(c.strs, uint64(len(s)))
		c.strs = append(c.strs, s...)
	}
	c.buf = binary.AppendUvarint(c.buf, n)
}

func (c *blockEncoder) entry(e *entry) {
	x := &c.q.x
	c.n++
	c.buf = binary.AppendUvarint(c.buf, e.id)
	c.buf = binary.AppendUvarint(c.buf, c.q.segs.get(e.seg).number)
	c.buf = binary.AppendUvarint(c.buf, uint64(e.off))
	c.buf = binary.AppendUvarint(c.buf, uint64(e.length))
	due := e.due
	if e.state == stateParked {
		due = 0
	}
	c.buf = binary.AppendVarint(c.buf, due)
	c.buf = binary.AppendVarint(c.buf, e.stored)
	c.buf = binary.AppendVarint(c.buf, e.picked)
	c.str(x.queues[e.queue].name)
	c.str(x.strings.get(e.domain))
	c.str(x.strings.get(e.tags))
	c.buf = binary.LittleEndian.AppendUint32(c.buf, e.idHash)
	c.buf = binary.LittleEndian.AppendUint32(c.buf, e.senderHash)
	c.buf = binary.LittleEndian.AppendUint32(c.buf, e.rcptHash)
	c.buf = binary.AppendVarint(c.buf, int64(e.priority))
	c.buf = binary.AppendUvarint(c.buf, uint64(e.attempts))
	c.buf = append(c.buf, e.flags&flagHanded)
	if e.body == 0 {
		c.buf = append(c.buf, byte(noBody))
		return
	}
	b := x.bodies.at(e.body)
	c.buf = append(c.buf, byte(b.place), b.flags&bodyDamaged)
	c.buf = binary.LittleEndian.AppendUint64(c.buf, b.id)
	c.buf = binary.AppendUvarint(c.buf, uint64(b.size))
	c.buf = binary.LittleEndian.AppendUint32(c.buf, b.crc)
	number := uint64(0)
	if s := c.q.segs.get(b.seg); b.seg != 0 && s != nil {
		number = s.number
	}
	c.buf = binary.AppendUvarint(c.buf, number)
	c.buf = binary.AppendUvarint(c.buf, uint64(b.off))
}

var errCheckpoint = errors.New("it does not match its checksum")

// loadCheckpoint fills the index from the checkpoint and returns where to go on in the log: at its start when there is
// no good checkpoint.
func (r *recovery) loadCheckpoint(used []*segment) position {
	start := time.Now()
	f, err := r.q.fs.Open(checkpointName)
	if err != nil {
		return position{}
	}
	defer f.Close()
	size, err := f.Size()
	var p *checkpointReader
	if err == nil {
		p, err = checkCheckpoint(f, size)
	}
	if err != nil {
		r.q.log.Warn("the saved index cannot be used; reading the whole log", "error", err)
		return position{}
	}
	r.q.checkpointBytes = size
	r.q.checkpointAfter = 4 * size
	from := p.load(r, used)
	r.q.log.Debug("loaded the saved index", "messages", len(r.ids), "took", time.Since(start))
	return from
}

// blocks calls do with the payload of each block, and demands an end.
func blocks(f storeFile, size int64, do func(payload []byte)) error {
	w := window{f: f, size: size}
	for off := int64(0); ; {
		head := w.at(off, 8)
		if head == nil {
			return errCheckpoint
		}
		n, crc := int64(binary.LittleEndian.Uint32(head)), binary.LittleEndian.Uint32(head[4:])
		payload := w.at(off+8, n)
		if payload == nil || checksum(payload) != crc {
			return errCheckpoint
		}
		if n == 0 {
			return nil
		}
		do(payload)
		off += 8 + n
	}
}

// checkpointReader is a checkpoint whose checksums are right.
type checkpointReader struct {
	f        storeFile
	size     int64
	head     []byte
	segments map[uint64]*segment
}

func checkCheckpoint(f storeFile, size int64) (*checkpointReader, error) {
	p := &checkpointReader{f: f, size: size, segments: map[uint64]*segment{}}
	first := true
	err := blocks(f, size, func(payload []byte) {
		if first {
			p.head = append([]byte(nil), payload...)
		}
		first = false
	})
	if err == nil && (len(p.head) < len(checkpointForm) || string(p.head[:len(checkpointForm)]) != checkpointForm) {
		err = errors.New("it is of another form")
	}
	return p, err
}

// load enters everything in the index.
func (p *checkpointReader) load(r *recovery, used []*segment) position {
	h := byteReader{p: p.head[len(checkpointForm):]}
	from := position{number: h.uvarint(), off: int64(h.uvarint())}
	r.q.batch = h.uvarint()
	r.q.noteID(h.uvarint())
	r.base = h.uvarint()
	r.q.segs.number = max(r.q.segs.number, r.base)
	for _, s := range used {
		p.segments[s.number] = s
	}
	r.indexed = true
	for len(h.p) > 0 && !h.bad {
		s := p.segment(r, h.uvarint())
		s.end = int64(h.uvarint())
		s.known = s.end
		s.minID, s.maxID = h.uvarint(), h.uvarint()
		off := uint32(0)
		for n := h.uvarint(); n > 0 && !h.bad; n-- {
			off += uint32(h.uvarint())
			s.settles = append(s.settles, off)
		}
	}
	first := true
	_ = blocks(p.f, p.size, func(payload []byte) {
		if !first {
			p.entries(r, payload)
		}
		first = false
	})
	return from
}

// segment finds a segment by number; one that is not there any more is represented by an empty one.
func (p *checkpointReader) segment(r *recovery, number uint64) *segment {
	s := p.segments[number]
	if s == nil {
		s = &segment{slot: r.q.segs.freeSlot(), number: number, state: stateUsed, sealed: true, busy: true}
		r.q.segs.put(s)
		r.missing = append(r.missing, s)
		p.segments[number] = s
	}
	return s
}

func (p *checkpointReader) entries(r *recovery, payload []byte) {
	b := byteReader{p: payload}
	strs := make([]string, 0, 16)
	for n := b.uvarint(); n > 0 && !b.bad; n-- {
		strs = append(strs, string(b.bytes(b.uvarint())))
	}
	str := func() string {
		if n := b.uvarint(); n < uint64(len(strs)) {
			return strs[n]
		}
		b.bad = true
		return ""
	}
	for n := b.uvarint(); n > 0 && !b.bad; n-- {
		p.entry(r, &b, str)
	}
}

func (p *checkpointReader) entry(r *recovery, b *byteReader, str func() string) {
	id, segment := b.uvarint(), b.uvarint()
	off, length := uint32(b.uvarint()), uint32(b.uvarint())
	f := facts{due: b.varint(), stored: b.varint(), picked: b.varint(), queue: str(), domain: addr.Fold(str()),
		tags: str()}
	f.idHash, f.sender, f.rcpt = b.uint32(), b.uint32(), b.uint32()
	f.priority, f.attempts, f.flags = int32(b.varint()), uint16(b.uvarint()), b.byte()
	place := bodyPlace(b.byte())
	if b.bad {
		return
	}
	x := &r.q.x
	i := x.insert(id, &f)
	r.ids[id] = i
	e := x.entries.at(i)
	e.seg, e.off, e.length = p.segment(r, segment).slot, off, length
	if place == noBody {
		return
	}
	flags, bodyID := b.byte(), b.uint64()
	size, crc := int64(b.uvarint()), b.uint32()
	bodySegment, bodyOff := b.uvarint(), uint32(b.uvarint())
	e.body = r.useMail(bodyID, place, size, crc)
	m := x.bodies.at(e.body)
	m.flags |= flags
	if place == inLog && bodySegment != 0 {
		m.seg, m.off = p.segment(r, bodySegment).slot, bodyOff
	}
}
