package local

import (
	"slices"
	"time"
)

// logStep is how much time one entry of a byteLog covers at most.
const logStep = int64(500 * time.Millisecond)

// byteLog knows how many bytes went in the last minute. What went within half a second counts as if all of it had gone
// at the end, so that the sum is never too small.
type byteLog struct {
	runs []byteRun
	sum  int64
}

type byteRun struct {
	first, last int64 // as Throttler.now
	bytes       int64
}

// expire drops what is older than a minute.
func (l *byteLog) expire(now int64) {
	n := 0
	for n < len(l.runs) && l.runs[n].last+int64(time.Minute) <= now {
		l.sum -= l.runs[n].bytes
		n++
	}
	if n > 0 {
		l.runs = slices.Delete(l.runs, 0, n)
	}
}

// wait returns how long it is until size more bytes fit into limit. What is larger than limit fits into an empty
// minute.
func (l *byteLog) wait(size, limit, now int64) time.Duration {
	if limit <= 0 {
		return 0
	}
	l.expire(now)
	sum := l.sum
	for _, run := range l.runs {
		if sum == 0 || sum <= limit-size {
			return 0
		}
		sum -= run.bytes
		if sum == 0 || sum <= limit-size {
			return time.Duration(run.last + int64(time.Minute) - now)
		}
	}
	return 0
}

// add counts size bytes.
func (l *byteLog) add(size, now int64) {
	l.sum += size
	if n := len(l.runs); n > 0 && now-l.runs[n-1].first < logStep {
		l.runs[n-1].last = max(l.runs[n-1].last, now)
		l.runs[n-1].bytes += size
		return
	}
	l.runs = append(l.runs, byteRun{first: now, last: now, bytes: size})
}

// remove undoes an add of size bytes at a time, if it is not too old.
func (l *byteLog) remove(size, at int64) {
	for i := range l.runs {
		if run := &l.runs[i]; run.first <= at && at <= run.last && run.bytes >= size {
			run.bytes -= size
			l.sum -= size
			return
		}
	}
}

// rests reports whether nothing went in the last minute.
func (l *byteLog) rests(now int64) bool {
	return len(l.runs) == 0 || l.runs[len(l.runs)-1].last+int64(time.Minute) <= now
}
