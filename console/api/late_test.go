package api_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// silent is a queue that gives no answer.
type silent struct{ *memory.Queue }

func (silent) Publish(ctx context.Context, _ ...queue.Item) error { return wait(ctx) }
func (silent) Queues(ctx context.Context) ([]queue.Stats, error)  { return nil, wait(ctx) }
func (silent) List(ctx context.Context, _ queue.Filter, _ string, _ int) ([]queue.Entry, string, error) {
	return nil, "", wait(ctx)
}
func (silent) Peek(ctx context.Context, _ string) (*queue.Message, error)      { return nil, wait(ctx) }
func (silent) Move(ctx context.Context, _ queue.Filter, _ string) (int, error) { return 0, wait(ctx) }
func (silent) Purge(ctx context.Context, _ queue.Filter) (int, error)          { return 0, wait(ctx) }
func (silent) RetryNow(ctx context.Context, _ queue.Filter) (int, error)       { return 0, wait(ctx) }

func wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestQueueThatDoesNotAnswer asks everything that needs the queue: each answer is 503, with a reason, in time.
func TestQueueThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	w.admin.Queue = silent{memory.New()}
	w.api.Patience = 50 * time.Millisecond
	for _, r := range []struct{ method, path, body string }{
		{http.MethodGet, "/v1/queues", ""},
		{http.MethodGet, "/v1/messages?queue=outbox", ""},
		{http.MethodGet, "/v1/messages/some-id", ""},
		{http.MethodPost, "/v1/messages/move", `{"queue": "outbox", "to": "aside"}`},
		{http.MethodPost, "/v1/messages/drop", `{"queue": "outbox"}`},
		{http.MethodPost, "/v1/messages/retry", `{"queue": "outbox"}`},
		{http.MethodPost, "/v1/inject", `{"recipient": "a@example.com", "mime": "Subject: x\n\nx\n"}`},
	} {
		a := w.send(r.method, r.path, r.body)
		require.Equal(t, http.StatusServiceUnavailable, a.status, "%s %s: %s", r.method, r.path, a.body)
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.Regexp(t, "no answer within", a.body, r.path)
	}
	require.Equal(t, http.StatusOK, w.send(http.MethodGet, "/v1/locals", "").status, "the rest goes on")
}
