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
	q        *Queue
	ids      map[uint64]uint32 // messages by id
	mails    map[uint64]uint32 // mails by id
	lost     map[uint64]where  // messages whose records are damaged
	freed    map[uint64]bool   // numbers of segments given back since the checkpoint
	missing  []*segment        // known to the checkpoint and not there
	blank    []*segment        // files without a header: made and not used yet, unless something is missing
	indexed  bool              // there was a good checkpoint
	base     uint64            // the highest number of a segment that it knew
	from     position          // up to which the checkpoint knows the log
	mark     mark              // the log was durable up to there
	marked   bool              // as the file says
	losses   []*loss
	lossesOf map[uint32][]*loss // by slot
	badMails map[uint64]string  // why, by id
	ops      []op               // of the batch being read
	batch    uint64
	hole     *op // a gap that was just found
	torn     int
	scanned  int64
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
	r := &recovery{q: q, ids: map[uint64]uint32{}, mails: map[uint64]uint32{}, lost: map[uint64]where{},
		freed:    map[uint64]bool{},
		lossesOf: map[uint32][]*loss{}, badMails: map[uint64]string{}}
	r.mark = q.openMark()
	r.marked = r.mark.number > 0
	if err := r.lookForLog(); err != nil {
		return err
	}
	used, err := r.openSegments()
	if err != nil {
		return err
	}
	r.from = r.loadCheckpoint(used)
	q.saved = r.indexed || r.mark.saved || !r.marked && len(used) > 0 // who knows
	r.mark.later(r.from, q.batch)
	r.readLog(used)
	r.findMissing(used)
	if err := r.sortBlank(); err != nil {
		return err
	}
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
func (r *recovery) openSegments() ([]*segment, error) {
	q := r.q
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
		s, err := r.openSegment(slot)
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
func (r *recovery) openSegment(slot uint32) (*segment, error) {
	q, name := r.q, segmentName(slot)
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
	case known:
		s.written = s.size
		q.segs.put(s)
		return nil, q.addSpare(s)
	case blank:
		q.segs.put(s)
		r.blank = append(r.blank, s)
		return nil, nil
	}
	f.Close()
	q.moveAside(name, "the header of the segment is damaged")
	return nil, nil
}

// addSpare keeps a file that holds nothing for reuse, or removes it.
func (q *Queue) addSpare(s *segment) error {
	if s.state = stateSpare; s.size == q.opts.SegmentSize && len(q.spares) < maxSpares {
		q.spares = append(q.spares, s)
		return nil
	}
	s.file.Close()
	q.segs.remove(s)
	return q.fs.Remove(segmentName(s.slot))
}

// sortBlank decides about files without a header: they were made and not used yet, or have lost it when segments are
// missing.
func (r *recovery) sortBlank() error {
	for _, s := range r.blank {
		if !r.lacksSegments() || !s.holdsAnything() {
			if err := r.q.addSpare(s); err != nil {
				return err
			}
			continue
		}
		s.file.Close()
		r.q.segs.remove(s)
		r.q.log.Warn("set aside a file without a header, as segments are missing", "file", segmentName(s.slot), "bytes",
			s.size)
		r.q.setAside(segmentName(s.slot))
	}
	return nil
}

// position is a place in the log.
type position struct {
	number uint64
	off    int64
}

// holdsAnything reports whether there is more than zeros in the file.
func (s *segment) holdsAnything() bool {
	w := window{f: s.file, size: s.size}
	for off := int64(0); off < s.size; off += windowSize {
		p := w.at(off, min(windowSize, s.size-off))
		if slices.ContainsFunc(p, func(c byte) bool { return c != 0 }) {
			return true
		}
	}
	return false
}

// readLog scans every segment from that of a position on: the whole of it, as the end of the log is where damage is
// likely and what is read twice does no harm.
func (r *recovery) readLog(used []*segment) {
	q := r.q
	c := scanner{}
	for i, s := range used {
		q.noteID(s.nextID)
		exact := i+1 < len(used) && used[i+1].prev == s.number
		if exact {
			s.known = used[i+1].prevAt
		} else if s.number == r.mark.number {
			s.known = max(s.known, r.mark.off)
		}
		r.checkSize(s, exact)
		if s.number < r.from.number {
			continue
		}
		s.settles = nil
		last, err := c.scan(s, s.known, exact, r)
		if err != nil {
			q.damage.note(q.log, fmt.Sprintf("%s: %v", segmentName(s.slot), err))
		}
		s.end = last
		if s.number > r.from.number {
			r.scanned += last - segmentPage
		} else {
			r.scanned += max(0, last-r.from.off)
		}
	}
	r.flush(true)
	q.batch = max(c.seen, q.batch, r.mark.batch)
}

func (q *Queue) noteID(id uint64) {
	if id > q.nextID.Load() && id < 1<<63 {
		q.nextID.Store(id)
	}
}

// gap implements visitor.
func (r *recovery) gap(s *segment, from, to int64) {
	if at := r.mark.off; s.number == r.mark.number && from < at && at < to {
		r.gap(s, from, at)
		from = at
	}
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

// flush carries out what a batch holds. Of the last batch, unless the mark says that it was durable, only complete
// groups count: the rest was not synced, and nobody was told that it is stored. Any other batch was durable before the
// next one was begun: what is missing from it is damage.
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
		if n == 0 && r.mark.covers(&r.ops[i]) {
			n = 1
		}
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
		delete(r.badMails, o.h.id)
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
	r.settleLost()
	for id, i := range r.ids {
		e := q.x.entries.at(i)
		if l := r.lossAt(e.seg, int64(e.off), recordSize(int64(e.length))); l != nil {
			l.messages++
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
		r.resolveMail(b)
	}
	for _, s := range r.missing {
		q.segs.remove(s)
	}
	for _, l := range r.losses {
		r.tell(l)
	}
}

// resolveMail finds out whether a mail that somebody needs is there.
func (r *recovery) resolveMail(b *bodyEntry) {
	q := r.q
	if b.place == inLog && b.seg != 0 {
		if l := r.lossAt(b.seg, int64(b.off), b.recordBytes()); l != nil {
			if b.flags&bodyDamaged == 0 {
				b.flags |= bodyDamaged
				l.mails++
			}
			b.seg = 0
		}
	}
	if b.place == inLog && b.seg == 0 {
		r.damagedMail(b, "is missing")
	} else if why, bad := r.badMails[b.id]; bad {
		r.damagedMail(b, why)
	}
	if s := q.segs.get(b.seg); s != nil && b.seg != 0 {
		s.live += b.recordBytes()
	}
}

// damagedMail reports a mail, once.
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
