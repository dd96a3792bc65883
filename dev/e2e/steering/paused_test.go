package steering

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestStartedPaused delivers nothing after --paused, until an operator deletes the pause that is listed over REST.
func TestStartedPaused(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	token, hash := store.NewToken()
	mtatest.Insert(t, db, store.Token{Name: "operator", Hash: hash, Enabled: true})
	w := newWatch(t, &smtptest.Sink{})
	smtp, www := mtatest.FreePort(t), mtatest.FreePort(t)
	file := filepath.Join(t.TempDir(), "mtad.conf")
	text := w.Settings().With(set).With(mtatest.Settings{"smtp-ip": "127.0.0.1", "smtp-port": smtp,
		"smtp-range": "127.0.0.0/8",
		"www-port":   www, "www-secure-port": "0", "www-ip": "127.0.0.1",
		"queue-address": "disk://" + filepath.Join(t.TempDir(), "queue"), "server-id": "3"}).Text()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	p := mtatest.Run(t, nil, "--config-file", file, "--paused")
	require.True(t, p.WaitLog("msg=listening"))
	rest := func(method string) string {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:"+www+"/v1/pauses",
			strings.NewReader("{}"))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Less(t, response.StatusCode, 300, "%s", body)
		return string(body)
	}
	d := &mtatest.Daemon{Process: p, Addr: "127.0.0.1:" + smtp}
	d.Send(t, &smtptest.Source{Messages: 50, Size: 600})
	w.staysAt(t, 0, "everything is paused")
	require.Contains(t, rest(http.MethodGet), `{"cluster":false}`, "a pause that selects everything")
	rest(http.MethodDelete)
	began := time.Now()
	w.arriveAll(t, 50)
	require.Less(t, time.Since(began), 2*time.Second+late(w), "at once")
	require.NotContains(t, rest(http.MethodGet), "{}", "no pause is left")
}
