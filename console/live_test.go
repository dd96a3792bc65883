package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/monitor"
)

// patience is how long what is to come may take on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watcher is a browser's web socket.
type watcher struct {
	*websocket.Conn
	t *testing.T
}

func (w *world) dial(headers ...string) (*watcher, *http.Response, error) {
	h := http.Header{"Origin": {w.server.URL}}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, w.server.URL+"/live",
		&websocket.DialOptions{HTTPClient: &http.Client{Jar: w.client.Jar}, HTTPHeader: h})
	if err != nil {
		return nil, response, err
	}
	w.t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(1 << 20)
	return &watcher{conn, w.t}, response, nil
}

func (w *world) watch(topics ...string) *watcher {
	w.t.Helper()
	socket, _, err := w.dial()
	require.NoError(w.t, err)
	socket.ask(topics...)
	return socket
}

func (w *watcher) ask(topics ...string) {
	w.t.Helper()
	text, err := json.Marshal(map[string]any{"watch": topics})
	require.NoError(w.t, err)
	require.NoError(w.t, w.Write(w.t.Context(), websocket.MessageText, text))
}

type message struct {
	Topic string
	Data  json.RawMessage
}

func (w *watcher) next() (message, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	_, text, err := w.Read(ctx)
	var m message
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	return m, err
}

// until reads until a message of a topic passes.
func (w *watcher) until(topic string, ok func(message) bool) message {
	w.t.Helper()
	for begun := time.Now(); ; {
		m, err := w.next()
		require.NoError(w.t, err)
		require.Less(w.t, time.Since(begun), patience, "waiting for %s", topic)
		if m.Topic == topic && ok(m) {
			return m
		}
	}
}

func TestLiveData(t *testing.T) {
	w := newWorld(t, nil).logIn()
	socket := w.watch("figures", "shell?filtered=1", "rows?of=domains", "nonsense", "rows?of=elsewhere")
	socket.until("shell?filtered=1", func(m message) bool { return strings.Contains(string(m.Data), `"running"`) })
	w.Live.Observe(&monitor.Event{Kind: monitor.ConnStarting, Domain: "a.test"})
	socket.until("figures", func(m message) bool {
		var n figures
		require.NoError(t, json.Unmarshal(m.Data, &n))
		return n.Gauges[1].Value == 1
	})
	w.clock.forward(2 * time.Second)
	socket.until("rows?of=domains", func(m message) bool { return strings.Contains(string(m.Data), "a.test") })
}

func TestOneComputationForAll(t *testing.T) {
	w := newWorld(t, nil)
	var calls atomic.Int64
	w.hub.mu.Lock()
	w.hub.topics["test"] = topic{value: func(c *Console, q url.Values) any { return calls.Add(1) }}
	w.hub.mu.Unlock()
	w.logIn()
	var sockets []*watcher
	for range 50 {
		sockets = append(sockets, w.watch("test"))
	}
	for _, s := range sockets {
		s.until("test", func(message) bool { return true })
	}
	begun, from := time.Now(), calls.Load()
	last := sockets[0].until("test", func(m message) bool {
		var n int64
		return json.Unmarshal(m.Data, &n) == nil &&
			n >= from+4
	})
	require.NotEmpty(t, last.Data)
	require.LessOrEqual(t, float64(calls.Load()-from), 2+time.Since(begun).Seconds()*5, "four a second for fifty browsers")
	for _, s := range sockets {
		s.CloseNow()
	}
	require.Eventually(t, func() bool { return !w.hub.anybody() }, 10*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { // a tick under way ends; then nothing is computed for nobody
		before := calls.Load()
		<-time.After(2 * beat)
		return calls.Load() == before
	}, 10*time.Second, time.Millisecond)
}

// TestSlowTopicHoldsUpNoOther has topics that wait for something: more than are computed at a time. Others go on, and
// who comes meanwhile gets the last value.
func TestSlowTopicHoldsUpNoOther(t *testing.T) {
	w := newWorld(t, nil)
	release := make(chan struct{})
	var slow, quick atomic.Int64
	w.hub.mu.Lock()
	w.hub.topics["slow"] = topic{value: func(*Console, url.Values) any {
		n := slow.Add(1)
		if n > 2*atOnce {
			<-release
		}
		return n
	}}
	w.hub.topics["quick"] = topic{value: func(*Console, url.Values) any { return quick.Add(1) }}
	w.hub.mu.Unlock()
	w.logIn()
	var topics []string
	for i := range atOnce {
		topics = append(topics, fmt.Sprintf("slow?n=%d", i))
	}
	first := w.watch(append(topics, "quick")...)
	number := func(m message) (n int64) { require.NoError(t, json.Unmarshal(m.Data, &n)); return n }
	first.until("slow?n=0", func(message) bool { return true })
	require.Eventually(t, func() bool { return slow.Load() == 3*atOnce }, patience, beat, "all of them wait")
	from := quick.Load()
	first.until("quick", func(m message) bool { return number(m) > from+10 })
	second := w.watch("slow?n=0", "quick")
	second.until("slow?n=0", func(m message) bool { return number(m) <= 2*atOnce })
	require.EqualValues(t, 3*atOnce, slow.Load(), "each is computed once at a time")
	first.CloseNow()
	second.CloseNow()
	require.Eventually(t, func() bool { return !w.hub.anybody() }, patience, beat)
	third := w.watch("slow?n=1", "quick")
	third.until("quick", func(message) bool { return true })
	require.EqualValues(t, 3*atOnce, slow.Load(), "also when nobody watched it for a moment")
	close(release)
	third.until("slow?n=1", func(m message) bool { return number(m) > 3*atOnce })
}

func TestSlowBrowserLosesUpdates(t *testing.T) {
	s := &socket{pending: map[string][]byte{}, room: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	for i := range 1000 {
		s.put("figures", fmt.Appendf(nil, "%d", i))
		s.put("rows", fmt.Appendf(nil, "r%d", i))
	}
	texts, _ := s.take()
	require.Equal(t, [][]byte{[]byte("999"), []byte("r999")}, texts, "the newest only")
}

func TestStreamWaitsForItsBrowser(t *testing.T) {
	s := &socket{pending: map[string][]byte{}, room: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan int)
	go func() {
		n := 0
		for s.push(ctx, n) == nil {
			n++
		}
		sent <- n
	}()
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.pieces) == maxPieces },
		5*time.Second, time.Millisecond)
	texts, _ := s.take()
	require.Len(t, texts, maxPieces)
	require.Equal(t, "199", string(texts[199]), "nothing is lost")
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.pieces) == maxPieces },
		5*time.Second, time.Millisecond)
	cancel()
	require.Equal(t, 2*maxPieces, <-sent)
}

func TestSocketIsForLoggedInPagesOfOurs(t *testing.T) {
	w := newWorld(t, nil)
	_, response, err := w.dial()
	require.Error(t, err)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	w.logIn()
	for _, origin := range []string{"https://evil.test", "null", "", "http://127.0.0.1:1", w.server.URL + ".evil.test"} {
		_, response, err = w.dial("Origin", origin)
		require.Error(t, err, origin)
		require.Equal(t, http.StatusForbidden, response.StatusCode, origin)
	}
	require.Equal(t, http.StatusUpgradeRequired, w.get("/live", "Origin", w.server.URL).StatusCode)
}

func TestSocketEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(*world){
		"logged out": func(w *world) { w.do("POST", "/logout", url.Values{"csrf": {w.csrf()}}) },
		"expired":    func(w *world) { w.clock.forward(31 * time.Minute) },
	} {
		w := newWorld(t, nil).logIn()
		socket := w.watch("figures")
		socket.until("figures", func(message) bool { return true })
		end(w)
		for {
			if _, err := socket.next(); err != nil {
				require.Equal(t, loggedOut, websocket.CloseStatus(err), name)
				break
			}
		}
	}
}

func TestUseOfAPageKeepsItsSession(t *testing.T) {
	w := newWorld(t, nil).logIn()
	socket := w.watch("figures")
	socket.until("figures", func(message) bool { return true })
	w.clock.forward(29 * time.Minute)
	require.NoError(t, socket.Write(t.Context(), websocket.MessageText, []byte(`{"active":true}`)))
	require.Eventually(t, func() bool { return w.sessions.list(nil)[0].Seen.Equal(w.clock.Now()) }, 5*time.Second,
		time.Millisecond)
	w.clock.forward(29 * time.Minute)
	require.Equal(t, http.StatusNoContent, w.get("/session").StatusCode)
}

func TestSocketFlood(t *testing.T) {
	w := newWorld(t, nil).logIn()
	ended := func(s *watcher) websocket.StatusCode {
		for {
			if _, err := s.next(); err != nil {
				return websocket.CloseStatus(err)
			}
		}
	}
	chatty := w.watch()
	for range 1000 {
		if chatty.Write(t.Context(), websocket.MessageText, []byte(`{"active":true}`)) != nil {
			break
		}
	}
	require.NotEqual(t, websocket.StatusNormalClosure, ended(chatty))
	large := w.watch()
	_ = large.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat(" ", maxAsked+1)))
	require.Equal(t, websocket.StatusMessageTooBig, ended(large))
	broken := w.watch()
	require.NoError(t, broken.Write(t.Context(), websocket.MessageText, []byte(`{"watch":`)))
	require.Equal(t, websocket.StatusInvalidFramePayloadData, ended(broken))

	many := w.watch()
	for i := range 30 {
		var topics []string
		for j := range 100 {
			topics = append(topics, fmt.Sprintf("rows?of=domains&q=%d-%d", i, j))
		}
		many.ask(topics...)
	}
	many.until("rows?of=domains&q=29-0", func(message) bool { return true })
	require.Eventually(t, func() bool { w.hub.mu.Lock(); defer w.hub.mu.Unlock(); return len(w.hub.watched) <= maxTopics },
		patience, beat)
	require.Equal(t, 200, w.get("/").StatusCode)
}

func TestTooManySockets(t *testing.T) {
	w := newWorld(t, func(c *Console) { c.MaxSockets = 2 }).logIn()
	one, two := w.watch("figures"), w.watch("figures")
	one.until("figures", func(message) bool { return true })
	two.until("figures", func(message) bool { return true })
	third, _, err := w.dial()
	require.NoError(t, err)
	_, err = third.next()
	require.Equal(t, websocket.StatusTryAgainLater, websocket.CloseStatus(err))
	w.Live.Observe(&monitor.Event{Kind: monitor.ConnStarting})
	one.until("figures", func(m message) bool { return strings.Contains(string(m.Data), `"starting","value":1`) })
}

func TestCloseTellsBrowsers(t *testing.T) {
	w := newWorld(t, nil).logIn()
	socket := w.watch("figures")
	socket.until("figures", func(message) bool { return true })
	closed := make(chan error)
	go func() { closed <- w.Close() }()
	for {
		if _, err := socket.next(); err != nil {
			require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
			break
		}
	}
	require.NoError(t, <-closed)
	_, response, err := w.dial()
	if err == nil {
		require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	}
}
