package delivery

import "sync/atomic"

// readyList has the jobs that wait on a path, and counts the paths on which something waits. It is changed only by the
// methods that are declared here.
type readyList struct {
	jobList
	waiting *atomic.Int64 // paths
	spared  int           // jobs that go first over a new connection, as another one ended before them
	cursor  *job          // the next one that some looks at
}

func (l *readyList) put(j *job) {
	l.pushBack(j)
	l.added(j)
}

func (l *readyList) putFirst(j *job) {
	l.pushFront(j)
	l.added(j)
}

func (l *readyList) added(j *job) {
	if j.unsent > 0 {
		l.spared++
	}
	if l.n == 1 {
		l.waiting.Add(1)
	}
}

func (l *readyList) drop(j *job) {
	if l.cursor == j {
		l.cursor = j.next
	}
	l.remove(j)
	if j.unsent > 0 {
		l.spared--
	}
	if l.n == 0 {
		l.waiting.Add(-1)
	}
}

// takeFirst takes the first job; nil when the list is empty.
func (l *readyList) takeFirst() *job {
	j := l.first
	if j != nil {
		l.drop(j)
	}
	return j
}

// firstFor takes the first job that a connection may carry; opening says that it would be the first mail of it. Jobs
// that must be the first go before others; they are near the front of the list.
func (l *readyList) firstFor(opening bool) *job {
	if l.spared == 0 {
		return l.takeFirst()
	}
	for j := l.first; j != nil; j = j.next {
		if opening == (j.unsent > 0) {
			l.drop(j)
			return j
		}
	}
	return nil
}

func (l *readyList) takeAll() []*job {
	if l.n > 0 {
		l.waiting.Add(-1)
	}
	l.cursor, l.spared = nil, 0
	return l.jobList.takeAll()
}

// piece is how many messages are gone through while a lock is held.
const piece = 100

// begin has some begin with the first one.
func (l *readyList) begin() { l.cursor = l.first }

// some calls f for some of the next jobs, which f may drop, and reports whether there are more.
func (l *readyList) some(f func(*job)) (more bool) {
	for n := 0; n < piece && l.cursor != nil; n++ {
		j := l.cursor
		l.cursor = j.next
		f(j)
	}
	return l.cursor != nil
}
