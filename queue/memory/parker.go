package memory

import (
	"container/list"
	"context"
	"errors"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// errForeign is a bug of the caller.
var errForeign = errors.New("memory: the delivery is not one of this queue")

// Park implements queue.Parker.
func (q *Queue) Park(_ context.Context, d *queue.Delivery, key string) error {
	o, ok := d.Driver().(*out)
	if !ok || o.queue != q {
		return errForeign
	}
	return d.Finish(func() error {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.closed {
			return queue.ErrClosed
		}
		o.back()
		q.park(o.item, key)
		return nil
	})
}

func (q *Queue) park(it *item, key string) {
	q.change(it, queue.Parked)
	it.entry.Parked = key
	s := it.store
	if s.parked == nil {
		s.parked = make(map[string]*list.List)
	}
	aside := s.parked[key]
	if aside == nil {
		aside = list.New()
		s.parked[key] = aside
	}
	it.place.list, it.place.elem = aside, byPriority(aside, it)
	q.setAlarm(it, time.Now().Add(queue.MaxParked))
}

// byPriority puts an item behind others of its priority.
func byPriority(aside *list.List, it *item) *list.Element {
	if last := aside.Back(); last == nil || last.Value.(*item).priority >= it.priority {
		return aside.PushBack(it)
	}
	e := aside.Front()
	for e.Value.(*item).priority >= it.priority {
		e = e.Next()
	}
	return aside.InsertBefore(it, e)
}

// Unpark implements queue.Parker.
func (q *Queue) Unpark(_ context.Context, name, key string, n int) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, queue.ErrClosed
	}
	s := q.named[name]
	if s == nil {
		return 0, nil
	}
	free := 0
	for aside := s.parked[key]; aside != nil && aside.Len() > 0 && free < n; free++ {
		it := aside.Front().Value.(*item)
		q.change(it, queue.Ready)
		s.pushFirst(it, false)
	}
	return free, nil
}

// Parked implements queue.Parker.
func (q *Queue) Parked(_ context.Context, name string) (map[string]int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	counts := make(map[string]int)
	if s := q.named[name]; s != nil {
		for key, aside := range s.parked {
			counts[key] = aside.Len()
		}
	}
	return counts, nil
}
