package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/api"
	"github.com/sluicemail/sluice/queue"
)

// TestInjectionsThatAreTooLarge are refused with the reason, and nothing of them is queued.
func TestInjectionsThatAreTooLarge(t *testing.T) {
	const good = `{"recipient":"a@b.test","mime":"x"}`
	for _, c := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"as many as may be", array(good, 10_000), 200, `"ids"`},
		{"one too many", array(good, 10_001), 413, "more than 10000 messages in the array"},
		{"one too many, all wrong", array("{}", 10_001), 413, "more than 10000 messages"},
		{"one too many, nonsense", array("1", 10_001), 413, "more than 10000 messages"},
		{"empty results", `{"recipient":"a@b.test","results":` + array("{}", 100_000) + `}`, 413, "too many small values"},
		{"empty results in the second", "[" + good + `,{"recipient":"a@b.test","results":` + array("{}", 100_000) + `}]`, 413,
			"message 2"},
		{"tags in plenty", `{"recipient":"a@b.test","tags":` + array(`""`, 200_000) + `}`, 413, "too many small values"},
		{"what looks like values in a text", `{"recipient":"a@b.test","mime":"\"` + strings.Repeat(`{,\\`, 100_000) + `"}`,
			200, `"ids"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			q := &lastPublished{Queue: w.queue}
			w.admin.Queue = q
			got := w.send("POST", "/v1/inject", c.body)
			require.Equal(t, c.status, got.status, "%.300s", got.body)
			require.Contains(t, got.body, c.want)
			require.Equal(t, c.status != 200, q.items == nil)
		})
	}
}

// TestProblemsOfAnInjection are told with the number of the message, the first twenty of them.
func TestProblemsOfAnInjection(t *testing.T) {
	w := newWorld(t)
	got := w.send("POST", "/v1/inject", "\uFEFF \n"+
		`[{"recipient":"a@b.test"},{"recipient":"a@b.test","priority":"high"},7]`)
	require.Equal(t, 400, got.status)
	problems := got.json(t).(map[string]any)["problems"].([]any)
	require.Len(t, problems, 2)
	require.Equal(t, "message 2, priority", problems[0].(map[string]any)["field"])
	require.Equal(t, "message 3", problems[1].(map[string]any)["field"])
	got = w.send("POST", "/v1/inject", array(`{"recipient":3}`, 5000))
	require.Equal(t, 400, got.status)
	require.Len(t, got.json(t).(map[string]any)["problems"], 20)
	for body, want := range map[string]string{
		"[":                       "the JSON ends early",
		`[{"recipient":"a@b.te`:   "the JSON ends early",
		`[{"recipient" "a@b.te"}`: "near byte",
		`[{},{}`:                  "the JSON ends early",
		"[] x":                    "nothing behind the end",
		"[]":                      "not an empty array",
		" \n":                     "not nothing",
		"x":                       "the JSON of a message",
	} {
		got := w.send("POST", "/v1/inject", body)
		require.Equal(t, 400, got.status, body)
		require.Contains(t, got.body, want, body)
	}
}

// TestInjectionThatBreaksOff is an error of the client, and nothing of it is queued.
func TestInjectionThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	q := &lastPublished{Queue: w.queue}
	w.admin.Queue = q
	body := io.MultiReader(strings.NewReader(`[{"recipient":"a@b.test"},`), broke{})
	r := httptest.NewRequest(http.MethodPost, "/v1/inject", body)
	r.Header.Set("Authorization", "Bearer "+w.token)
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	require.Equal(t, 400, rec.Code)
	require.Contains(t, rec.Body.String(), "the body ended early: cut")
	require.Nil(t, q.items)
}

// TestMemoryOfInjections has bodies of all kinds. What is in memory when they are published is a small multiple of the
// body, and so is all that was ever allocated.
func TestMemoryOfInjections(t *testing.T) {
	w := newWorld(t)
	q := new(weighing)
	w.admin.Queue = q
	h := &api.Handler{Admin: w.admin}
	for name, body := range map[string]string{
		"empty objects":   array("{}", 1<<20),
		"numbers":         array("1", 2<<20),
		"small messages":  array(`{"recipient":"a@b.test"}`, 10_000),
		"mails":           array(`{"recipient":"a@b.test","mime":"`+strings.Repeat("0123456789abcde\\n", 100)+`"}`, 10_000),
		"a large mail":    `{"recipient":"a@b.test","mime":"` + strings.Repeat("0123456789abcdef", 1<<20) + `"}`,
		"one in an array": `[{"recipient":"a@b.test","mime":"` + strings.Repeat("0123456789abcdef", 1<<20) + `"}]`,
		"empty results":   `{"recipient":"a@b.test","results":` + array("{}", 1<<20) + `}`,
		"some results":    array(`{"recipient":"a@b.test","results":`+array("{}", 300)+`}`, 4_000),
		"many results": array(`{"recipient":"a@b.test","results":`+
			array(`{"description":"0123456789abcdef0123456789abcdef"}`, 20)+`}`, 2_000),
		"empty tags":       `{"recipient":"a@b.test","tags":` + array(`""`, 1<<20) + `}`,
		"tags":             array(`{"recipient":"a@b.test","tags":`+array(`"0123456789abcdef"`, 50)+`}`, 2_000),
		"unknown members":  `{"recipient":"a@b.test"` + members(1<<18) + `}`,
		"wrong properties": array(`{"recipient":3`+members(100)+`}`, 10_000),
		"deep":             array(strings.Repeat("[", 9000)+strings.Repeat("]", 9000), 500),
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/v1/inject", strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+w.token)
			rec := httptest.NewRecorder()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			q.heap = before.HeapAlloc
			h.ServeHTTP(rec, r)
			runtime.ReadMemStats(&after)
			live, allocated := int(q.heap-before.HeapAlloc), int(after.TotalAlloc-before.TotalAlloc)
			t.Logf("%d bytes: %d, %d in memory, %d allocated: %.100s", len(body), rec.Code, live, allocated, rec.Body)
			require.Less(t, live, 9*len(body)+20<<20)
			require.Less(t, allocated, 24*len(body)+32<<20)
		})
	}
}

func array(element string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"x%d":1`, i)
	}
	return b.String()
}

// lastPublished notes what is published.
type lastPublished struct {
	queue.Queue
	items []queue.Item
}

func (q *lastPublished) Publish(ctx context.Context, items ...queue.Item) error {
	q.items = items
	return q.Queue.Publish(ctx, items...)
}

// weighing takes everything, keeps nothing, and notes how much memory is in use meanwhile.
type weighing struct {
	closed
	heap uint64
}

func (q *weighing) Publish(_ context.Context, items ...queue.Item) error {
	var now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&now)
	q.heap = now.HeapAlloc
	runtime.KeepAlive(items)
	return nil
}

// broke is a connection that broke.
type broke struct{}

func (broke) Read([]byte) (int, error) { return 0, errors.New("cut") }
