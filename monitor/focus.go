package monitor

import (
	"sync"
	"sync/atomic"
	"time"
)

// focuses count for filters that combine several names, which are not counted beforehand.
type focuses struct {
	list    atomic.Pointer[[]*focus]
	mu      sync.Mutex // to change the list
	checked atomic.Int64
}

type focus struct {
	filter Filter
	since  time.Time
	asked  atomic.Int64 // second of the last question

	mu      sync.Mutex
	figures figures
	lost    figures // takes what ended but began before
}

const (
	maxFocuses = 64
	focusLife  = 120 // seconds without a question
)

func (f *focuses) observe(e *Event, ef *effect, second int64) {
	list := f.list.Load()
	if list == nil {
		return
	}
	if f.checked.Swap(second) != second {
		f.expire(second)
	}
	for _, one := range *list {
		if one.filter.matches(e) {
			one.mu.Lock()
			if ef.counts != noCounter {
				one.figures.series.count(second, ef, e.Bytes)
			}
			one.figures.move(ef, &one.lost)
			one.mu.Unlock()
		}
	}
}

// get returns the focus on filter, which it makes when there is none.
func (f *focuses) get(filter Filter, now time.Time) *focus {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.all()
	for _, one := range list {
		if one.filter == filter {
			one.asked.Store(now.Unix())
			return one
		}
	}
	if len(list) >= maxFocuses { // the oldest goes
		list = list[1:]
	}
	one := &focus{filter: filter, since: now}
	one.asked.Store(now.Unix())
	list = append(append([]*focus(nil), list...), one)
	f.list.Store(&list)
	return one
}

func (f *focuses) all() []*focus {
	if list := f.list.Load(); list != nil {
		return *list
	}
	return nil
}

// expire ends focuses that nobody asked about for a while.
func (f *focuses) expire(now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var kept []*focus
	for _, one := range f.all() {
		if now-one.asked.Load() < focusLife {
			kept = append(kept, one)
		}
	}
	if len(kept) == 0 {
		f.list.Store(nil)
		return
	}
	f.list.Store(&kept)
}
