package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// follower is a tracer that follows what has a context.
type follower struct{ received []string }

func (f *follower) Begin(parent string) string {
	if parent == "" {
		return ""
	}
	return "followed:" + parent
}

func (f *follower) Received(parent, own string, _ time.Time, stages *monitor.Stages) {
	f.received = append(f.received, parent+" "+own)
	if stages.Store <= 0 {
		f.received = append(f.received, "nothing was measured")
	}
}

// An injected message carries the trace of its request along, unless it names one of its own.
func TestInjectionIsFollowed(t *testing.T) {
	w := newWorld(t)
	f := new(follower)
	w.admin.Tracer = f
	for _, header := range []string{"", "of the request"} {
		r, err := http.NewRequest("POST", w.server.URL+"/v1/inject", strings.NewReader(
			`[{"message-id":"plain`+header+`","recipient":"a@b.test","mime":"x"},`+
				`{"message-id":"own`+header+`","recipient":"a@b.test","mime":"x","traceparent":"of its own"}]`))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+w.token)
		r.Header.Set("Content-Type", "application/json")
		if header != "" {
			r.Header.Set("traceparent", header)
		}
		answer, err := w.client.Do(r)
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, 200, answer.StatusCode)
	}
	for id, want := range map[string]string{"plain": "", "own": "followed:of its own",
		"plainof the request": "followed:of the request", "ownof the request": "followed:of its own"} {
		m, err := w.queue.(queue.Inspector).Peek(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, want, m.TraceParent(), id)
	}
	require.Equal(t, []string{"of its own followed:of its own", "of the request followed:of the request",
		"of its own followed:of its own"}, f.received)
}
