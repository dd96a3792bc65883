package api_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/once"
)

// sendWithKeys is send with keys in the header.
func (w *world) sendWithKeys(token, body string, keys ...string) (status int, answer string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), "POST", w.server.URL+"/v1/inject", strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header["Idempotency-Key"] = keys
	got, err := w.client.Do(r)
	require.NoError(w.t, err)
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	require.NoError(w.t, err)
	if w.recorder != nil {
		w.recorder.note("POST", "/v1/inject", got.StatusCode)
	}
	return got.StatusCode, string(data)
}

// remembering is a world that remembers keys.
func remembering(t *testing.T) *world {
	w := newWorld(t)
	w.remember()
	return w
}

func (w *world) remember() {
	t := w.t
	book, err := once.Open(t.Context(), once.Options{Queue: w.queue, Marks: w.queue, Joint: true, Name: ".injected",
		Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, book.Close()) })
	w.admin.Injected = book
}

// inInbox counts the messages of the inbox.
func (w *world) inInbox() int {
	w.t.Helper()
	all, _, err := w.queue.(queue.Inspector).List(w.t.Context(), queue.Filter{Queue: "inbox"}, "", 1000)
	require.NoError(w.t, err)
	return len(all)
}

func TestInjectionsThatAreRepeated(t *testing.T) {
	w := remembering(t)
	const body = `[{"recipient":"a@b.test","mime":"x"},{"recipient":"c@b.test","message-id":"mine"}]`
	status, first := w.sendWithKeys(w.token, body, "order-7")
	require.Equal(t, 200, status, first)
	require.Contains(t, first, `"mine"`)
	status, second := w.sendWithKeys(w.token, body, "order-7")
	require.Equal(t, 200, status)
	require.Equal(t, first, second)
	require.Equal(t, 2, w.inInbox())

	status, answer := w.sendWithKeys(w.token, strings.Replace(body, "a@", "d@", 1), "order-7")
	require.Equal(t, 422, status)
	require.Contains(t, answer, "this Idempotency-Key was used before with another body")
	require.NotContains(t, answer, "mine")

	_, other, err := w.admin.AddToken(t.Context(), "others")
	require.NoError(t, err)
	status, third := w.sendWithKeys(other, body, "order-7")
	require.Equal(t, 200, status, "another token has keys of its own")
	require.NotEqual(t, first, third)
	status, _ = w.sendWithKeys(w.token, body, "order-8")
	require.Equal(t, 200, status)
	require.Equal(t, 6, w.inInbox())

	status, answer = w.sendWithKeys(w.token, "{}", "order-9")
	require.Equal(t, 400, status, answer)
	status, _ = w.sendWithKeys(w.token, body, "order-9")
	require.Equal(t, 200, status, "nothing was injected under that key")

	for _, odd := range []string{"\xff\xfe", "\"; 'é\u202e", strings.Repeat("\x80", 255), "../../etc/passwd", "%00\\0"} {
		status, first = w.sendWithKeys(w.token, body, odd)
		require.Equal(t, 200, status, "%q: %s", odd, first)
		_, second = w.sendWithKeys(w.token, body, odd)
		require.Equal(t, first, second, "%q", odd)
	}
	for want, keys := range map[string][]string{"a text of 1 to 255 bytes": {""}, "expected one": {"a", "b"},
		"expected a text of 1": {strings.Repeat("x", 256)}} {
		status, answer = w.sendWithKeys(w.token, body, keys...)
		require.Equal(t, 400, status)
		require.Contains(t, answer, want)
	}
	w.admin.Injected = nil
	status, _ = w.sendWithKeys(w.token, body, "order-7")
	require.Equal(t, 501, status)
}

func TestInjectionsRepeatedAtTheSameTime(t *testing.T) {
	w := remembering(t)
	answers := make([]string, 20)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { _, answers[i] = w.sendWithKeys(w.token, `{"recipient":"a@b.test"}`, "one") })
	}
	group.Wait()
	for _, answer := range answers {
		require.Equal(t, answers[0], answer)
	}
	require.Contains(t, answers[0], `"ids"`)
	require.Equal(t, 1, w.inInbox())
}
