package disk

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// loss is a part of the log that is gone, and what was in it as far as the saved index knows.
type loss struct {
	what            string
	seg             uint32
	from, to        int64
	bytes           int64 // known to have held records
	superseded      bool  // a segment that was given back: nobody needs it
	known           bool  // the saved index knows all that was there
	messages, mails int
}

// lookForLog reports a directory that was that of a queue and has no log.
func (r *recovery) lookForLog() error {
	q := r.q
	segments, err := q.fs.List(segmentDir)
	if err != nil || len(segments) > 0 {
		return err
	}
	mails, err := q.fs.List(bodyDir)
	if err != nil {
		return err
	}
	files, err := q.fs.List(".")
	if err != nil {
		return err
	}
	if q.before || len(mails) > 0 || r.marked || slices.Contains(files, checkpointName) {
		q.damage.note(q.log, fmt.Sprintf("%s: there was a queue here, and all files of its log are gone", segmentDir))
	}
	return nil
}

// findMissing reports segments that were in use and are not there. Without a saved index it can be told only as long as
// none was ever saved, for segments are given back.
func (r *recovery) findMissing(used []*segment) {
	there, empty := map[uint64]bool{}, map[uint64]bool{}
	last := r.mark.number
	for _, s := range used {
		there[s.number] = true
		last = max(last, s.number)
		if s.prevAt == segmentPage {
			empty[s.prev] = true // nothing was ever written to it
		}
	}
	r.q.segs.number = max(r.q.segs.number, last)
	for _, s := range r.missing {
		written := s.known > segmentPage || s.number <= last && !empty[s.number]
		if s.number == r.mark.number {
			s.known = max(s.known, r.mark.off)
		}
		r.lose(&loss{seg: s.slot, to: math.MaxInt64, bytes: max(0, s.known-segmentPage), superseded: !written ||
			r.freed[s.number],
			known: r.indexKnows(s, s.known), what: missingSegment(s.number)})
	}
	if !r.indexed && r.q.saved {
		return
	}
	for n := r.base + 1; n <= last; n++ {
		if !there[n] && !r.freed[n] && !empty[n] {
			r.lose(&loss{what: missingSegment(n)})
		}
	}
}

func missingSegment(number uint64) string {
	return fmt.Sprintf("the file of segment %d in %s is missing", number, segmentDir)
}

// lacksSegments reports whether some are missing.
func (r *recovery) lacksSegments() bool {
	return slices.ContainsFunc(r.losses, func(l *loss) bool { return !l.superseded && l.from == 0 })
}

// checkSize reports a segment whose file is shorter than it was made.
// It is exact when s.known is where its records ended.
func (r *recovery) checkSize(s *segment, exact bool) {
	made := cmp.Or(s.made, s.known)
	if s.size >= made {
		return
	}
	whole := exact || r.marked && s.number == r.mark.number || s.number < r.from.number
	r.lose(&loss{seg: s.slot, from: s.size, to: math.MaxInt64, bytes: max(0, s.known-s.size),
		known: whole && (s.known <= s.size || r.indexKnows(s, s.known)),
		what:  fmt.Sprintf("%s ends at %d, and was made with %d bytes", segmentName(s.slot), s.size, made)})
	s.end = min(s.end, max(s.size, segmentPage))
	// The file is as it is from now on.
	if err := s.file.WriteVec([][]byte{s.page()}, 0); err != nil {
		r.q.log.Warn("cannot note the size of a segment", "segment", segmentName(s.slot), "error", err)
	}
}

func (r *recovery) lose(l *loss) {
	r.losses = append(r.losses, l)
	r.lossesOf[l.seg] = append(r.lossesOf[l.seg], l)
}

// indexKnows reports whether the saved index knows all that was in a segment up to an offset.
func (r *recovery) indexKnows(s *segment, to int64) bool {
	return s.number < r.from.number || s.number == r.from.number && to <= r.from.off
}

// lossAt returns the loss that a record fell to; nil when it is there.
func (r *recovery) lossAt(seg uint32, off, size int64) *loss {
	for _, l := range r.lossesOf[seg] {
		if off < l.to && l.from < off+size {
			return l
		}
	}
	return nil
}

// tell reports a loss.
func (r *recovery) tell(l *loss) {
	if l.superseded {
		return
	}
	d := &r.q.damage
	d.Messages += l.messages
	d.Mails += l.mails
	d.Bytes += l.bytes
	text := l.what
	if l.bytes > 0 {
		text += fmt.Sprintf(", %d bytes of records with it", l.bytes)
	}
	switch {
	case l.known:
		text += fmt.Sprintf("; %d messages and %d mails are lost", l.messages, l.mails)
	case l.messages+l.mails > 0:
		text += fmt.Sprintf("; at least %d messages and %d mails are lost", l.messages, l.mails)
	default:
		text += "; how many messages are lost is not known"
	}
	d.note(r.q.log, text)
}
