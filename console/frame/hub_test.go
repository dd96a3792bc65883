package frame

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

	"github.com/sluicemail/sluice/internal/webtest"
)

func TestOneComputationForAll(t *testing.T) {
	w := newWorld(t, nil)
	var calls atomic.Int64
	w.hub.mu.Lock()
	w.hub.topics["test"] = Topic{Value: func(context.Context, url.Values) any { return calls.Add(1) }}
	w.hub.mu.Unlock()
	w.logIn()
	var sockets []*webtest.Watcher
	for range 50 {
		sockets = append(sockets, w.Watch("test"))
	}
	for _, s := range sockets {
		s.Until("test", func(webtest.Message) bool { return true })
	}
	begun, from := time.Now(), calls.Load()
	last := sockets[0].Until("test", func(m webtest.Message) bool {
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
		<-time.After(2 * Beat)
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
	w.hub.topics["slow"] = Topic{Value: func(context.Context, url.Values) any {
		n := slow.Add(1)
		if n > 2*atOnce {
			<-release
		}
		return n
	}}
	w.hub.topics["quick"] = Topic{Value: func(context.Context, url.Values) any { return quick.Add(1) }}
	w.hub.mu.Unlock()
	w.logIn()
	var topics []string
	for i := range atOnce {
		topics = append(topics, fmt.Sprintf("slow?n=%d", i))
	}
	first := w.Watch(append(topics, "quick")...)
	number := func(m webtest.Message) (n int64) { require.NoError(t, json.Unmarshal(m.Data, &n)); return n }
	first.Until("slow?n=0", func(webtest.Message) bool { return true })
	require.Eventually(t, func() bool { return slow.Load() == 3*atOnce }, webtest.Patience, Beat, "all of them wait")
	from := quick.Load()
	first.Until("quick", func(m webtest.Message) bool { return number(m) > from+10 })
	second := w.Watch("slow?n=0", "quick")
	second.Until("slow?n=0", func(m webtest.Message) bool { return number(m) <= 2*atOnce })
	require.EqualValues(t, 3*atOnce, slow.Load(), "each is computed once at a time")
	first.CloseNow()
	second.CloseNow()
	require.Eventually(t, func() bool { return !w.hub.anybody() }, webtest.Patience, Beat)
	third := w.Watch("slow?n=1", "quick")
	third.Until("quick", func(webtest.Message) bool { return true })
	require.EqualValues(t, 3*atOnce, slow.Load(), "also when nobody watched it for a moment")
	close(release)
	third.Until("slow?n=1", func(m webtest.Message) bool { return number(m) > 3*atOnce })
}

func TestSlowBrowserLosesUpdates(t *testing.T) {
	s := &socket{pending: map[string][]byte{}, room: make(chan struct{}, 1), woken: make(chan struct{}, 1)}
	for i := range 1000 {
		s.put("figures", fmt.Appendf(nil, "%d", i))
		s.put("rows", fmt.Appendf(nil, "r%d", i))
	}
	texts, _ := s.take()
	require.Equal(t, [][]byte{[]byte("999"), []byte("r999")}, texts, "the newest only")
}

func TestStreamWaitsForItsBrowser(t *testing.T) {
	s := &socket{pending: map[string][]byte{}, room: make(chan struct{}, 1), woken: make(chan struct{}, 1)}
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
	_, response, err := w.Dial()
	require.Error(t, err)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	w.logIn()
	for _, origin := range []string{"https://evil.test", "null", "", "http://127.0.0.1:1", w.Server.URL + ".evil.test"} {
		_, response, err = w.Dial("Origin", origin)
		require.Error(t, err, origin)
		require.Equal(t, http.StatusForbidden, response.StatusCode, origin)
	}
	require.Equal(t, http.StatusUpgradeRequired, w.Get("/live", "Origin", w.Server.URL).StatusCode)
}

func TestSocketEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(*world){
		"logged out": func(w *world) { w.Do("POST", "/logout", url.Values{"csrf": {w.CSRF()}}) },
		"expired":    func(w *world) { w.Clock.Forward(31 * time.Minute) },
	} {
		w := newWorld(t, nil).logIn()
		socket := w.Watch("figures")
		socket.Until("figures", func(webtest.Message) bool { return true })
		end(w)
		for {
			if _, err := socket.Next(); err != nil {
				require.Equal(t, loggedOut, websocket.CloseStatus(err), name)
				break
			}
		}
	}
}

func TestUseOfAPageKeepsItsSession(t *testing.T) {
	w := newWorld(t, nil).logIn()
	socket := w.Watch("figures")
	socket.Until("figures", func(webtest.Message) bool { return true })
	w.Clock.Forward(29 * time.Minute)
	require.NoError(t, socket.Write(t.Context(), websocket.MessageText, []byte(`{"active":true}`)))
	require.Eventually(t, func() bool { return w.sessions.list(nil)[0].Seen.Equal(w.Clock.Now()) }, 5*time.Second,
		time.Millisecond)
	w.Clock.Forward(29 * time.Minute)
	require.Equal(t, http.StatusNoContent, w.Get("/session").StatusCode)
}

func TestSocketFlood(t *testing.T) {
	w := newWorld(t, nil).logIn()
	ended := func(s *webtest.Watcher) websocket.StatusCode {
		for {
			if _, err := s.Next(); err != nil {
				return websocket.CloseStatus(err)
			}
		}
	}
	chatty := w.Watch()
	for range 1000 {
		if chatty.Write(t.Context(), websocket.MessageText, []byte(`{"active":true}`)) != nil {
			break
		}
	}
	require.NotEqual(t, websocket.StatusNormalClosure, ended(chatty))
	large := w.Watch()
	_ = large.Write(t.Context(), websocket.MessageText, []byte(strings.Repeat(" ", maxAsked+1)))
	require.Equal(t, websocket.StatusMessageTooBig, ended(large))
	broken := w.Watch()
	require.NoError(t, broken.Write(t.Context(), websocket.MessageText, []byte(`{"watch":`)))
	require.Equal(t, websocket.StatusInvalidFramePayloadData, ended(broken))

	many := w.Watch()
	for i := range 30 {
		var topics []string
		for j := range 100 {
			topics = append(topics, fmt.Sprintf("rows?of=domains&q=%d-%d", i, j))
		}
		many.Ask(topics...)
	}
	many.Until("rows?of=domains&q=29-0", func(webtest.Message) bool { return true })
	require.Eventually(t, func() bool { w.hub.mu.Lock(); defer w.hub.mu.Unlock(); return len(w.hub.watched) <= maxTopics },
		webtest.Patience, Beat)
	require.Equal(t, 200, w.Get("/").StatusCode)
}
