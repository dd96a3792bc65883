package monitor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Flight is what was said at once in a session, in one direction.
type Flight struct {
	Session   SessionInfo
	Time      time.Time
	Direction Direction
	Mail      bool   // Data is the begin of a mail, of which the flight before had a word
	Data      []byte // shared by all watchers: not to be changed
	Cut       int    // bytes left out at the end of Data
	Ended     bool   // the session ended; there is no Data
	Lost      int    // flights that this watcher lost just before this one, of any session, because it was slow
}

const (
	maxFlight  = 64 << 10 // bytes of a flight that are shown
	maxMail    = 1 << 20  // bytes of a mail
	maxPending = 4 << 20  // bytes that wait for a watcher
	maxBacklog = 16       // flights of a session kept until its text comes up
	maxHeld    = 4 << 10  // bytes of these
)

// ErrTooManyWatchers says that there are MaxWatchers already.
var ErrTooManyWatchers = errors.New("monitor: too many watchers")

// Watcher gets the flights of the sessions its filter selects. The holder calls Next again and again, and Close
// in the end.
type Watcher struct {
	live   *Live
	filter SessionFilter
	text   []byte // in lower case; nil: show all
	limit  int

	following atomic.Int64 // sessions
	passed    atomic.Int64 // sessions that were not followed

	mu      sync.Mutex
	queue   []Flight
	bytes   int
	lost    int // since the last flight in queue
	dropped int64
	closed  bool
	wake    chan struct{} // holds one token when there may be something to fetch
}

// Watch begins to watch sessions. buffer is how many flights, of 4 MiB together, may wait to be fetched with Next;
// beyond that they are lost. Zero means 1,000. It fails with ErrTooManyWatchers.
func (l *Live) Watch(f SessionFilter, buffer int) (*Watcher, error) {
	w := &Watcher{live: l, filter: f, limit: cmp.Or(buffer, 1000), wake: make(chan struct{}, 1)}
	if f.Text != "" {
		w.text = bytes.ToLower([]byte(f.Text))
	}
	all := &l.sessions
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.watchers) >= cmp.Or(l.MaxWatchers, 100) {
		return nil, ErrTooManyWatchers
	}
	if all.watchers == nil {
		all.watchers = map[*Watcher]bool{}
	}
	all.watchers[w] = true
	for _, t := range all.open {
		t.join(w)
	}
	return w, nil
}

// Next returns the next flight, waiting for it. It returns ctx's error when that ends, and io.EOF after Close.
func (w *Watcher) Next(ctx context.Context) (Flight, error) {
	for {
		if f, ok, err := w.fetch(); ok {
			return f, err
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			return Flight{}, ctx.Err()
		}
	}
}

func (w *Watcher) fetch() (f Flight, ok bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return f, true, io.EOF
	}
	if len(w.queue) == 0 {
		return f, false, nil
	}
	f = w.queue[0]
	w.queue[0] = Flight{}
	w.queue = w.queue[1:]
	w.bytes -= len(f.Data)
	return f, true, nil
}

// Dropped returns how many flights were lost, because they were not fetched in time.
func (w *Watcher) Dropped() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Passed returns how many sessions that the filter selects were passed over, because as many as it allows were
// followed.
func (w *Watcher) Passed() int64 { return w.passed.Load() }

// admit reports whether one more session may be followed.
func (w *Watcher) admit() bool {
	if n := w.following.Add(1); w.filter.Most > 0 && n > int64(w.filter.Most) {
		w.following.Add(-1)
		w.passed.Add(1)
		return false
	}
	return true
}

// Close ends the watching. It may be called at any time and more than once.
func (w *Watcher) Close() {
	all := &w.live.sessions
	all.mu.Lock()
	if all.watchers[w] {
		delete(all.watchers, w)
		for _, t := range all.open {
			t.leave(w)
		}
	}
	all.mu.Unlock()
	w.mu.Lock()
	w.closed, w.queue = true, nil
	w.mu.Unlock()
	w.signal()
}

func (w *Watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// put queues a flight, or loses it.
func (w *Watcher) put(f *Flight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return
	case len(w.queue) >= w.limit || w.bytes+len(f.Data) > maxPending:
		w.lost++
		w.dropped++
		return
	}
	own := *f
	own.Lost, w.lost = w.lost, 0
	w.queue = append(w.queue, own)
	w.bytes += len(f.Data)
	w.signal()
}

// view is what one watcher sees of one session.
type view struct {
	watcher *Watcher
	open    bool // everything is shown; otherwise the text has not come up yet
	backlog []Flight
	held    int
}

func (v *view) show(f *Flight) {
	switch {
	case v.open:
		v.watcher.put(f)
	case f.Ended:
	case bytes.Contains(bytes.ToLower(f.Data), v.watcher.text):
		v.open = true
		for i := range v.backlog {
			v.watcher.put(&v.backlog[i])
		}
		v.backlog = nil
		v.watcher.put(f)
	default:
		v.keep(f)
	}
}

// keep holds f back with the few flights before it, within bounds.
func (v *view) keep(f *Flight) {
	v.backlog = append(v.backlog, *f)
	v.held += len(f.Data)
	for len(v.backlog) > maxBacklog || v.held > maxHeld {
		v.held -= len(v.backlog[0].Data)
		v.backlog = append(v.backlog[:0], v.backlog[1:]...)
	}
}
