package rest

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestWebhook has a result refused, looks at it, and posts it again once the receiver is mended; then all from a
// checkpoint on.
func TestWebhook(t *testing.T) {
	var mended atomic.Bool
	var taken atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !mended.Load() {
			http.Error(w, "no such list", http.StatusUnprocessableEntity)
			return
		}
		taken.Add(1)
	}))
	t.Cleanup(s.Close)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	w := newWorld(t, k.Settings().With(mtatest.Settings{"webhook-url": s.URL, "webhook-delay": "0"}))
	w.Submit(t, "a@client.test", "joe@sink.test", "Subject: x\r\n\r\nx\r\n")
	var state struct {
		Dead, Waiting, Checkpoint int
		Up                        bool
	}
	mtatest.Eventually(t, "the result is refused", func() bool {
		w.must("GET", "/v1/webhook", "", &state)
		return state.Dead == 1
	})
	require.Contains(t, w.mustCtl("webhook", "dead"), "no such list")
	require.Contains(t, w.mustCtl("services"), "1 dead letter")
	mended.Store(true)
	require.Contains(t, w.mustCtl("webhook", "replay", "--from", "DEAD"), "1 results")
	mtatest.Eventually(t, "it is taken", func() bool { return taken.Load() == 1 })
	mtatest.Eventually(t, "that is noted", func() bool {
		w.must("GET", "/v1/webhook", "", &state)
		return state.Dead == 0 && state.Waiting == 0 && state.Up
	})
	w.must("POST", "/v1/webhook/replay", "from=1", nil)
	mtatest.Eventually(t, "all is posted once more", func() bool { return taken.Load() >= 2 })
	require.Contains(t, w.mustCtl("webhook"), "is up")
	_, errs, code := w.ctl("webhook", "replay", "--from", "999")
	require.Equal(t, 65, code)
	require.Contains(t, errs, "999")
	w.Terminate(t)
}
