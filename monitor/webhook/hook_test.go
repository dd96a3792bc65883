package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor/webhook"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// world is a hook with a queue in front of it and a web server behind it, which answers as it is told.
type world struct {
	t     *testing.T
	queue *memory.Queue
	terms webhook.Terms
	size  int64
	dir   string
	hook  *webhook.Hook
	said  lockedBuffer

	mu       sync.Mutex
	answer   func(r *http.Request, batch []result) *http.Response // nil, or nil from it: 200
	requests []time.Time
	taken    []string // ids, in order
}

type result struct {
	ID, At  string
	Final   bool
	Raw     string
	Message map[string]any
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T) *world {
	return &world{t: t, queue: memory.New(), dir: t.TempDir(),
		terms: webhook.Terms{URL: &url.URL{Scheme: "https", Host: "hooks.test", Path: "/in", RawQuery: "token=s3cret"},
			Secret: "k3y", Batch: 10, Delay: time.Second}}
}

func (w *world) open() *world {
	h, err := webhook.Open(webhook.Options{Queue: w.queue, Name: "webhooks", Dir: w.dir, MaxBytes: w.size,
		Terms: func() *webhook.Terms { return &w.terms }, Transport: w, Logger: slog.New(slog.NewTextHandler(&w.said, nil))})
	require.NoError(w.t, err)
	w.hook = h
	return w
}

func (w *world) close() {
	require.NoError(w.t, w.hook.Close())
	w.hook = nil
}

// RoundTrip is the web server.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	var batch []result
	if err := json.Unmarshal(body, &batch); err != nil {
		w.t.Errorf("%v: %s", err, body)
	}
	if err := webhook.Verify("k3y", r.Header, body, time.Now()); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	w.requests = append(w.requests, time.Now())
	answer := w.answer
	w.mu.Unlock()
	response := reply(200, "")
	if answer != nil {
		if a := answer(r, batch); a != nil {
			response = a
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	response.Request = r
	if response.StatusCode == 200 {
		w.mu.Lock()
		for _, one := range batch {
			w.taken = append(w.taken, one.ID)
		}
		w.mu.Unlock()
	}
	return response, nil
}

func (w *world) answers(f func(r *http.Request, batch []result) *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

// always answers every request alike.
func always(code int, text string, header ...string) func(*http.Request, []result) *http.Response {
	return func(*http.Request, []result) *http.Response { return reply(code, text, header...) }
}

func reply(code int, text string, header ...string) *http.Response {
	r := &http.Response{StatusCode: code, Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(text))}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (w *world) log() (requests []time.Time, taken []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests), slices.Clone(w.taken)
}

// publish has results come about of a message, from the first attempt to the last.
func (w *world) publish(id string, first, last int) {
	for n := first; n <= last; n++ {
		m := &queue.Message{ID: id, Recipient: id + "@sink.test", Data: json.RawMessage(`{"a":"x\ny"}`)}
		for k := range n {
			m.Results = append(m.Results, queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250 + k,
				Time: time.Date(2026, 11, 30, 12, 0, k, 0, time.UTC)})
		}
		require.NoError(w.t,
			w.queue.Publish(context.Background(), queue.Item{Queue: "webhooks", Message: m}))
	}
}

func names(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%d/1", prefix, i))
	}
	return all
}

// in runs a test in synthetic time.
func in(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() {
			if w.hook != nil { // the test failed
				w.answers(nil)
				_ = w.hook.Close()
			}
		}()
		test(w)
	})
}

func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestResultsArrive(t *testing.T) {
	in(t, func(w *world) {
		filter, err := webhook.ParseFilter([]string{"data"}, false)
		require.NoError(t, err)
		w.terms.Filter = filter
		var got []result
		w.answers(func(r *http.Request, batch []result) *http.Response {
			require.Equal(t, "POST https://hooks.test/in?token=s3cret", r.Method+" "+r.URL.String())
			require.Equal(t, "application/json", r.Header.Get("Content-Type"))
			require.Equal(t, "1", r.Header.Get(webhook.CheckpointHeader))
			got = batch
			return nil
		})
		w.open()
		w.publish("a", 2, 2)
		again := &queue.Message{ID: "b/\"é", Recipient: "b@sink.test", Unsubscribe: json.RawMessage("{\n\t\"url\": \"x\"\n}"),
			Extra: map[string]json.RawMessage{"nextattempt": []byte(`{}`)}}
		require.NoError(t, w.queue.Publish(context.Background(), queue.Item{Queue: "webhooks", Message: again}))
		settle(3 * time.Second)
		require.Len(t, got, 2)
		require.Equal(t, result{ID: "a/2", At: "2026-11-30T12:00:01Z", Final: true, Message: got[0].Message}, got[0])
		require.Equal(t, "a@sink.test", got[0].Message["recipient"])
		require.Len(t, got[0].Message["results"], 2)
		require.NotContains(t, got[0].Message, "data")
		require.Equal(t, "b/\"é/0", got[1].ID)
		require.False(t, got[1].Final, "it is tried again")
		require.Equal(t, map[string]any{"url": "x"}, got[1].Message["list-unsubscribe"], "whatever lines it had")
		s := w.hook.State()
		require.True(t, s.Up)
		require.Equal(t, int64(2), s.Taken)
		require.Equal(t, uint64(3), s.Checkpoint)
		require.Zero(t, s.Waiting)
		require.Equal(t, "https://hooks.test", s.Target, "and not its secrets")
		w.close()
		left, err := w.queue.Queues(context.Background())
		require.NoError(t, err)
		for _, q := range left {
			require.Zero(t, q.Ready+q.Out, q.Queue)
		}
	})
}

// TestBatches sends as many as may go together, and the rest after a moment.
func TestBatches(t *testing.T) {
	in(t, func(w *world) {
		var mu sync.Mutex
		var got []int
		w.answers(func(_ *http.Request, batch []result) *http.Response {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, len(batch))
			return nil
		})
		sizes := func() []int {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(got)
		}
		w.open()
		for _, id := range names("m", 23) {
			w.publish(strings.TrimSuffix(id, "/1"), 1, 1)
		}
		settle(500 * time.Millisecond)
		require.Equal(t, []int{10, 10}, sizes())
		settle(time.Second)
		require.Equal(t, []int{10, 10, 3}, sizes())
		_, taken := w.log()
		require.Equal(t, names("m", 23), taken)
		w.close()
	})
}

// TestLargeResult has one that is larger than what goes into a request go alone, between others.
func TestLargeResult(t *testing.T) {
	in(t, func(w *world) {
		w.open()
		w.publish("a", 1, 1)
		large := &queue.Message{ID: "large", Recipient: "x@sink.test",
			Data: json.RawMessage(`"` + strings.Repeat("x", 3<<20) + `"`)}
		require.NoError(t, w.queue.Publish(context.Background(), queue.Item{Queue: "webhooks", Message: large}))
		w.publish("b", 1, 1)
		settle(5 * time.Second)
		_, taken := w.log()
		require.Equal(t, []string{"a/1", "large/0", "b/1"}, taken)
		w.close()
	})
}

// TestAnswers tries what each answer leads to.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(*http.Request, []result) *http.Response
		dead   bool
		least  time.Duration // until the next try; 0: there is none
		most   time.Duration
		reason string
	}{
		{"taken", always(204, ""), false, 0, 0, ""},
		{"an error", always(500, "database away\nsecret"), false, 800 * time.Millisecond, 1200 * time.Millisecond,
			"it answered 500 Internal Server Error: database away"},
		{"too many", always(429, "", "Retry-After", "90"), false, 90 * time.Second, 90 * time.Second,
			"it answered 429 Too Many Requests"},
		{"back at a time", always(503, "", "Retry-After", "Sat, 01 Jan 2000 00:01:00 GMT"), false, 50 * time.Second,
			time.Minute,
			"it answered 503 Service Unavailable"},
		{"back in a year", always(503, "", "Retry-After", "31536000"), false, time.Hour, time.Hour, "503"},
		{"nonsense of when", always(503, "", "Retry-After", "-5 soon"), false, 800 * time.Millisecond,
			1200 * time.Millisecond, "503"},
		{"time-out", always(408, ""), false, 800 * time.Millisecond, 1200 * time.Millisecond, "408"},
		{"too early", always(425, ""), false, 800 * time.Millisecond, 1200 * time.Millisecond, "425"},
		{"moved", always(301, "", "Location", "http://evil.test/x?token=1"), false, 800 * time.Millisecond,
			1200 * time.Millisecond,
			"it answered 301 Moved Permanently, and redirects are not followed: it is at http://evil.test now"},
		{"refused", always(400, "no \x1b[1msuch list for k3y"), true, 0, 0,
			"it answered 400 Bad Request: no ?[1msuch list for ********"},
		{"says what it was sent", always(404, "not at /in?token=s3cret, key k3y, value s3cret"), true, 0, 0,
			"it answered 404 Not Found: not at /in?********, key ********, value ********"},
		{"a status line for terminals", func(*http.Request, []result) *http.Response {
			r := reply(503, "")
			r.Status = "503 \x1b[2Jgone with k3y\a"
			return r
		}, false, 800 * time.Millisecond, 1200 * time.Millisecond, "it answered 503 ?[2Jgone with ********?"},
		{"too large", always(413, ""), true, 0, 0, "it answered 413 Request Entity Too Large"},
		{"gone", always(410, ""), true, 0, 0, "410"},
		{"hangs", func(r *http.Request, _ []result) *http.Response { <-r.Context().Done(); return nil }, false,
			800 * time.Millisecond, 1200 * time.Millisecond, "no answer within 30s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in(t, func(w *world) {
				w.answers(test.answer)
				w.open()
				w.publish("a", 1, 1)
				settle(40 * time.Second)
				s := w.hook.State()
				require.Contains(t, s.LastError, test.reason)
				require.NotContains(t, w.said.String(), "s3cret")
				require.NotContains(t, w.said.String(), "k3y")
				settle(2 * time.Hour)
				requests, _ := w.log()
				if test.least == 0 {
					require.Len(t, requests, 1)
					require.True(t, s.Up)
				} else {
					require.False(t, s.Up)
					gap := requests[1].Sub(requests[0])
					if test.name == "hangs" {
						gap -= 30 * time.Second
					}
					require.GreaterOrEqual(t, gap, test.least)
					require.LessOrEqual(t, gap, test.most)
					require.Equal(t, int64(1), s.Waiting)
					require.Equal(t, 2026, s.Oldest.Year())
				}
				letters, err := w.hook.DeadLetters(0, 10)
				require.NoError(t, err)
				require.Equal(t, test.dead, len(letters) == 1)
				if test.dead {
					require.Equal(t, int64(1), w.hook.State().Dead)
					require.Contains(t, letters[0].Reason, test.reason)
					require.Contains(t, string(letters[0].Result), `"id":"a/1"`)
				}
				w.answers(nil)
				w.close()
			})
		})
	}
}

// TestAwayForAnHour has the server fail for an hour: it is left in peace, all arrives in the end, in order, and no more
// is in memory than a few batches.
func TestAwayForAnHour(t *testing.T) {
	in(t, func(w *world) {
		w.answers(always(500, ""))
		w.open()
		for i := range 360 {
			w.publish(fmt.Sprintf("m%d", i), 1, 1)
			settle(10 * time.Second)
		}
		requests, taken := w.log()
		require.Empty(t, taken)
		require.Less(t, len(requests), 30, "it was left in peace")
		require.Equal(t, int64(360), w.hook.State().Waiting)
		require.Equal(t, 1, strings.Count(w.said.String(), "level=WARN"), w.said.String())
		w.answers(nil)
		settle(7 * time.Minute)
		_, taken = w.log()
		require.Equal(t, names("m", 360), taken)
		require.Contains(t, w.said.String(), "takes results again")
		w.close()
	})
}

// TestOrderOfMessages has requests fail and take their time at random: no result of a message is ever on its way before
// an earlier one was taken.
func TestOrderOfMessages(t *testing.T) {
	in(t, func(w *world) {
		w.terms.Connections, w.terms.Batch, w.terms.Delay = 8, 3, 0
		var mu sync.Mutex
		took, n, most, flying := map[string]int{}, 0, 0, 0
		w.answers(func(_ *http.Request, batch []result) *http.Response {
			mu.Lock()
			n++
			call := n
			flying++
			most = max(most, flying)
			for _, one := range batch {
				id, attempt, _ := strings.Cut(one.ID, "/")
				if got := fmt.Sprint(took[id] + 1); got < attempt {
					w.t.Errorf("%s came when %d were taken", one.ID, took[id])
				}
			}
			mu.Unlock()
			time.Sleep(time.Duration(call*7919%1000) * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			flying--
			if call%5 == 0 {
				return reply(503, "")
			}
			for _, one := range batch {
				id, _, _ := strings.Cut(one.ID, "/")
				took[id]++
			}
			return nil
		})
		w.open()
		for attempt := range 5 {
			for i := range 20 {
				w.publish(fmt.Sprintf("m%d", i), attempt+1, attempt+1)
			}
		}
		settle(time.Hour)
		_, taken := w.log()
		require.Len(t, taken, 100)
		require.Greater(t, most, 3, "several were on their way at a time")
		require.LessOrEqual(t, most, 8)
		w.close()
	})
}

// TestRestart goes on where it was, and what was sent but not answered is sent again.
func TestRestart(t *testing.T) {
	in(t, func(w *world) {
		w.open()
		w.publish("a", 1, 1)
		settle(3 * time.Second)
		w.answers(always(502, ""))
		w.publish("b", 1, 2)
		settle(3 * time.Second)
		w.close()
		w.publish("c", 1, 1)
		w.answers(nil)
		w.open()
		settle(3 * time.Second)
		_, taken := w.log()
		require.Equal(t, []string{"a/1", "b/1", "b/2", "c/1"}, taken)
		w.close()
		w.open()
		settle(time.Minute)
		_, again := w.log()
		require.Equal(t, taken, again)
		_, err := webhook.Open(webhook.Options{Queue: w.queue, Name: "x", Dir: w.dir,
			Terms: func() *webhook.Terms { return &w.terms }})
		require.ErrorContains(t, err, "used by another process")
		w.close()
	})
}

// TestEndWhileItHangs closes in time, and loses nothing.
func TestEndWhileItHangs(t *testing.T) {
	in(t, func(w *world) {
		w.answers(func(r *http.Request, _ []result) *http.Response { <-r.Context().Done(); return nil })
		w.open()
		w.publish("a", 1, 1)
		settle(3 * time.Second)
		began := time.Now()
		w.close()
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
		w.answers(nil)
		w.open()
		settle(3 * time.Second)
		_, taken := w.log()
		require.Equal(t, []string{"a/1"}, taken)
		w.close()
	})
}

func TestReplay(t *testing.T) {
	in(t, func(w *world) {
		w.answers(func(_ *http.Request, batch []result) *http.Response {
			if strings.HasPrefix(batch[0].ID, "bad") {
				return reply(422, "no")
			}
			return nil
		})
		w.terms.Batch = 2
		w.open()
		replay := func(from string) uint64 {
			n, err := w.hook.Replay(context.Background(), from)
			require.NoError(t, err)
			settle(3 * time.Second)
			return n
		}
		for _, id := range []string{"a", "b", "bad1", "bad2", "c"} {
			w.publish(id, 1, 1)
		}
		settle(3 * time.Second)
		_, taken := w.log()
		require.Equal(t, []string{"a/1", "b/1", "c/1"}, taken)
		require.Equal(t, int64(2), w.hook.State().Dead)

		require.Equal(t, uint64(4), replay("2"))
		_, taken = w.log()
		require.Equal(t, []string{"a/1", "b/1", "c/1", "b/1", "bad1/1"}, taken,
			"the batches are others: bad2 and c were refused together")

		w.answers(nil)
		require.Equal(t, uint64(4), replay("dead"))
		_, taken = w.log()
		require.Equal(t, []string{"bad1/1", "bad2/1", "bad2/1", "c/1"}, taken[5:])
		require.Zero(t, w.hook.State().Dead)
		letters, err := w.hook.DeadLetters(0, 10)
		require.NoError(t, err)
		require.Empty(t, letters)

		w.answers(always(500, ""))
		w.publish("d", 1, 1)
		settle(time.Hour)
		w.answers(nil)
		require.Zero(t, replay(""), "nothing is sent again, but what waits is tried now")
		_, taken = w.log()
		require.Equal(t, "d/1", taken[len(taken)-1])

		for _, from := range []string{"0", "99", "-1", "x", "1.5"} {
			_, err := w.hook.Replay(context.Background(), from)
			require.ErrorIs(t, err, webhook.ErrReplay, from)
		}
		closed := w.hook
		w.close()
		_, err = closed.Replay(context.Background(), "")
		require.ErrorContains(t, err, "closed")
	})
}

// TestFullJournal loses the oldest results, counts them, and says so.
func TestFullJournal(t *testing.T) {
	in(t, func(w *world) {
		w.size = 256 << 10
		w.answers(always(500, ""))
		w.open()
		const all = 3000
		for i := range all {
			w.publish(fmt.Sprintf("m%d", i), 1, 1)
			if i%200 == 0 {
				settle(time.Second)
			}
		}
		settle(time.Second)
		s := w.hook.State()
		require.LessOrEqual(t, s.Bytes, w.size)
		require.Positive(t, s.Lost)
		require.Equal(t, int64(all), s.Lost+s.Waiting)
		require.Contains(t, w.said.String(), "level=ERROR")
		w.answers(nil)
		settle(10 * time.Minute)
		_, taken := w.log()
		require.GreaterOrEqual(t, len(taken), int(s.Waiting), "what was on its way already may come too")
		require.Equal(t, names("m", all)[all-int(s.Waiting):], taken[len(taken)-int(s.Waiting):])
		w.close()
	})
}

// one is a queue with one delivery, which is its own driver.
type one struct{ d *queue.Delivery }

func (o one) Publish(context.Context, ...queue.Item) error { return nil }
func (o one) Close() error                                 { return nil }
func (o one) Consume(ctx context.Context, _ string, _ queue.ConsumeOptions, handle func(*queue.Delivery)) error {
	handle(o.d)
	<-ctx.Done()
	return nil
}

type discard struct{}

func (discard) Settle(context.Context, *queue.Delivery, []queue.Item) error { return nil }
func (discard) Release(context.Context, *queue.Delivery) error              { return nil }

// TestStrays keeps what is no result where people can see it.
func TestStrays(t *testing.T) {
	in(t, func(w *world) {
		w.open()
		d := queue.NewDelivery(discard{})
		d.Raw, d.Err = []byte("{oops"), &queue.SyntaxError{Reason: "no JSON"}
		h, err := webhook.Open(webhook.Options{Queue: one{d}, Name: "webhooks", Dir: t.TempDir(), Transport: w,
			Terms: func() *webhook.Terms { return &w.terms }, Logger: slog.New(slog.NewTextHandler(&w.said, nil))})
		require.NoError(t, err)
		settle(time.Second)
		letters, err := h.DeadLetters(0, 10)
		require.NoError(t, err)
		require.Len(t, letters, 1)
		require.Contains(t, letters[0].Reason, "not a result: not a message: no JSON")
		require.Contains(t, string(letters[0].Result), `"raw":"{oops"`)
		require.ErrorIs(t, d.Settle(context.Background()), queue.ErrSettled)
		require.NoError(t, h.Close())
		w.close()
	})
}
