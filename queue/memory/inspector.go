package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// listLimit is what a limit of zero means.
const listLimit = 100

// Queues implements queue.Inspector. A queue exists while it holds messages or somebody consumes it.
func (q *Queue) Queues(context.Context) ([]queue.Stats, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	all := make([]queue.Stats, 0, len(q.named))
	for _, s := range q.named {
		if !queue.Hidden(s.stats.Queue) {
			all = append(all, s.stats)
		}
	}
	slices.SortFunc(all, func(a, b queue.Stats) int { return strings.Compare(a.Queue, b.Queue) })
	return all, nil
}

// position is the place of an entry in listings.
type position struct {
	stored int64 // Unix nanoseconds
	serial uint64
}

func (it *item) position() position { return position{it.entry.Stored.UnixNano(), it.serial} }

func (p position) compare(o position) int {
	return cmp.Or(cmp.Compare(p.stored, o.stored), cmp.Compare(p.serial, o.serial))
}

func (p position) String() string {
	return strconv.FormatInt(p.stored, 36) + "." + strconv.FormatUint(p.serial, 36)
}

func parsePosition(cursor string) (position, error) {
	stored, serial, _ := strings.Cut(cursor, ".")
	s, err1 := strconv.ParseInt(stored, 36, 64)
	n, err2 := strconv.ParseUint(serial, 36, 64)
	if err1 != nil || err2 != nil {
		return position{}, fmt.Errorf("memory: %q is no cursor of a listing", cursor)
	}
	return position{s, n}, nil
}

// List implements queue.Inspector.
func (q *Queue) List(_ context.Context, f queue.Filter, cursor string, limit int) ([]queue.Entry, string, error) {
	after := position{stored: -1 << 63}
	if cursor != "" {
		var err error
		if after, err = parsePosition(cursor); err != nil {
			return nil, "", err
		}
	}
	if limit <= 0 {
		limit = listLimit
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, "", queue.ErrClosed
	}
	found := q.oldest(&f, after, limit+1)
	next := ""
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].position().String()
	}
	entries := make([]queue.Entry, len(found))
	for i, it := range found {
		entries[i] = it.line()
	}
	return entries, next, nil
}

// oldest returns the first n matches behind a position. It keeps at most twice as many at a time.
func (q *Queue) oldest(f *queue.Filter, after position, n int) []*item {
	var found []*item
	trim := func() {
		slices.SortFunc(found, func(a, b *item) int { return a.position().compare(b.position()) })
		found = found[:min(n, len(found))]
	}
	q.each(f, func(it *item) {
		if it.position().compare(after) <= 0 {
			return
		}
		if found = append(found, it); len(found) >= 2*n {
			trim()
		}
	})
	trim()
	return found
}

// each calls do with every item that matches. The lock is held; do may remove the item.
func (q *Queue) each(f *queue.Filter, do func(*item)) {
	now := time.Now()
	for _, name := range q.names(f.Queue) {
		s := q.named[name]
		for e := s.items.Front(); e != nil; {
			it := e.Value.(*item)
			e = e.Next()
			if line := it.line(); f.Matches(&line, now) {
				do(it)
			}
		}
	}
}

// names returns the queues in which to look, sorted.
func (q *Queue) names(only string) []string {
	if only != "" {
		if q.named[only] == nil {
			return nil
		}
		return []string{only}
	}
	names := make([]string, 0, len(q.named))
	for name := range q.named {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// line returns the entry as listings show it.
func (it *item) line() queue.Entry {
	entry := it.entry
	entry.Queue = it.store.stats.Queue
	return entry
}

// Peek implements queue.Inspector.
func (q *Queue) Peek(_ context.Context, id string) (*queue.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	found := q.oldest(&queue.Filter{ID: id}, position{stored: -1 << 63}, 1)
	if id == "" || len(found) == 0 {
		return nil, queue.ErrNotFound
	}
	return found[0].message(), nil
}

// Move implements queue.Inspector.
func (q *Queue) Move(_ context.Context, f queue.Filter, to string) (int, error) {
	if to == "" {
		return 0, queue.CheckItems([]queue.Item{{Message: &queue.Message{}}})
	}
	return q.withIdle(&f, func(it *item) bool {
		if it.store.stats.Queue == to {
			return false
		}
		q.remove(it)
		if it.entry.State == queue.Parked {
			it.entry.State, it.entry.Parked = queue.Ready, ""
		}
		q.add(q.open(to), it)
		return true
	})
}

// Purge implements queue.Inspector.
func (q *Queue) Purge(_ context.Context, f queue.Filter) (int, error) {
	return q.withIdle(&f, func(it *item) bool {
		q.remove(it)
		q.forget(it)
		return true
	})
}

// RetryNow implements queue.Inspector.
func (q *Queue) RetryNow(_ context.Context, f queue.Filter) (int, error) {
	return q.withIdle(&f, func(it *item) bool {
		if it.entry.State == queue.Ready {
			return false
		}
		q.change(it, queue.Ready)
		it.entry.Due = time.Time{}
		it.store.pushReady(it)
		return true
	})
}

// withIdle calls do with every match that is not out and counts how often it says true.
func (q *Queue) withIdle(f *queue.Filter, do func(*item) bool) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, queue.ErrClosed
	}
	var found []*item
	q.each(f, func(it *item) {
		if it.entry.State != queue.Out {
			found = append(found, it)
		}
	})
	slices.SortFunc(found, func(a, b *item) int { return a.position().compare(b.position()) })
	n := 0
	for _, it := range found {
		if do(it) {
			n++
		}
	}
	return n, nil
}
