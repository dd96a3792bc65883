package delivery

import (
	"iter"
	"slices"
	"sync/atomic"
)

// jobList is a doubly linked list of jobs. A job is in one list at a time.
type jobList struct {
	head, tail *job
	n          int
}

// links are the neighbours of a job in its list, and by which priority it is there.
type links struct {
	prev, next *job
	rank       int
}

func (l *jobList) len() int { return l.n }

// first returns the first job; nil when there is none.
func (l *jobList) first() *job { return l.head }

// all goes through the list in order; the job that is looked at may be taken out meanwhile.
func (l *jobList) all() iter.Seq[*job] {
	return func(yield func(*job) bool) {
		for j := l.head; j != nil; {
			next := j.next
			if !yield(j) {
				return
			}
			j = next
		}
	}
}

// place returns how many jobs are before the one of the message with an id; negative: it is not there.
func (l *jobList) place(id string) int {
	n := 0
	for j := range l.all() {
		if j.m.ID == id {
			return n
		}
		n++
	}
	return -1
}

func (l *jobList) pushBack(j *job) {
	j.prev, j.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = j
	} else {
		l.head = j
	}
	l.tail = j
	l.n++
}

// insert puts a job behind another one; nil: in front of all.
func (l *jobList) insert(j, behind *job) {
	next := l.head
	if behind != nil {
		next, behind.next = behind.next, j
	} else {
		l.head = j
	}
	j.prev, j.next = behind, next
	if next != nil {
		next.prev = j
	} else {
		l.tail = j
	}
	l.n++
}

func (l *jobList) remove(j *job) {
	if j.prev != nil {
		j.prev.next = j.next
	} else {
		l.head = j.next
	}
	if j.next != nil {
		j.next.prev = j.prev
	} else {
		l.tail = j.prev
	}
	j.links = links{}
	l.n--
}

// takeAll empties the list and returns the jobs in order.
func (l *jobList) takeAll() []*job {
	jobs := make([]*job, 0, l.n)
	for j := range l.all() {
		l.remove(j)
		jobs = append(jobs, j)
	}
	return jobs
}

// readyList has the jobs that wait on a path, those of a higher priority first, and counts the paths on which something
// waits. It is changed only by the methods that are declared here.
type readyList struct {
	jobList
	ends    []*job        // the last one of each priority, highest first
	waiting *atomic.Int64 // paths
	spared  int           // jobs that go first over a new connection, as another one ended before them
	cursor  *job          // the next one that some looks at
}

func (l *readyList) init(waiting *atomic.Int64) { l.waiting = waiting }

// needed is how many new connections the list needs for the jobs that must be the first one of theirs.
func (l *readyList) needed() int { return l.spared }

// put puts a job behind those of its priority, and putFirst in front of them.
func (l *readyList) put(j *job)      { l.enter(j, false) }
func (l *readyList) putFirst(j *job) { l.enter(j, true) }

func (l *readyList) enter(j *job, first bool) {
	j.rank = j.m.Priority
	at := 0
	var behind *job // the last one of a higher priority
	for at < len(l.ends) && l.ends[at].rank > j.rank {
		behind = l.ends[at]
		at++
	}
	switch {
	case at == len(l.ends) || l.ends[at].rank < j.rank:
		l.ends = slices.Insert(l.ends, at, j)
	case !first:
		behind, l.ends[at] = l.ends[at], j
	}
	l.insert(j, behind)
	l.added(j)
}

// yields returns the last job if a new one may have its place, as that has a higher priority; nil: it may not.
func (l *readyList) yields(j *job) *job {
	if l.tail == nil || l.tail.rank >= j.m.Priority {
		return nil
	}
	return l.dropLast()
}

func (l *readyList) added(j *job) {
	if j.spared() {
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
	if at := slices.Index(l.ends, j); at >= 0 {
		if j.prev != nil && j.prev.rank == j.rank {
			l.ends[at] = j.prev
		} else {
			l.ends = slices.Delete(l.ends, at, at+1)
		}
	}
	l.remove(j)
	if j.spared() {
		l.spared--
	}
	if l.n == 0 {
		l.waiting.Add(-1)
	}
}

// dropLast takes the last job.
func (l *readyList) dropLast() *job {
	j := l.tail
	l.drop(j)
	return j
}

// takeFirst takes the first job; nil when the list is empty.
func (l *readyList) takeFirst() *job {
	j := l.head
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
	for j := range l.all() {
		if opening == j.spared() {
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
	clear(l.ends)
	l.ends = l.ends[:0]
	return l.jobList.takeAll()
}

// piece is how many messages are gone through while a lock is held.
const piece = 100

// begin has some begin with the first one.
func (l *readyList) begin() { l.cursor = l.head }

// some calls f for some of the next jobs, which f may drop, and reports whether there are more.
func (l *readyList) some(f func(*job)) (more bool) {
	for n := 0; n < piece && l.cursor != nil; n++ {
		j := l.cursor
		l.cursor = j.next
		f(j)
	}
	return l.cursor != nil
}
