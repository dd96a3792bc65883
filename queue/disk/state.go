package disk

import "time"

// Err returns why nothing can be published at the moment: the disk is full or has failed; nil when all is well, as far
// as can be told without trying.
func (q *Queue) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.refusal(); err != nil {
		return err
	}
	if q.full == nil || time.Since(q.fullUntil) > fullFor && q.hasSpace() {
		return nil
	}
	return q.full
}

// fullFor is how long a store counts as full that could not store something, whatever the file system says: that knows
// nothing of quotas.
const fullFor = 5 * time.Second

// hasSpace reports whether there is room for another segment. q.mu is held.
func (q *Queue) hasSpace() bool {
	if q.checkSpace(q.opts.SegmentSize) != nil {
		return false
	}
	free, err := q.fs.Free()
	return err != nil || free >= q.opts.SegmentSize
}
