package memory

import (
	"container/heap"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// alarms is a heap of the items that wait for a time, the earliest first.
type alarms []*item

// Len implements heap.Interface.
func (a alarms) Len() int { return len(a) }

// Less implements heap.Interface. What is due at the same instant keeps the order in which it was stored.
func (a alarms) Less(i, j int) bool {
	if c := a[i].wake.Compare(a[j].wake); c != 0 {
		return c < 0
	}
	return a[i].serial < a[j].serial
}

// Swap implements heap.Interface.
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].alarm, a[j].alarm = i+1, j+1
}

// Push implements heap.Interface.
func (a *alarms) Push(x any) {
	it := x.(*item)
	*a = append(*a, it)
	it.alarm = len(*a)
}

// Pop implements heap.Interface.
func (a *alarms) Pop() any {
	last := len(*a) - 1
	it := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	it.alarm = 0
	return it
}

// setAlarm wakes the item at t. The lock is held.
func (q *Queue) setAlarm(it *item, t time.Time) {
	it.wake = t
	heap.Push(&q.alarms, it)
	if q.alarms[0] == it {
		q.arm()
	}
}

// clearAlarm gives up what setAlarm began. The timer is left alone: when it fires in vain it sets itself anew.
func (q *Queue) clearAlarm(it *item) {
	if it.alarm > 0 {
		heap.Remove(&q.alarms, it.alarm-1)
	}
}

func (q *Queue) arm() {
	wait := time.Until(q.alarms[0].wake)
	if q.timer == nil {
		q.timer = time.AfterFunc(wait, q.ring)
	} else {
		q.timer.Reset(wait)
	}
}

// ring makes ready whatever is due.
func (q *Queue) ring() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for len(q.alarms) > 0 && !now.Before(q.alarms[0].wake) {
		it := q.alarms[0]
		parked := it.entry.State == queue.Parked
		q.change(it, queue.Ready)
		if parked {
			it.store.pushFirst(it, false)
		} else {
			it.store.pushReady(it)
		}
	}
	if len(q.alarms) > 0 && !q.closed {
		q.arm()
	}
}
