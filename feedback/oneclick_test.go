package feedback_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/feedback/verp"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
)

const click = "List-Unsubscribe=One-Click"

// ask sends a request to what is in List-Unsubscribe of a mail, and returns the answer.
func (w *world) ask(handler http.Handler, method, token, to, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/unsubscribe/"+token+"?to="+url.QueryEscape(to), strings.NewReader(form))
	if strings.Contains(form, "multipart") {
		r.Body = http.NoBody
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	return answer
}

// TestOneClick has one POST suppress the recipient, and everything else nobody.
func TestOneClick(t *testing.T) {
	w := newWorld(t, nil)
	handler := &feedback.OneClick{Paths: w.Paths, Queue: w.Queue, Name: "feedback", Now: w.Desk.Now}
	const to = "Ann+x@receiver.example"
	token, _ := addr.Split(w.off(id, to))
	token = strings.TrimPrefix(token, "unsubscribe+")
	for _, c := range []struct {
		name, method, token, to, form string
		code                          int
		text                          string
	}{
		{"a scanner of links", "GET", token, to, "", 200, `<button name="List-Unsubscribe" value="One-Click">`},
		{"and one that asks less", "HEAD", token, to, "", 200, ""},
		{"no form", "POST", token, to, "", 400, "RFC 8058"},
		{"another form", "POST", token, to, "List-Unsubscribe=No", 400, "RFC 8058"},
		{"a large one", "POST", token, to, "x=" + strings.Repeat("x", 1<<20), 400, "RFC 8058"},
		{"another recipient", "POST", token, "bob@receiver.example", click, 404, "not belong"},
		{"no recipient", "POST", token, "", click, 404, "not belong"},
		{"a line end", "POST", token, to + "\r\nBcc: x", click, 404, "not belong"},
		{"another token", "POST", strings.Repeat("0", 52), to, click, 404, "not belong"},
		{"none", "POST", "", to, click, 404, "not belong"},
		{"another method", "DELETE", token, to, click, 405, "GET or POST"},
	} {
		answer := w.ask(handler, c.method, c.token, c.to, c.form)
		require.Equal(t, c.code, answer.Code, c.name)
		require.Contains(t, answer.Body.String(), c.text, c.name)
	}
	require.Equal(t, 200, w.ask(handler, "POST", token, to, click).Code)
	m := <-w.came
	require.Equal(t, to, m.Envelope)
	require.Equal(t, []string{"ann+x@receiver.example"}, w.values())
	r := w.Records(feedback.Query{})
	require.Len(t, r, 1)
	require.Equal(t, feedback.Unsubscribe, r[0].Kind)
	require.Equal(t, feedback.ProofReturnPath, r[0].Proof)
	require.Equal(t, id, r[0].MessageID)

	w.do(func() { w.now = w.now.Add(2 * time.Hour) }) // when it is forgotten
	handler.Queue = full{w.Queue}
	answer := w.ask(handler, "POST", token, to, click)
	require.Equal(t, 503, answer.Code)
	require.NotEmpty(t, answer.Header().Get("Retry-After"))
	w.do(func() { w.now = noon.Add(32 * 24 * time.Hour) })
	require.Equal(t, 410, w.ask(handler, "POST", token, to, click).Code)
}

// full is a queue without room.
type full struct{ queue.Queue }

func (full) Publish(context.Context, ...queue.Item) error { return queue.ErrFull }

// tallied is a queue that counts what is published, and takes it when it is let.
type tallied struct {
	queue.Queue
	n       atomic.Int64
	release chan error // one for each
}

func (c *tallied) Publish(context.Context, ...queue.Item) error {
	c.n.Add(1)
	return <-c.release
}

// TestClickedTwice has each token make one report, however it is written and however many use it at once, until it is
// forgotten. What could not be stored does not count as used, and tokens that are none push nothing out.
func TestClickedTwice(t *testing.T) {
	w := newWorld(t, nil)
	reports := &tallied{release: make(chan error, 100)}
	handler := &feedback.OneClick{Paths: w.Paths, Queue: reports, Name: "feedback", Now: w.Desk.Now}
	post := func(token, to string) int { return w.ask(handler, "POST", token, to, click).Code }
	tokenOf := func(to string) string {
		local, _ := addr.Split(w.off(id, to))
		return strings.TrimPrefix(local, "unsubscribe+")
	}
	token, other := tokenOf(ann), tokenOf("bob@receiver.example")
	reports.release <- queue.ErrFull
	require.Equal(t, 503, post(token, ann), "nothing is stored")

	codes := make(chan int)
	for range 8 {
		go func() { codes <- post(token, ann) }()
	}
	require.Eventually(t, func() bool { return reports.n.Load() == 2 }, 10*time.Second, time.Millisecond)
	reports.release <- nil
	for range 8 {
		require.Equal(t, 200, <-codes)
	}
	for i := range 20_000 {
		require.Equal(t, 404, post(token[:44]+fmt.Sprintf("%08d", i), ann))
	}
	for _, written := range []string{token, strings.ToUpper(token), "unsubscribe+" + token, "x-" + token} {
		require.Equal(t, 200, post(written, ann), written)
		require.Equal(t, 200, post(written, strings.ToUpper(ann)), written)
	}
	require.EqualValues(t, 2, reports.n.Load())
	reports.release <- nil
	require.Equal(t, 200, post(other, "bob@receiver.example"))
	require.EqualValues(t, 3, reports.n.Load(), "another token")
	w.do(func() { w.now = w.now.Add(61 * time.Minute) })
	reports.release <- nil
	require.Equal(t, 200, post(token, ann))
	require.EqualValues(t, 4, reports.n.Load(), "who had mail again may have no more again")
}

// TestTokensOfHeaders are for unsubscribing and say so, whatever is left of their address.
func TestTokensOfHeaders(t *testing.T) {
	w := newWorld(t, nil)
	for address, want := range map[string]bool{w.off(id, ann): true, w.path(id, ann, "news"): false} {
		token, err := w.Paths.Open(strings.ToUpper(address), noon)
		require.NoError(t, err)
		require.Equal(t, want, token.Unsubscribe)
		got, _ := token.ID()
		require.Equal(t, id, got)
		require.True(t, token.IsFor(ann))
	}
	_, err := w.Paths.Open("unsubscribe+"+strings.Repeat("0", 52), noon)
	require.ErrorIs(t, err, verp.ErrForged)
}
