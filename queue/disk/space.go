package disk

import (
	"fmt"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// maxSpares is how many given-back segments are kept for reuse; the last is the reserve, into which only settlements
// go when no other space can be had.
const maxSpares = 3

// roll seals the current segment and goes on in another that takes need bytes. Only what shrinks the queue (own) may
// use the reserve. Only the committer calls it; q.mu is held, and released while a file is made.
func (q *Queue) roll(need int64, own bool) error {
	size := q.opts.SegmentSize
	if need > size-segmentPage {
		size = (need + 2*segmentPage - 1) &^ (segmentPage - 1)
	}
	ordinary := size == q.opts.SegmentSize
	var s *segment
	if ordinary && len(q.spares) > 1 {
		s = q.takeSpare()
	} else if made, err := q.createSegment(size); err == nil {
		s = made
	} else if own && ordinary && len(q.spares) > 0 {
		s = q.takeSpare()
		q.log.Warn("no space left; settlements go to the reserve", "directory", q.dir, "error", err)
	} else {
		q.setFull(err)
		return q.full
	}
	old := q.cur
	s.begin(q.segs.number+1, old, q.nextID.Load())
	q.segs.number = s.number
	q.cur = s
	old.sealed, old.sealedAt = true, time.Now()
	q.kickKeeper()
	return nil
}

func (q *Queue) takeSpare() *segment {
	s := q.spares[0]
	q.spares = append(q.spares[:0], q.spares[1:]...)
	return s
}

func (q *Queue) setFull(err error) {
	q.full, q.fullUntil = fmt.Errorf("%w: %w", queue.ErrFull, err), time.Now().Add(retryAfter)
}

// createSegment makes a new file. q.mu is held, and released meanwhile.
func (q *Queue) createSegment(size int64) (*segment, error) {
	if err := q.checkSpace(size); err != nil {
		return nil, err
	}
	s := &segment{slot: q.segs.freeSlot(), size: size, busy: true}
	q.segs.put(s)
	q.mu.Unlock()
	f, err := q.fs.Create(segmentName(s.slot), size)
	if err == nil {
		if err = q.fs.SyncDir(segmentDir); err != nil {
			f.Close()
			_ = q.fs.Remove(segmentName(s.slot))
		}
	}
	q.mu.Lock()
	if err != nil {
		q.segs.remove(s)
		return nil, err
	}
	s.file, s.state, s.busy = f, stateSpare, false
	return s, nil
}

// checkSpace reports whether the limits of the store allow size bytes more. q.mu is held.
func (q *Queue) checkSpace(size int64) error {
	used := q.segs.bytes + q.bodyBytes + q.checkpointBytes
	if q.opts.MaxBytes > 0 && used+size > q.opts.MaxBytes {
		return fmt.Errorf("%w: %s holds %d bytes and may hold %d", queue.ErrFull, q.dir, used, q.opts.MaxBytes)
	}
	if q.opts.MinFree > 0 {
		free, err := q.fs.Free()
		if err == nil && free-size < q.opts.MinFree {
			return fmt.Errorf("%w: %d bytes free at %s, of which %d must stay so", queue.ErrFull, free, q.dir, q.opts.MinFree)
		}
	}
	return nil
}

// refusePublish returns an error while there is no space; now and then it lets one through to try. q.mu is held.
func (q *Queue) refusePublish() error {
	if err := q.refusal(); err != nil {
		return err
	}
	if len(q.spares) == 0 && q.full != nil {
		return q.full
	}
	if q.full != nil {
		if time.Now().Before(q.fullUntil) {
			return q.full
		}
		q.full = nil
	}
	return nil
}

// keepReserve makes the spare segment that settlements use when there is no other space. q.mu is held.
func (q *Queue) keepReserve() {
	if len(q.spares) > 0 || q.failed != nil {
		return
	}
	s, err := q.createSegment(q.opts.SegmentSize)
	if err != nil {
		if q.full == nil {
			q.log.Warn("no space for the reserve; nothing new is taken in", "directory", q.dir, "error", err)
		}
		q.setFull(err)
		return
	}
	q.spares = append(q.spares, s)
	q.full = nil
	q.resume = time.Time{}
	q.work.Signal()
}
