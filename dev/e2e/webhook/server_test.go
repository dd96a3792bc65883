package webhook

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/monitor/webhook"
)

func TestMain(m *testing.M) { mtatest.Main(m) }

const secret = "s3cret-of-the-hook"

// event is one result as it was posted.
type event struct {
	ID      string
	Final   bool
	Message mtatest.Attempt
}

// server takes results, unless refuse says otherwise.
type server struct {
	*httptest.Server
	t      testing.TB
	refuse func(n int) int // the code to answer request n with; 0: take it

	mu       sync.Mutex
	requests int
	order    []string // ids, the first time that they came
	times    map[string]int
	events   map[string]event
}

func newServer(t testing.TB) *server {
	s := &server{t: t, times: map[string]int{}, events: map[string]event{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // mtad was killed
	}
	if err := webhook.Verify(secret, r.Header, body, time.Now()); err != nil {
		s.t.Error(err)
	}
	var batch []event
	if err := json.Unmarshal(body, &batch); err != nil {
		s.t.Errorf("%v in %.100s", err, body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.refuse != nil {
		if code := s.refuse(s.requests); code != 0 {
			http.Error(w, "not now", code)
			return
		}
	}
	for _, e := range batch {
		if s.times[e.ID]++; s.times[e.ID] == 1 {
			s.order, s.events[e.ID] = append(s.order, e.ID), e
		}
	}
}

// count returns how many results came.
func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.order)
}

// finals returns to how many addresses mail has its last result.
func (s *server) finals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]bool{}
	for _, e := range s.events {
		if e.Final {
			all[e.Message.Recipient] = true
		}
	}
	return len(all)
}

// await waits until as many results came, and returns them in order.
func (s *server) await(n int) []event {
	s.t.Helper()
	mtatest.Eventually(s.t, "results arrive", func() bool { return s.count() >= n })
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]event, len(s.order))
	for i, id := range s.order {
		all[i] = s.events[id]
	}
	return all
}

// settings have results posted here.
func (s *server) settings() mtatest.Settings {
	return mtatest.Settings{"webhook-url": s.URL + "/in?token=t0ken", "webhook-secret": secret, "webhook-delay": "50ms"}
}

// inOrder requires that the results of each message came in the order of its attempts.
func (s *server) inOrder() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	last := map[string]int{}
	for _, id := range s.order {
		message, _, _ := strings.Cut(id, "/")
		attempts := len(s.events[id].Message.Results)
		require.Greater(s.t, attempts, last[message], id)
		last[message] = attempts
	}
}
