package monitor

import "slices"

// span is how many complete seconds are looked back on.
const span = 60

// bucket holds what happened in one second.
type bucket struct {
	second int64 // since 1970
	n      [counters]uint32
}

// series holds the buckets of the last seconds in which anything happened, oldest first. Something that happens rarely
// takes little room, and no series takes more than span+1 buckets, the running second included, but for a moment.
type series struct {
	buckets []bucket
}

// at returns the bucket of a second, which it makes when there is none. One that lies too far back lands in the oldest
// there is; when the clock was set back by more than the span, the series begins anew.
func (s *series) at(second int64) *bucket {
	last := len(s.buckets) - 1
	if last >= 0 && s.buckets[last].second == second {
		return &s.buckets[last]
	}
	if last >= 0 && second < s.buckets[last].second {
		return s.before(second)
	}
	if len(s.buckets) == cap(s.buckets) {
		s.expire(second)
	}
	s.buckets = append(s.buckets, bucket{second: second})
	return &s.buckets[len(s.buckets)-1]
}

// before is at for a second older than the newest.
func (s *series) before(second int64) *bucket {
	if s.buckets[len(s.buckets)-1].second-second > span {
		s.buckets = append(s.buckets[:0], bucket{second: second})
		return &s.buckets[0]
	}
	i, found := slices.BinarySearchFunc(s.buckets, second, func(b bucket, t int64) int { return int(b.second - t) })
	if !found {
		s.buckets = slices.Insert(s.buckets, i, bucket{second: second})
	}
	return &s.buckets[i]
}

// expire removes the buckets that nobody looks back on any more when it is now.
func (s *series) expire(now int64) {
	old := 0
	for old < len(s.buckets) && s.buckets[old].second < now-span {
		old++
	}
	if old > 0 {
		s.buckets = s.buckets[:copy(s.buckets, s.buckets[old:])]
	}
}

// quiet reports whether nothing happened in what is looked back on.
func (s *series) quiet(now int64) bool {
	return len(s.buckets) == 0 || s.buckets[len(s.buckets)-1].second < now-span
}

// count adds one event.
func (s *series) count(second int64, ef *effect, bytes int64) {
	b := s.at(second)
	if ef.counts != noCounter {
		more(&b.n[ef.counts], 1)
	}
	if ef.bytes != noCounter {
		more(&b.n[ef.bytes], bytes)
	}
}

// merge adds all of o that is not expired.
func (s *series) merge(o *series, now int64) {
	for i := range o.buckets {
		from := &o.buckets[i]
		if from.second < now-span {
			continue
		}
		to := s.at(from.second)
		for c := range from.n {
			more(&to.n[c], int64(from.n[c]))
		}
	}
}

// sum adds the complete seconds before now to c.
func (s *series) sum(now int64, c *Counts) {
	for i := range s.buckets {
		if b := &s.buckets[i]; b.second < now && b.second >= now-span {
			c.add(&b.n)
		}
	}
}

// spread adds each complete second before now to its place in the series of a snapshot.
func (s *series) spread(now int64, to *[span]Counts) {
	for i := range s.buckets {
		if b := &s.buckets[i]; b.second < now && b.second >= now-span {
			to[b.second-now+span].add(&b.n)
		}
	}
}
