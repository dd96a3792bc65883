package disk

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// recovery rebuilds the index when the store is opened: from the checkpoint and the log behind it, or from the whole
// log. Nothing else runs meanwhile.
type recovery struct {
	q       *Queue
	ids     map[uint64]uint32 // messages by id
	mails   map[uint64]uint32 // mails by id
	lost    map[uint64]string // messages whose records are damaged
	freed   map[uint64]bool   // numbers of segments given back since the checkpoint
	missing []*segment        // known to the checkpoint and not there
	ops     []op              // of the batch being read
	batch   uint64
	hole    *op // a gap that was just found
	torn    int
	scanned int64
}

// op is what a record asks for. It is carried out when it is known whether its batch is the last one.
type op struct {
	s        *segment
	h        header
	from, to int64
	gap      bool
	bad      bool // payload
	facts    *facts
	env      envelope // its slices are not valid
	numbers  []uint64
}

// recover opens the store.
func (q *Queue) recover() error {
	for _, dir := range []string{".", segmentDir, bodyDir, damagedDir} {
		if err := q.fs.Mkdir(dir); err != nil {
			return err
		}
	}
	if err := q.fs.SyncDir("."); err != nil {
		return err
	}
	r := &recovery{q: q, ids: map[uint64]uint32{}, mails: map[uint64]uint32{}, lost: map[uint64]string{}, freed: map[uint64]bool{}}
	used, err := q.openSegments()
	if err != nil {
		return err
	}
	from := r.loadCheckpoint(used)
	if err := r.readLog(used, from); err != nil {
		return err
	}
	r.settleLost()
	if err := q.startLog(used); err != nil {
		return err
	}
	r.resolve()
	if err := r.checkBodyFiles(); err != nil {
		return err
	}
	r.enlist()
	for number := range r.freed {
		q.freedSince = append(q.freedSince, number)
	}
	q.logged = r.scanned
	q.checkpointAfter = max(q.checkpointAfter, minCheckpointAfter)
	q.mu.Lock()
	q.keepReserve()
	q.mu.Unlock()
	return nil
}

// openSegments opens all files of the log and returns those in use, in order.
func (q *Queue) openSegments() ([]*segment, error) {
	names, err := q.fs.List(segmentDir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var used []*segment
	for _, name := range names {
		slot, ok := parseSegmentName(name)
		if !ok || slot == 0 {
			q.moveAside(segmentDir+"/"+name, "not a segment")
			continue
		}
		s, err := q.openSegment(slot)
		if err != nil {
			return nil, err
		}
		if s != nil && s.state == stateUsed {
			used = append(used, s)
		}
	}
	slices.SortFunc(used, func(a, b *segment) int { return cmp.Compare(a.number, b.number) })
	return used, nil
}

// openSegment opens one file. It returns nil when that is of no use.
func (q *Queue) openSegment(slot uint32) (*segment, error) {
	name := segmentName(slot)
	f, err := q.fs.Open(name)
	if err != nil {
		return nil, err
	}
	s := &segment{slot: slot, file: f}
	if s.size, err = f.Size(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	page := make([]byte, segmentPage)
	_, _ = f.ReadAt(page, 0)
	known := s.parsePage(page)
	blank := !known && !slices.ContainsFunc(page, func(c byte) bool { return c != 0 })
	switch {
	case known && s.state == stateUsed:
		s.sealed = true
		q.segs.put(s)
		return s, nil
	case (known || blank) && s.size == q.opts.SegmentSize && len(q.spares) < maxSpares:
		s.state, s.written = stateSpare, s.size
		if blank {
			s.written = 0
		}
		q.segs.put(s)
		q.spares = append(q.spares, s)
		return s, nil
	case known || blank:
		f.Close()
		q.segs.number = max(q.segs.number, s.number)
		return nil, q.fs.Remove(name)
	}
	f.Close()
	q.moveAside(name, "the header of the segment is damaged")
	return nil, nil
}

// position is a place in the log.
type position struct {
	number uint64
	off    int64
}

// readLog scans every segment from a position on.
func (r *recovery) readLog(used []*segment, from position) error {
	q := r.q
	c := scanner{seen: q.batch}
	r.batch = q.batch
	for i, s := range used {
		q.noteID(s.nextID)
		if s.number < from.number {
			continue
		}
		start, end := int64(segmentPage), int64(0)
		if s.number == from.number {
			start = max(start, from.off)
		}
		if i+1 < len(used) && used[i+1].prev == s.number {
			end = used[i+1].prevAt
		}
		last, err := c.scan(s, start, end, r)
		if err != nil {
			q.damage.note(q.log, fmt.Sprintf("%s: %v", segmentName(s.slot), err))
		}
		s.end = last
		r.scanned += last - start
	}
	r.flush(true)
	q.batch = max(c.seen, q.batch)
	return nil
}

func (q *Queue) noteID(id uint64) {
	if id > q.nextID.Load() && id < 1<<63 {
		q.nextID.Store(id)
	}
}

// gap implements visitor.
func (r *recovery) gap(s *segment, from, to int64) {
	r.closeHole(to, r.batch)
	r.hole = &op{s: s, from: from, to: to, gap: true}
}

// closeHole decides to which batch a gap belongs: bytes before the start of the next batch belong to an older one.
func (r *recovery) closeHole(start int64, next uint64) {
	if r.hole == nil {
		return
	}
	hole := *r.hole
	r.hole = nil
	if next == r.batch || hole.to <= start {
		r.ops = append(r.ops, hole)
		return
	}
	if hole.from < start {
		before := hole
		before.to = start
		r.ops = append(r.ops, before)
		hole.from = start
	}
	r.flush(false)
	r.batch = next
	r.ops = append(r.ops, hole)
}

// record implements visitor.
func (r *recovery) record(s *segment, h header, payload []byte, ok bool) {
	start := int64(h.start)
	if r.hole != nil && r.hole.s != s {
		start = r.hole.to
	}
	r.closeHole(start, h.batch)
	if h.batch != r.batch {
		r.flush(false)
		r.batch = h.batch
	}
	o := op{s: s, h: h, from: int64(h.offset), to: int64(h.offset) + h.size(), bad: !ok}
	if ok {
		switch h.kind {
		case messageRecord:
			o.readMessage(payload)
		case settleRecord, freedRecord:
			for ; len(payload) >= 8; payload = payload[8:] {
				o.numbers = append(o.numbers, binary.LittleEndian.Uint64(payload))
			}
		}
	}
	r.ops = append(r.ops, o)
}

// readMessage keeps what the index needs.
func (o *op) readMessage(payload []byte) {
	env, ok := parseEnvelope(payload)
	if !ok {
		o.bad = true
		return
	}
	m, err := queue.DecodeBinary(env.message)
	if err != nil {
		m = &queue.Message{} // handed out as undecodable
	}
	f := factsOf(string(env.queue), m)
	f.stored, f.picked = env.stored, env.picked
	f.flags = flagHanded // nobody knows
	o.facts, o.env = &f, env
	o.env.queue, o.env.message = nil, nil
}

// flush carries out what a batch holds. Of the last batch only complete groups count: the rest was not synced, and
// nobody was told that it is stored. Any other batch was durable before the next one was begun: what is missing from
// it is damage.
func (r *recovery) flush(last bool) {
	if last {
		r.closeHole(0, r.batch)
		r.dropTorn()
	}
	for i := range r.ops {
		o := &r.ops[i]
		switch {
		case o.gap:
			r.damagedGap(o)
		case o.bad:
			r.damagedRecord(o)
		default:
			r.do(o)
		}
	}
	r.ops = r.ops[:0]
}

// dropTorn removes incomplete groups from the last batch, and covers their space so that it is not taken for damage
// later.
func (r *recovery) dropTorn() {
	var kept []op
	for i := 0; i < len(r.ops); {
		n := completeGroup(r.ops[i:])
		if n > 0 {
			kept = append(kept, r.ops[i:i+n]...)
			i += n
			continue
		}
		o := r.ops[i]
		r.torn++
		if err := r.q.cover(o.s, o.from, o.to, r.batch); err != nil {
			r.q.log.Warn("cannot clear what a crash left half written", "error", err)
		}
		i++
	}
	r.ops = kept
	if r.torn > 0 {
		r.q.log.Info("dropped what a crash left half written", "records", r.torn)
	}
}

// completeGroup returns the length of the complete group at the start of ops, 0 when there is none.
func completeGroup(ops []op) int {
	for i := range ops {
		o := &ops[i]
		if o.gap || o.bad || (i == 0) != (o.h.flags&groupStart != 0) || o.s != ops[0].s {
			return 0
		}
		if o.h.flags&groupEnd != 0 {
			return i + 1
		}
	}
	return 0
}

// do carries out a record.
func (r *recovery) do(o *op) {
	switch o.h.kind {
	case bodyRecord:
		b := r.mail(o.h.id)
		b.place, b.seg, b.off = inLog, o.s.slot, o.h.offset
		b.size, b.crc, b.flags = int64(o.h.length), o.h.crc, bodyChecked
	case messageRecord:
		r.message(o)
	case settleRecord:
		o.s.settles = append(o.s.settles, o.h.offset)
		for _, id := range o.numbers {
			r.settle(id)
		}
	case freedRecord:
		for _, number := range o.numbers {
			r.freed[number] = true
		}
	}
	r.q.noteID(o.h.id)
}

// mail finds or makes the entry of a mail.
func (r *recovery) mail(id uint64) *bodyEntry {
	return r.q.x.bodies.at(r.mailIndex(id))
}

func (r *recovery) mailIndex(id uint64) uint32 {
	i, ok := r.mails[id]
	if !ok {
		i = r.q.x.bodies.alloc()
		r.q.x.bodies.at(i).id = id
		r.mails[id] = i
	}
	return i
}

func (r *recovery) message(o *op) {
	q := r.q
	o.s.noteID(o.h.id)
	i, known := r.ids[o.h.id]
	if !known {
		i = q.x.insert(o.h.id, o.facts)
		r.ids[o.h.id] = i
		if o.env.where != noBody {
			q.x.entries.at(i).body = r.useMail(o.env.body, o.env.where, o.env.size, o.env.crc)
		}
	}
	e := q.x.entries.at(i)
	e.seg, e.off, e.length = o.s.slot, o.h.offset, o.h.length
	if known && q.x.queues[e.queue].name != o.facts.queue {
		q.x.reassign(e, o.facts.queue) // the checkpoint was made while it was moved
	}
}

// useMail adds a user to a mail, which may be found only later.
func (r *recovery) useMail(id uint64, place bodyPlace, size int64, crc uint32) uint32 {
	i := r.mailIndex(id)
	b := r.q.x.bodies.at(i)
	b.place = place
	b.refs++
	if b.seg == 0 {
		b.size, b.crc = size, crc
	}
	return i
}

func (r *recovery) settle(id uint64) {
	delete(r.lost, id)
	i, ok := r.ids[id]
	if !ok {
		return
	}
	delete(r.ids, id)
	r.drop(i)
}

// drop forgets an entry that is in no list.
func (r *recovery) drop(i uint32) {
	e := r.q.x.entries.at(i)
	if e.body != 0 {
		r.q.x.bodies.at(e.body).refs--
	}
	r.q.x.forget(i)
}

// startLog chooses the segment to go on with.
func (q *Queue) startLog(used []*segment) error {
	if len(used) > 0 {
		q.cur = used[len(used)-1]
		q.cur.sealed = false
		q.cur.written = q.cur.end
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var s *segment
	var err error
	if len(q.spares) > 0 {
		s = q.takeSpare()
	} else if s, err = q.createSegment(q.opts.SegmentSize); err != nil {
		return err
	}
	s.begin(q.segs.number+1, nil, q.nextID.Load())
	q.segs.number = s.number
	q.cur = s
	return nil
}

// resolve drops what nobody uses and counts what each segment holds. Messages whose segment is gone are lost, unless
// it was given back, for then they were superseded.
func (r *recovery) resolve() {
	q := r.q
	gone := map[uint32]*segment{}
	for _, s := range r.missing {
		gone[s.slot] = s
	}
	for id, i := range r.ids {
		e := q.x.entries.at(i)
		if s := gone[e.seg]; s != nil {
			if !r.freed[s.number] {
				q.damage.Messages++
				q.damage.note(q.log, fmt.Sprintf("segment %d is missing: lost a message of queue %s to %q",
					s.number, q.x.queues[e.queue].name, q.x.strings.get(e.domain)))
			}
			delete(r.ids, id)
			r.drop(i)
			continue
		}
		q.segs.get(e.seg).live += recordSize(int64(e.length))
	}
	for _, i := range r.mails {
		b := q.x.bodies.at(i)
		if b.refs == 0 {
			q.x.bodies.release(i)
			continue
		}
		if b.place == inLog && (b.seg == 0 || gone[b.seg] != nil) {
			b.seg = 0
			r.damagedMail(b, "is missing")
		}
		if s := q.segs.get(b.seg); s != nil && b.seg != 0 {
			s.live += b.recordBytes()
		}
	}
	for _, s := range r.missing {
		q.segs.remove(s)
	}
}

func (r *recovery) damagedMail(b *bodyEntry, why string) {
	if b.flags&bodyDamaged != 0 {
		return
	}
	b.flags |= bodyDamaged
	r.q.damage.Mails++
	r.q.damage.note(r.q.log, fmt.Sprintf("a mail of %d bytes for %d recipients %s", b.size, b.refs, why))
}

// checkBodyFiles finds out which large mails are missing, and removes files that nobody needs.
func (r *recovery) checkBodyFiles() error {
	q := r.q
	names, err := q.fs.List(bodyDir)
	if err != nil {
		return err
	}
	present := map[uint64]bool{}
	for _, name := range names {
		id, ok := parseBodyFileName(name)
		i, known := r.mails[id]
		if ok && known && q.x.bodies.at(i).id == id && q.x.bodies.at(i).refs > 0 {
			present[id] = true
			continue
		}
		if !ok || q.damage.Messages > 0 || q.damage.Bytes > 0 {
			q.moveAside(bodyDir+"/"+name, "no record names it")
			continue
		}
		if err := q.fs.Remove(bodyDir + "/" + name); err != nil && !errors.Is(err, os.ErrNotExist) {
			q.log.Warn("cannot remove a mail that is not needed", "file", name, "error", err)
		}
	}
	for id, i := range r.mails {
		b := q.x.bodies.at(i)
		if b.id != id || b.refs == 0 || b.place != inFile {
			continue
		}
		q.bodyBytes += b.size
		if !present[id] {
			r.damagedMail(b, "is missing")
		}
	}
	return nil
}

// enlist puts every message where it waits, oldest first.
func (r *recovery) enlist() {
	q := r.q
	type aged struct {
		stored int64
		id     uint64
		slot   uint32
	}
	all := make([]aged, 0, len(r.ids))
	for id, i := range r.ids {
		all = append(all, aged{q.x.entries.at(i).stored, id, i})
	}
	slices.SortFunc(all, func(a, b aged) int {
		return cmp.Or(cmp.Compare(a.stored, b.stored), cmp.Compare(a.id, b.id))
	})
	now := time.Now().UnixMilli()
	for _, a := range all {
		q.x.place(a.slot, now, false)
	}
	q.armDelays(now)
}
