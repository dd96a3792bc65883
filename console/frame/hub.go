package frame

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Topic is a kind of live data: value returns what it says now, for all who watch it with these parameters. What it
// returns is encoded as JSON and must not be changed any more. It is called by one goroutine at a time for each set of
// parameters; while it takes its time, browsers keep what it returned last.
type Topic struct {
	Every time.Duration // at most that often; zero: four times a second
	Value func(ctx context.Context, params url.Values) any
}

const (
	Beat       = 250 * time.Millisecond // updates are never sent faster
	stillAlive = 5 * time.Second        // without news, a browser hears that there are none
	maxTopics  = 16                     // of a browser
	maxWatched = 2000                   // different ones, of all browsers together
	maxTopic   = 2048                   // bytes of its name and parameters
	atOnce     = 8                      // topics that are computed side by side
	topicTime  = time.Second            // then one is no longer counted among these: it waits, and others go on
)

// hub knows the browsers that watch, and computes what they watch once for all.
type hub struct {
	f       *Frame
	topics  map[string]Topic
	streams map[string]Stream

	mu      sync.Mutex
	sockets map[*socket]bool
	watched map[string]*watched
	closed  bool
	woken   chan struct{} // there is somebody to serve
	turns   chan struct{} // holds a token for each topic that is being computed
	ended   sync.WaitGroup
}

// watched is a topic with parameters that somebody watches.
type watched struct {
	topic  Topic
	name   string // as browsers wrote it
	params url.Values
	by     map[*socket]bool
	last   time.Time
	busy   bool   // it is being computed
	text   []byte // the newest message; nil: none was computed yet
}

func (h *hub) start(f *Frame) {
	h.f = f
	h.topics, h.streams = map[string]Topic{}, map[string]Stream{}
	for _, p := range f.Pages {
		maps.Copy(h.topics, p.Topics)
		maps.Copy(h.streams, p.Streams)
	}
	h.topics["shell"] = Topic{Every: 4 * Beat, Value: f.shellNews}
	h.sockets, h.watched = map[*socket]bool{}, map[string]*watched{}
	h.woken, h.turns = make(chan struct{}, 1), make(chan struct{}, atOnce)
	h.ended.Go(h.run)
}

// join takes a browser in, unless there are too many.
func (h *hub) join(s *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.sockets) >= cmp.Or(max(h.f.MaxSockets, 0), 1000) {
		return false
	}
	h.sockets[s] = true
	h.ended.Add(1)
	h.wake()
	return true
}

func (h *hub) leave(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, s)
	h.forget(s, nil)
	h.ended.Done()
}

// forget ends what a browser watches, but for those in keep; the caller holds the lock.
func (h *hub) forget(s *socket, keep []string) {
	for name, w := range h.watched {
		if w.by[s] && !slices.Contains(keep, name) {
			delete(w.by, s)
			h.drop(name, w)
		}
	}
}

// drop forgets a topic that nobody watches, once it is not being computed any more; the caller holds the lock.
func (h *hub) drop(name string, w *watched) {
	if len(w.by) == 0 && !w.busy {
		delete(h.watched, name)
	}
}

// watch has a browser watch these topics, and no others. Unknown ones are left out. What is known already it gets at
// once.
func (h *hub) watch(s *socket, names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.sockets[s] {
		return
	}
	names = names[:min(len(names), maxTopics)]
	h.forget(s, names)
	for _, name := range names {
		w := h.watched[name]
		if w == nil {
			if w = h.newWatched(name); w == nil || len(h.watched) >= maxWatched {
				continue
			}
			h.watched[name] = w
		}
		if !w.by[s] {
			w.by[s] = true
			if w.text != nil {
				s.put(name, w.text)
			}
		}
	}
	h.wake()
}

func (h *hub) newWatched(name string) *watched {
	if len(name) > maxTopic {
		return nil
	}
	kind, query, _ := strings.Cut(name, "?")
	t, known := h.topics[kind]
	params, err := url.ParseQuery(query)
	if !known || err != nil {
		return nil
	}
	return &watched{topic: t, name: name, params: params, by: map[*socket]bool{}}
}

func (h *hub) wake() {
	select {
	case h.woken <- struct{}{}:
	default:
	}
}

// run computes what is watched, and sleeps while nobody watches.
func (h *hub) run() {
	ticker := time.NewTicker(Beat)
	defer ticker.Stop()
	for {
		if !h.anybody() {
			ticker.Stop()
			select {
			case <-h.woken:
			case <-h.f.life.Done():
				return
			}
			ticker.Reset(Beat)
		}
		h.tick(time.Now())
		select {
		case <-ticker.C:
		case <-h.f.life.Done():
			return
		}
	}
}

func (h *hub) anybody() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sockets) > 0
}

// tick has computed what is due, and looks after the browsers.
func (h *hub) tick(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	for _, w := range h.watched {
		if !w.busy && now.Sub(w.last) >= max(w.topic.Every, Beat)-Beat/4 {
			w.busy, w.last = true, now
			h.ended.Go(func() { h.compute(w) })
		}
	}
	for s := range h.sockets {
		s.look(now)
	}
}

// compute computes a topic when it is its turn, and leaves what is new with the browsers that watch it. A turn ends
// with the computation, or after a while: one that waits for something is in nobody's way.
func (h *hub) compute(w *watched) {
	select {
	case h.turns <- struct{}{}:
	case <-h.f.life.Done():
		return
	}
	end := sync.OnceFunc(func() { <-h.turns })
	slow := time.AfterFunc(topicTime, end)
	text := h.message(w)
	slow.Stop()
	end()
	h.mu.Lock()
	defer h.mu.Unlock()
	w.busy = false
	h.drop(w.name, w)
	if text == nil || bytes.Equal(text, w.text) {
		return
	}
	w.text = text
	for s := range w.by {
		s.put(w.name, text)
	}
}

// message makes the message of a topic. One that panics is logged, and says nothing.
func (h *hub) message(w *watched) (text []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			h.f.log().Error("console: live data failed", "topic", w.name, "panic", cause)
			text = nil
		}
	}()
	text, err := json.Marshal(struct {
		Topic string `json:"topic"`
		Data  any    `json:"data"`
	}{w.name, w.topic.Value(h.f.life, w.params)})
	if err != nil {
		h.f.log().Error("console: live data cannot be encoded", "topic", w.name, "error", err)
		return nil
	}
	return text
}

// close ends all sockets and waits for them.
func (h *hub) close() {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		for s := range h.sockets {
			s.end(goingAway, "the server stops")
		}
	}
	h.mu.Unlock()
	h.ended.Wait()
}
