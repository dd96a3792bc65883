package frame

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Stream is live data that each browser gets for itself: run calls send with each piece until ctx ends, and returns
// then. send waits while the browser is slow, and fails when it is gone. What run returns is shown, unless ctx has
// ended.
type Stream struct {
	Run func(ctx context.Context, params url.Values, send func(any) error) error
}

const (
	maxAsked    = 16 << 10 // bytes of a browser's message
	maxPieces   = 200      // of a stream that wait for the writer
	askedAtOnce = 40       // messages of a browser in a burst, then ten a second
	writeTime   = 10 * time.Second
	pingEvery   = 20 * time.Second
	goingAway   = websocket.StatusGoingAway
	// loggedOut tells the page to go to the login page.
	loggedOut websocket.StatusCode = 4401
)

// socket is a browser that watches.
type socket struct {
	f       *Frame
	conn    *websocket.Conn
	session *session
	cancel  context.CancelFunc

	mu      sync.Mutex
	pending map[string][]byte // newest message by topic
	order   []string          // of pending
	pieces  [][]byte          // of streams
	room    chan struct{}     // holds a token when pieces may have room again
	woken   chan struct{}     // holds a token when there is something to write
	why     *ending
	running map[string]context.CancelFunc // streams

	sent time.Time // guarded by mu: when something was last written
}

type ending struct {
	code websocket.StatusCode
	text string
}

// socket accepts the web socket of a page.
func (f *Frame) socket(w http.ResponseWriter, r *http.Request) {
	s := f.session(r, false)
	if s == nil {
		http.Error(w, "log in first", http.StatusUnauthorized)
		return
	}
	if !ownOrigin(r) {
		http.Error(w, "live data is for the pages of this console", http.StatusForbidden)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	conn, err := websocket.Accept(unwrapped(w), r,
		&websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(maxAsked)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	one := &socket{f: f, conn: conn, session: s, cancel: cancel, pending: map[string][]byte{},
		running: map[string]context.CancelFunc{},
		room:    make(chan struct{}, 1), woken: make(chan struct{}, 1), sent: time.Now()}
	if !f.hub.join(one) {
		_ = conn.Close(websocket.StatusTryAgainLater, "too many pages are open")
		return
	}
	defer f.hub.leave(one)
	one.serve(ctx)
}

// unwrapped is what can be hijacked, so that the recorder does not hide it.
func unwrapped(w http.ResponseWriter) http.ResponseWriter {
	if rec, ok := w.(*recorder); ok {
		rec.status = http.StatusSwitchingProtocols
		return rec.ResponseWriter
	}
	return w
}

// ownOrigin reports whether the page that opens a socket came from this host; browsers always say.
func ownOrigin(r *http.Request) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host != "" && strings.EqualFold(origin.Host, r.Host)
}

// serve reads and writes until either ends, and waits for both and for the streams.
func (s *socket) serve(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { defer s.cancel(); s.write(ctx) })
	s.read(ctx, &all)
	s.cancel()
	all.Wait()
	s.mu.Lock()
	why := s.why
	s.mu.Unlock()
	if why == nil {
		why = &ending{websocket.StatusNormalClosure, ""}
	}
	// Close waits for the other side, which may be gone; the connection is closed in any case.
	_ = s.conn.Close(why.code, why.text)
}

// asked is what a browser sends.
type asked struct {
	Watch  *[]string `json:"watch"`  // topics and streams, instead of those before
	Active bool      `json:"active"` // somebody uses the page
}

// read follows what the browser asks for.
func (s *socket) read(ctx context.Context, all *sync.WaitGroup) {
	allowance, last := float64(askedAtOnce), time.Now()
	for {
		kind, text, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		now := time.Now()
		allowance = min(askedAtOnce, allowance+10*now.Sub(last).Seconds()) - 1
		last = now
		if allowance < 0 {
			s.end(websocket.StatusPolicyViolation, "too many messages")
			return
		}
		var a asked
		if kind != websocket.MessageText || json.Unmarshal(text, &a) != nil {
			s.end(websocket.StatusInvalidFramePayloadData, "expected JSON")
			return
		}
		if a.Active {
			s.f.sessions.valid(s.session, true)
		}
		if a.Watch != nil {
			s.watch(ctx, all, *a.Watch)
		}
	}
}

// watch divides what is asked for into topics and streams.
func (s *socket) watch(ctx context.Context, all *sync.WaitGroup, names []string) {
	names = names[:min(len(names), maxTopics)]
	var topics []string
	wanted := map[string]bool{}
	for _, name := range names {
		kind, query, _ := strings.Cut(name, "?")
		st, ok := s.f.hub.streams[kind]
		params, err := url.ParseQuery(query)
		if !ok || err != nil || len(name) > maxTopic {
			topics = append(topics, name)
			continue
		}
		wanted[name] = true
		if s.running[name] == nil {
			running, stop := context.WithCancel(ctx)
			s.running[name] = stop
			all.Go(func() { s.follow(running, st, name, params) })
		}
	}
	for name, stop := range s.running {
		if !wanted[name] {
			stop()
			delete(s.running, name)
		}
	}
	s.f.hub.watch(s, topics)
}

// follow runs a stream.
func (s *socket) follow(ctx context.Context, st Stream, name string, params url.Values) {
	defer func() {
		if cause := recover(); cause != nil {
			s.f.log().Error("console: live data failed", "stream", name, "panic", cause)
		}
	}()
	type piece struct {
		Topic string `json:"topic"`
		Data  any    `json:"data,omitempty"`
		Error string `json:"error,omitempty"`
	}
	err := st.Run(ctx, params, func(data any) error { return s.push(ctx, piece{Topic: name, Data: data}) })
	if err != nil && ctx.Err() == nil {
		_ = s.push(ctx, piece{Topic: name, Error: err.Error()})
	}
}

// push leaves a piece of a stream to the writer, waiting for room.
func (s *socket) push(ctx context.Context, piece any) error {
	text, err := json.Marshal(piece)
	if err != nil {
		return err
	}
	for {
		s.mu.Lock()
		if len(s.pieces) < maxPieces {
			s.pieces = append(s.pieces, text)
			s.mu.Unlock()
			s.wake()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-s.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// put leaves the newest message of a topic to the writer; a message that has not gone out yet is lost.
func (s *socket) put(name string, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending[name] == nil {
		s.order = append(s.order, name)
	}
	s.pending[name] = text
	s.wake()
}

// look ends the socket with its session, and has the browser hear of us when there is no news.
func (s *socket) look(now time.Time) {
	if !s.f.sessions.valid(s.session, false) {
		s.end(loggedOut, "the session has ended")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.sent) >= stillAlive && len(s.order) == 0 {
		s.pending["alive"] = []byte(`{"topic":"alive"}`)
		s.order = append(s.order, "alive")
		s.wake()
	}
}

// end has the socket closed for a reason.
func (s *socket) end(code websocket.StatusCode, text string) {
	s.mu.Lock()
	if s.why == nil {
		s.why = &ending{code, text}
	}
	s.mu.Unlock()
	s.wake()
}

func (s *socket) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// take returns what is to be written, and why the socket ends.
func (s *socket) take() (texts [][]byte, why *ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.order {
		texts = append(texts, s.pending[name])
		delete(s.pending, name)
	}
	s.order = s.order[:0]
	texts = append(texts, s.pieces...)
	s.pieces = nil
	select {
	case s.room <- struct{}{}:
	default:
	}
	return texts, s.why
}

// write sends what there is, at most four times a second, and pings.
func (s *socket) write(ctx context.Context) {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-s.woken:
		case <-ping.C:
			if s.withDeadline(ctx, s.conn.Ping) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
		texts, why := s.take()
		for _, text := range texts {
			err := s.withDeadline(ctx, func(ctx context.Context) error { return s.conn.Write(ctx, websocket.MessageText, text) })
			if err != nil {
				return
			}
		}
		if why != nil {
			_ = s.conn.Close(why.code, why.text)
			return
		}
		if len(texts) == 0 {
			continue
		}
		s.mu.Lock()
		s.sent = time.Now()
		s.mu.Unlock()
		select {
		case <-time.After(Beat):
		case <-ctx.Done():
			return
		}
	}
}

func (s *socket) withDeadline(ctx context.Context, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	err := do(bounded)
	if errors.Is(err, context.DeadlineExceeded) {
		s.end(websocket.StatusPolicyViolation, "too slow")
	}
	return err
}
