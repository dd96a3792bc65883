package disk

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// freeSegments gives back the segments of which nothing is needed any more.
//
// A settlement stays needed for as long as the message that it removes can still be found, for a scan of the whole log
// must not bring that back. So those of a dead segment that concern another segment are written again, at 8 bytes each,
// and synced before the space is given up.
func (q *Queue) freeSegments() {
	dead := q.deadSegments()
	if len(dead) == 0 {
		return
	}
	ids := q.settlesOf(dead)
	g := q.groups.get()
	g.own = true
	q.mu.Lock()
	ids = q.stillNeeded(ids, dead)
	numbers := slices.Clone(q.freedSince)
	for _, s := range dead {
		numbers = append(numbers, s.number)
	}
	q.mu.Unlock()
	for chunk := range slices.Chunk(ids, maxSettles) {
		g.addSettle(chunk...)
	}
	g.begin()
	for _, n := range numbers {
		g.buf = binary.LittleEndian.AppendUint64(g.buf, n)
	}
	g.end(freedRecord, 0)
	if err := q.commit(g); err != nil {
		q.mu.Lock()
		for _, s := range dead {
			s.busy = false
		}
		q.mu.Unlock()
		return
	}
	for _, s := range dead {
		q.recycle(s)
	}
}

// deadSegments claims the segments that can be given back.
func (q *Queue) deadSegments() []*segment {
	q.mu.Lock()
	defer q.mu.Unlock()
	var dead []*segment
	if q.closed || q.failed != nil {
		return nil
	}
	for _, s := range q.segs.slots {
		if s != nil && s.state == stateUsed && s.sealed && !s.busy && s.live <= 0 && s.readers == 0 {
			s.busy = true
			dead = append(dead, s)
		}
	}
	return dead
}

// settlesOf reads the ids in the settle records of segments. What cannot be read is left out: at worst a message is
// handed out again after a scan of the whole log.
func (q *Queue) settlesOf(segments []*segment) []uint64 {
	var ids []uint64
	for _, s := range segments {
		w := window{f: s.file, size: s.size, step: segmentPage}
		for _, off := range s.settles {
			h, ok := parseHeader(w.at(int64(off), headerSize), s.seed, int64(off))
			if !ok || h.kind != settleRecord {
				continue
			}
			payload := w.at(int64(off)+headerSize, int64(h.length))
			if payload == nil || checksum(payload) != h.crc {
				continue
			}
			for ; len(payload) >= 8; payload = payload[8:] {
				ids = append(ids, binary.LittleEndian.Uint64(payload))
			}
		}
	}
	return ids
}

// stillNeeded keeps the ids that a segment other than the dead ones may hold. q.mu is held.
func (q *Queue) stillNeeded(ids []uint64, dead []*segment) []uint64 {
	type span struct{ from, to uint64 }
	var spans []span
	for _, s := range q.segs.slots {
		if s != nil && s.state == stateUsed && s.minID != 0 && !slices.Contains(dead, s) {
			spans = append(spans, span{s.minID, s.maxID})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && s.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, s.to)
			continue
		}
		merged = append(merged, s)
	}
	kept := ids[:0]
	for _, id := range ids {
		at, found := slices.BinarySearchFunc(merged, id, func(s span, id uint64) int { return cmp.Compare(s.from, id) })
		if found || at > 0 && id <= merged[at-1].to {
			kept = append(kept, id)
		}
	}
	return kept
}

// recycle marks a dead segment as spare, durably, and keeps or deletes its file.
func (q *Queue) recycle(s *segment) {
	q.mu.Lock()
	s.state = stateSpare
	q.mu.Unlock()
	err := s.file.WriteVec([][]byte{s.page()}, 0)
	if err == nil {
		err = s.file.Sync()
	}
	// The pieces in which it is cached do not fit what is written next; they would be dirtied, and accounted, as
	// wholes.
	s.file.Forget()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.freedSince = append(q.freedSince, s.number)
	keep := err == nil && s.size == q.opts.SegmentSize && len(q.spares) < maxSpares
	if keep {
		s.busy, s.live, s.written = false, 0, s.size
		q.spares = append(q.spares, s)
		q.full = nil
		return
	}
	s.file.Close()
	q.segs.remove(s)
	if err := q.fs.Remove(segmentName(s.slot)); err != nil {
		q.log.Warn("cannot remove a segment", "file", segmentName(s.slot), "error", err)
	}
	q.full = nil
}
