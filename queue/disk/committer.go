package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluicemail/sluice/queue"
)

// commitLog is what waits to be written. Queue.mu protects it; one goroutine, the committer, empties it: it gathers
// what waits, writes it with one system call, syncs, enters it in the index and wakes publishers that wait. While one
// sync runs, others gather.
type commitLog struct {
	pending []*group // in the order of the log
	moving  int      // pending groups with copies
	settled []uint32 // entries settled without successors, in the order of the log
	lazy    int64    // bytes in pending and settled that nobody waits for
	urgent  bool     // somebody waits, or the lazy part has waited long enough
	armed   bool     // the timer runs
	timer   *time.Timer
	resume  time.Time // no attempt before this, after there was no space
	batch   uint64    // number of the last batch

	spares    []*segment // the last one is kept in reserve for settling
	full      error      // why there is no more space
	fullUntil time.Time  // when to look again
}

const (
	maxBatchBytes = 8 << 20
	maxLazyBytes  = 2 << 20
	maxSettles    = 1 << 16 // ids in one settle record
	retryAfter    = 200 * time.Millisecond
)

// batch is one write and sync.
type batch struct {
	segment *segment
	fresh   bool // the segment's first
	number  uint64
	groups  []*group
	bases   []int64 // where each group goes
	settled []uint32
	settles []byte // their record
	start   int64
	end     int64
	vec     [][]byte
}

func (q *Queue) commitLoop() {
	defer q.running.Done()
	var b batch
	for q.nextBatch(&b) {
		q.finish(&b, q.writeBatch(&b))
	}
}

// nextBatch waits for work and gathers it. It returns false when the queue is closed and nothing is left to write.
func (q *Queue) nextBatch(b *batch) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.failed != nil || q.aborted {
			q.failPending()
		}
		if len(q.pending) == 0 && len(q.settled) == 0 {
			q.urgent = false
			if q.closed {
				return false
			}
		} else if (q.urgent || q.closed) && time.Now().After(q.resume) {
			if q.gather(b) {
				return true
			}
			continue
		} else if q.closed {
			q.dropLazy()
			continue
		} else if q.urgent {
			q.arm(time.Until(q.resume))
		}
		q.work.Wait()
	}
}

// dropLazy gives up what could not be written for lack of space when the queue closes: those messages come again.
func (q *Queue) dropLazy() {
	q.log.Error("no space to record what was settled last; it will be handed out again", "messages",
		len(q.settled)+len(q.pending))
	q.failPending()
}

func (q *Queue) failPending() {
	err := q.refusal()
	for _, g := range q.pending {
		if g.waiting {
			g.done <- err
		}
	}
	q.pending, q.settled, q.moving, q.lazy = nil, nil, 0, 0
}

// gather moves what fits into the current segment from the pending list into b. It returns false when there was
// nothing that could be taken.
func (q *Queue) gather(b *batch) bool {
	*b = batch{groups: b.groups[:0], bases: b.bases[:0], settled: b.settled[:0], settles: b.settles[:0], vec: b.vec[:0]}
	q.makeRoom()
	s := q.cur
	b.segment, b.start, b.fresh = s, s.end, s.end == segmentPage
	pos := s.end
	taken := 0
	settles := q.settleSize()
	held := q.moving > 0 && len(q.settled) > 0
	for _, g := range q.pending {
		if pos+g.size+settles > s.size || pos-s.end > maxBatchBytes || held && q.moving == 0 {
			break
		}
		b.groups, b.bases = append(b.groups, g), append(b.bases, pos)
		pos += g.size
		if len(g.copies) > 0 {
			q.moving--
		}
		if !g.waiting {
			q.lazy -= g.size
		}
		taken++
	}
	rest := copy(q.pending, q.pending[taken:])
	clear(q.pending[rest:])
	q.pending = q.pending[:rest]
	if !held {
		pos = q.gatherSettled(b, pos)
	}
	b.end = pos
	if len(q.pending) == 0 && len(q.settled) == 0 {
		q.urgent = false
	}
	if pos == s.end {
		return false
	}
	q.batch++
	b.number = q.batch
	return true
}

// settleSize is the room that a batch must leave for plain settlements: a publisher that is told that something is
// stored may rely on that what was settled before is. Settlements wait while copies do, for they may concern the ids
// that those bring.
func (q *Queue) settleSize() int64 {
	if len(q.settled) == 0 || q.moving > 0 {
		return 0
	}
	return recordSize(8 * min(int64(len(q.settled)), maxSettles))
}

// gatherSettled adds the record of plain settlements.
func (q *Queue) gatherSettled(b *batch, pos int64) int64 {
	if len(q.settled) == 0 {
		return pos
	}
	n := min(int64(len(q.settled)), maxSettles, (b.segment.size-pos-headerSize)/8)
	if n <= 0 {
		return pos
	}
	b.settled = append(b.settled, q.settled[:n]...)
	rest := copy(q.settled, q.settled[n:])
	q.settled = q.settled[:rest]
	q.lazy -= 8 * n
	p := append(b.settles, make([]byte, headerSize)...)
	for _, i := range b.settled {
		p = binary.LittleEndian.AppendUint64(p, q.x.entries.at(i).id)
	}
	payload := p[headerSize:]
	putHeader(p, settleRecord, 0, uint32(len(payload)), checksum(payload))
	b.settles = p
	return pos + recordSize(int64(len(payload)))
}

// makeRoom sees to it that the first waiting thing fits into the current segment, by going to the next one. Groups
// for which there is no space are refused.
func (q *Queue) makeRoom() {
	for {
		var need int64
		own := true
		if len(q.pending) > 0 {
			need, own = q.pending[0].size+q.settleSize(), q.pending[0].own
		} else if len(q.settled) > 0 {
			need = recordSize(8)
		}
		if need <= q.cur.room() {
			return
		}
		err := q.roll(need, own)
		if err == nil {
			return
		}
		if own {
			if q.cur.room() < recordSize(8) || q.moving > 0 || len(q.settled) == 0 {
				q.resume = time.Now().Add(retryAfter)
			}
			q.refuseOthers(err)
			return
		}
		q.refuseFirst(err)
		if len(q.pending) == 0 {
			return
		}
	}
}

// refuseOthers fails every pending group that may not use the reserve, so that none of them waits for space.
func (q *Queue) refuseOthers(err error) {
	kept := q.pending[:0]
	for _, g := range q.pending {
		if g.waiting && !g.own {
			g.done <- err
			continue
		}
		kept = append(kept, g)
	}
	clear(q.pending[len(kept):])
	q.pending = kept
}

// refuseFirst fails the first pending group.
func (q *Queue) refuseFirst(err error) {
	g := q.pending[0]
	rest := copy(q.pending, q.pending[1:])
	q.pending[rest] = nil
	q.pending = q.pending[:rest]
	if g.waiting {
		g.done <- err
	}
}

// writeBatch writes and syncs. Only the committer calls it, without q.mu.
func (q *Queue) writeBatch(b *batch) error {
	s := b.segment
	at := b.start
	if b.fresh {
		b.vec = append(b.vec, s.page())
		at = 0
	}
	for n, g := range b.groups {
		b.stamp(g, b.bases[n])
	}
	if len(b.settles) > 0 {
		size := recordSize(int64(len(b.settles) - headerSize))
		stampHeader(b.settles, s.seed, groupStart|groupEnd, b.number, uint32(b.end-size), uint32(b.start))
		b.settles = append(b.settles, make([]byte, size-int64(len(b.settles)))...)
		b.vec = append(b.vec, b.settles)
	}
	b.fillPage()
	err := b.extend()
	if err == nil {
		err = s.file.WriteVec(b.vec, at)
	}
	if err != nil {
		return fmt.Errorf("write to %s: %w", segmentName(s.slot), err)
	}
	begun := time.Now()
	if err := s.file.Sync(); err != nil {
		return &syncError{fmt.Errorf("sync %s: %w", segmentName(s.slot), err)}
	}
	if q.opts.Synced != nil {
		q.opts.Synced(time.Since(begun))
	}
	return nil
}

// syncError is one after which what is on disk is unknown.
type syncError struct{ error }

func (e *syncError) Unwrap() error { return e.error }

// stamp seals the headers of a group and adds its pieces.
func (b *batch) stamp(g *group, base int64) {
	for i, r := range g.recs {
		var flags uint8
		if i == 0 {
			flags |= groupStart
		}
		if i == len(g.recs)-1 {
			flags |= groupEnd
		}
		stampHeader(g.buf[r.at:], b.segment.seed, flags, b.number, uint32(base+r.off), uint32(b.start))
	}
	from := 0
	for _, c := range g.cuts {
		b.vec = append(b.vec, g.buf[from:c.at], c.data)
		from = c.at
	}
	if from < len(g.buf) {
		b.vec = append(b.vec, g.buf[from:])
	}
}

// A file system must record in its journal that blocks are written for the first time, which costs several times as
// much as the sync of blocks written before. So small batches write zeros ahead of them; in recycled segments this
// never happens.
const (
	writeAhead = 1 << 20
	largeBatch = 256 << 10
)

// zeroPage is what write-ahead consists of. It is never written to.
var zeroPage [segmentPage]byte

// fillPage writes zeros to the end of the last page, which so need not be read first when it is not in memory.
func (b *batch) fillPage() {
	if n := -b.end & (segmentPage - 1); n > 0 && b.end+n <= b.segment.size {
		b.vec = append(b.vec, zeroPage[:n])
	}
}

func (b *batch) extend() error {
	s := b.segment
	if b.end <= s.written || b.end-b.start >= largeBatch {
		s.written = max(s.written, b.end)
		return nil
	}
	from := (b.end + segmentPage - 1) &^ (segmentPage - 1)
	to := min(s.size, from+writeAhead)
	for off := from; off < to; off += int64(len(zeroPage)) {
		// In small steps: what is written at once is cached, and accounted when written again, as one piece.
		if err := s.file.WriteVec([][]byte{zeroPage[:min(to-off, int64(len(zeroPage)))]}, off); err != nil {
			return err
		}
	}
	s.written = to
	return nil
}

// finish makes a written batch count, or gives it back.
func (q *Queue) finish(b *batch, err error) {
	q.mu.Lock()
	if err != nil {
		q.undo(b, err)
		q.mu.Unlock()
		return
	}
	q.apply(b)
	durable := mark{position{b.segment.number, b.end}, b.number, q.saved}
	q.mu.Unlock()
	for i, g := range b.groups {
		if g.waiting {
			g.done <- nil
		} else {
			q.groups.put(g)
		}
		b.groups[i] = nil
	}
	clear(b.vec)
	if err := q.marks.write(durable); err != nil {
		q.log.Warn("cannot note how far the queue is stored; some damage would not be noticed", "error", err)
		q.marks.f.Close()
		q.marks.f = nil // what it says stays true
	}
}

// undo handles a failed write: for lack of space publishers that wait are told and the lazy part is tried again; after
// anything else nothing more is written.
func (q *Queue) undo(b *batch, err error) {
	full := errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
	var se *syncError
	if !full || errors.As(err, &se) {
		q.fail(err)
		err = fmt.Errorf("%w: %w: %w", queue.ErrUnavailable, queue.ErrUnknown, err)
	} else {
		b.segment.written = min(b.segment.written, b.start)
		q.full, q.fullUntil = err, time.Now().Add(retryAfter)
		q.resume = q.fullUntil
		q.urgent = true
		err = fmt.Errorf("%w: %w", queue.ErrFull, err)
	}
	var again []*group
	for _, g := range b.groups {
		if g.waiting && !g.own {
			g.done <- err
			continue
		}
		again = append(again, g)
		if len(g.copies) > 0 {
			q.moving++
		}
		if !g.waiting {
			q.lazy += g.size
		}
	}
	q.pending = append(again, q.pending...)
	q.settled = append(append([]uint32(nil), b.settled...), q.settled...)
	q.lazy += 8 * int64(len(b.settled))
	clear(b.groups)
	q.work.Signal() // so that a closed or failed queue empties the list
}

// fail stops all writing until the queue is opened again: after a failed sync the page cache cannot be believed.
func (q *Queue) fail(err error) {
	if q.failed == nil {
		q.failed = err
		q.log.Error("the queue refuses everything until it is opened again", "directory", q.dir, "error", err)
		q.wakeAll()
	}
}

// arm makes the committer write lazy work after d. q.mu is held.
func (q *Queue) arm(d time.Duration) {
	if q.armed {
		return
	}
	q.armed = true
	if q.timer == nil {
		q.timer = time.AfterFunc(d, q.lazyDue)
		return
	}
	q.timer.Reset(d)
}

func (q *Queue) lazyDue() {
	q.mu.Lock()
	q.armed = false
	q.urgent = true
	q.mu.Unlock()
	q.work.Signal()
}

// hurry makes the committer write now. q.mu is held.
func (q *Queue) hurry() {
	if !q.urgent {
		q.urgent = true
		q.work.Signal()
	}
}

// enqueue puts a group in the order of the log. q.mu is held.
func (q *Queue) enqueue(g *group) {
	if len(g.copies) > 0 {
		q.enqueueSettled()
	}
	q.pending = append(q.pending, g)
	if len(g.copies) > 0 {
		q.moving++
	}
	if g.waiting {
		q.hurry()
		return
	}
	q.lazy += g.size
	if q.lazy > maxLazyBytes {
		q.hurry()
	} else {
		q.arm(q.opts.SettleDelay)
	}
}

// enqueueSettled gives the plain settlements so far their place before a group of copies. q.mu is held.
func (q *Queue) enqueueSettled() {
	for slots := range slices.Chunk(q.settled, maxSettles) {
		g := q.groups.get()
		g.own = true
		ids := make([]uint64, len(slots))
		for n, i := range slots {
			ids[n] = q.x.entries.at(i).id
		}
		g.addSettle(ids...)
		g.retire = append(g.retire, slots...)
		q.lazy += g.size - 8*int64(len(slots))
		q.pending = append(q.pending, g)
	}
	q.settled = q.settled[:0]
}
