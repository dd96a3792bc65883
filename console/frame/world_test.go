package frame

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/internal/webtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a frame round one page, and what is around it.
type world struct {
	*Frame
	*webtest.World
}

// newWorld starts a frame whose administrator is admin with the password secret. set may change it before it is used.
func newWorld(t *testing.T, set func(*Frame)) *world {
	w := &world{World: webtest.New(t)}
	page := Page{Path: "/", Title: "Home", Group: Live,
		Routes: map[string]View{"GET /{$}": func(v *Visit) error { return &Fault{Status: 200, What: "This is all."} }},
		Topics: map[string]Topic{
			"figures": {Value: func(context.Context, url.Values) any { return "none" }},
			"rows":    {Value: func(_ context.Context, q url.Values) any { return q.Get("q") }},
		}}
	w.Frame = &Frame{Auth: auth.Hardcoded(map[string]string{"admin": "secret", "eve": "spoon"}), Pages: []Page{page},
		Logger: slog.New(slog.NewTextHandler(w.Logged, nil)), Now: w.Clock.Now, Access: w.Note}
	if set != nil {
		set(w.Frame)
	}
	require.NoError(t, w.Check())
	w.Serve(w.Frame)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

func (w *world) logIn() *world {
	w.T.Helper()
	w.LogIn()
	require.Equal(w.T, http.StatusOK, w.Get("/").StatusCode)
	return w
}
