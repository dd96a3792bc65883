package feedback_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
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
