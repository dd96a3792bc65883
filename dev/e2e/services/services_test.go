package services

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

func TestMain(m *testing.M) { mtatest.Main(m) }

// world is a running mtad with a token for its REST API.
type world struct {
	*mtatest.Daemon
	t     *testing.T
	sink  *mtatest.Sink
	base  string
	token string
}

// newWorld starts an mtad with settings beside those that every test here needs.
func newWorld(t *testing.T, more ...mtatest.Settings) *world {
	set, db := mtatest.SQLite(t)
	token, hash := store.NewToken()
	mtatest.Insert(t, db, store.Token{Name: "operator", Hash: hash, Enabled: true})
	sink := mtatest.NewKeeper(t, &smtptest.Sink{})
	www := mtatest.FreePort(t)
	logs := t.TempDir()
	set = sink.Settings().With(set).With(mtatest.Settings{"www-port": www, "www-ip": "127.0.0.1",
		"www-password":          "secret",
		"send-bin-log-file":     filepath.Join(logs, "send.json"),
		"received-bin-log-file": filepath.Join(logs, "received.json")})
	for _, m := range more {
		set = set.With(m)
	}
	d := mtatest.Inside(t, set)
	return &world{d, t, sink, "http://127.0.0.1:" + www, token}
}

// ask sends a request and reads the JSON of its answer into v.
func (w *world) ask(method, path, body string, status int, v any) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(body))
	require.NoError(w.t, err)
	request.Header.Set("Authorization", "Bearer "+w.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(w.t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, status, response.StatusCode, "%s", data)
	if v != nil {
		require.NoError(w.t, json.Unmarshal(data, v), "%s", data)
	}
}

type service struct {
	Name         string
	Up           bool
	Since        time.Time
	Detail       string
	Controllable bool
	Stopped      bool
}

func (w *world) services() map[string]service {
	var list []service
	w.ask("GET", "/v1/services", "", 200, &list)
	all := map[string]service{}
	for _, s := range list {
		name, _, _ := strings.Cut(s.Name, " 127.")
		all[name] = s
	}
	return all
}

func (w *world) set(name string, run bool) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "run": run})
	require.NoError(w.t, err)
	w.ask("POST", "/v1/services", string(body), 200, nil)
}

func TestStopAndResume(t *testing.T) {
	w := newWorld(t)
	all := w.services()
	for _, name := range []string{"settings database", "delivery", "smtp", "queue", "DNS"} {
		require.Contains(t, all, name)
		require.False(t, all[name].Since.IsZero(), name)
		require.Equal(t, name == "delivery" || name == "smtp", all[name].Controllable, name)
		require.True(t, all[name].Up || name == "DNS", name)
	}
	require.Contains(t, all["queue"].Detail, "embedded, in "+w.Queue)

	smtp := all["smtp"].Name
	under := w.Talk(t)
	w.set(smtp, false)
	require.True(t, w.services()["smtp"].Stopped)
	turned := mtatest.Dial(t, w.Addr)
	code, text := turned.Reply()
	require.Equal(t, 421, code, text)
	under.Say("NOOP")
	under.Expect(250)
	w.set(smtp, true)
	w.Talk(t)

	w.set("delivery", false)
	require.True(t, w.services()["delivery"].Stopped)
	w.Send(t, &smtptest.Source{Messages: 20, Size: 600})
	require.Never(t, func() bool { return len(w.sink.Received()) > 0 }, time.Second, 50*time.Millisecond, "it stays here")
	var list struct{ Messages []struct{ ID string } }
	w.ask("GET", "/v1/messages?limit=1", "", 200, &list)
	var one struct {
		Why struct{ Cause, Rule, Reason string }
	}
	w.ask("GET", "/v1/messages/"+list.Messages[0].ID, "", 200, &one)
	require.Equal(t, "pause", one.Why.Cause)
	require.Equal(t, "pause under Services", one.Why.Rule, "it says who holds it")
	w.set("delivery", true)
	w.sink.Await(t, 20)
	require.False(t, w.services()["delivery"].Stopped)

	w.ask("POST", "/v1/services", `{"name":"queue","run":false}`, 501, nil)
	w.ask("POST", "/v1/services", `{"name":"toaster","run":false}`, 404, nil)
}

// TestLogs finds over REST what the console and mtad ctl search as well.
func TestLogs(t *testing.T) {
	w := newWorld(t)
	w.Send(t, &smtptest.Source{Messages: 10, Size: 600})
	w.sink.Await(t, 10)
	type page struct {
		Entries []struct{ Kind, Outcome, Recipient string }
		Next    string
	}
	mtatest.Eventually(t, "the log has all", func() bool {
		var p page
		w.ask("GET", "/v1/logs?outcome=delivered", "", 200, &p)
		return len(p.Entries) == 10
	})
	var first page
	w.ask("GET", "/v1/logs?kind=received&limit=4", "", 200, &first)
	require.Len(t, first.Entries, 4)
	require.NotEmpty(t, first.Next)
}
