package logsearch

import (
	"sync"
	"sync/atomic"

	"github.com/sluicemail/sluice/monitor"
)

// Tail is a monitor.Monitor that hands entries to watchers as they are made. The zero Tail is ready; its methods are
// safe for concurrent use.
type Tail struct {
	watched  atomic.Int32
	mu       sync.Mutex
	watchers map[*Watcher]bool
}

// Watcher gets the entries that its query selects. Limit, Cursor and times of the query mean nothing here.
type Watcher struct {
	tail  *Tail
	query Query
	c     chan Entry
	lost  atomic.Int64
}

// Watch begins to watch. buffer is how many entries may wait; beyond that they are lost. Zero means 1,000.
func (t *Tail) Watch(q Query, buffer int) (*Watcher, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if buffer <= 0 {
		buffer = 1000
	}
	w := &Watcher{tail: t, query: q, c: make(chan Entry, buffer)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.watchers == nil {
		t.watchers = make(map[*Watcher]bool)
	}
	t.watchers[w] = true
	t.watched.Store(int32(len(t.watchers)))
	return w, nil
}

// Entries is where they arrive. It is not closed.
func (w *Watcher) Entries() <-chan Entry { return w.c }

// Lost returns how many entries were lost since it was asked last, because the watcher was slow.
func (w *Watcher) Lost() int64 { return w.lost.Swap(0) }

// Close ends the watch.
func (w *Watcher) Close() {
	w.tail.mu.Lock()
	defer w.tail.mu.Unlock()
	delete(w.tail.watchers, w)
	w.tail.watched.Store(int32(len(w.tail.watchers)))
}

// Observe implements monitor.Monitor.
func (t *Tail) Observe(e *monitor.Event) {
	if t.watched.Load() == 0 {
		return
	}
	switch e.Kind {
	case monitor.MessageReceived, monitor.NotTried, monitor.Delivered, monitor.Retried, monitor.Failed:
	default:
		return
	}
	message, ok := e.Message.(monitor.Record)
	if !ok {
		return
	}
	entry, ok := parse(message.AppendRecord(nil))
	if !ok {
		return
	}
	if outcome, known := outcomes[e.Kind]; known {
		entry.Outcome = outcome
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.watchers {
		if !w.query.matches(&entry) {
			continue
		}
		select {
		case w.c <- entry:
		default:
			w.lost.Add(1)
		}
	}
}

var outcomes = map[monitor.Kind]Outcome{monitor.Delivered: Delivered, monitor.Retried: Deferred, monitor.Failed: Failed,
	monitor.NotTried: Failed}

// Tap implements monitor.Monitor; transcripts are of no interest here.
func (t *Tail) Tap(s monitor.Session) monitor.Transcript { return monitor.Discard.Tap(s) }
