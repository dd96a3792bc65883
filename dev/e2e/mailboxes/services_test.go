package mailboxes

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// world is an mtad with settings, a REST API and a send log.
type world struct {
	*mtatest.Daemon
	t           testing.TB
	db          *store.DB
	base, token string
	log         string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	set, db := mtatest.SQLite(t)
	token, hash := store.NewToken()
	mtatest.Insert(t, db, store.Token{Name: "operator", Hash: hash, Enabled: true})
	www := mtatest.FreePort(t)
	file, log := mtatest.SendLog(t)
	d := mtatest.Inside(t, set.With(log).With(mtatest.Settings{"www-port": www, "www-ip": "127.0.0.1",
		"www-password": "secret", "retry-interval": "1"}))
	return &world{d, t, db, "http://127.0.0.1:" + www, token, file}
}

// ask sends a request, wants an answer of a status, and reads its JSON into v.
func (w *world) ask(method, path, body string, status int, v any) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(body))
	require.NoError(w.t, err)
	request.Header.Set("Authorization", "Bearer "+w.token)
	request.Header.Set("Content-Type", "application/json")
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

// route leads a domain somewhere.
func (w *world) route(domain, relay string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"domain": domain, "relay": relay})
	require.NoError(w.t, err)
	w.ask("POST", "/v1/routes", string(body), 201, nil)
}

// service tells whether one is up, and its details.
func (w *world) service(name string) (up bool, detail string) {
	w.t.Helper()
	var all []struct {
		Name   string
		Up     bool
		Detail string
	}
	w.ask("GET", "/v1/services", "", 200, &all)
	for _, s := range all {
		if s.Name == name {
			return s.Up, s.Detail
		}
	}
	w.t.Fatalf("no service is called %q: %v", name, all)
	return false, ""
}

// TestMailboxesThatAreAway has a server of mailboxes come up late, and a message wait for it, paused at first. A
// throttle for the domain says how long what cannot be reached is left alone.
func TestMailboxesThatAreAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mtatest.Throttle(t, w.db, "mailboxes", "example.test", func(l *store.Limits) { l.ConnectionOffline = 1 })
	w.Reload(t)
	dir, err := os.MkdirTemp("", "mb") // a short path
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	local := "lmtp+unix://" + dir + "/lmtp"
	w.route("example.test", local)
	up, detail := w.service(local)
	require.True(t, up)
	require.Equal(t, "0 mails delivered", detail)

	w.ask("POST", "/v1/pauses", `{"domain":"example.test","cluster":true}`, 200, nil)
	w.Submit(t, "a@client.test", "jo@example.test", "Subject: x\r\n\r\nx\r\n")
	var list struct{ Messages []struct{ ID string } }
	mtatest.Eventually(t, "the message waits", func() bool {
		w.ask("GET", "/v1/messages?limit=1", "", 200, &list)
		return len(list.Messages) == 1
	})
	var one struct {
		Why struct{ Cause, Reason string }
	}
	w.ask("GET", "/v1/messages/"+list.Messages[0].ID, "", 200, &one)
	require.Equal(t, "pause", one.Why.Cause, one.Why.Reason)
	require.Empty(t, mtatest.Attempts(t, w.log))
	w.ask("DELETE", "/v1/pauses", `{"domain":"example.test"}`, 200, nil)

	mtatest.Eventually(t, "the socket is found missing", func() bool { up, detail = w.service(local); return !up })
	require.Contains(t, detail, "0 mails delivered; last error at ")
	require.Contains(t, detail, "connect: ")
	first := mtatest.AwaitAttempts(t, w.log, "jo@example.test", 1)[0].Last()
	require.Equal(t, "connect/error", first.Pair())
	require.Equal(t, local, first.To)

	box := testserver.Dovecot(t)
	require.NoError(t, os.Symlink(box.LMTPSocket, dir+"/lmtp"))
	awaitIMAP(t, box, "jo", "INBOX", 1)
	mtatest.Eventually(t, "the delivery is counted", func() bool {
		up, detail = w.service(local)
		return up && strings.HasPrefix(detail, "1 mail delivered; last error at ")
	})
	last := mtatest.AwaitAttempts(t, w.log, "jo@example.test", 2)[1].Last()
	require.Equal(t, "message/accepted", last.Pair())
	w.Terminate(t)
}

// TestMaildirsOnAFullDisk has the disk of Maildirs full, and a mail wait until there is room.
func TestMaildirsOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a small file system, which takes root: %v", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) }()
	filler := filepath.Join(dir, "filler")
	require.Error(t, os.WriteFile(filler, make([]byte, 2<<20), 0o600))
	require.NoError(t, os.Truncate(filler, 900<<10))

	w := newWorld(t)
	local := "maildir://" + dir + "/{user}"
	w.route("example.test", local)
	body := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 5000)
	w.Submit(t, "a@client.test", "jo@example.test", "Subject: x\r\n\r\n"+body)
	first := mtatest.AwaitAttempts(t, w.log, "jo@example.test", 1)[0].Last()
	require.Equal(t, "message/error", first.Pair())
	require.Equal(t, 452, first.Code)
	require.Equal(t, "4.3.1", first.Status)
	require.Equal(t, dir+"/jo", first.To)
	up, detail := w.service(local)
	require.False(t, up)
	require.Contains(t, detail, "452 4.3.1 no space left on the disk of the mailbox")

	require.NoError(t, os.Remove(filler))
	mtatest.Eventually(t, "the mail is there", func() bool {
		files, _ := filepath.Glob(dir + "/jo/new/*")
		return len(files) == 1
	})
	w.Terminate(t)
}

// TestRoutesThatMakeNoSense are refused with what was expected, by the API and at the start.
func TestRoutesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for relay, want := range map[string]string{
		"maildir:///mail/{usr}": "expected {user}, {domain} or {detail}",
		"lmtp+unix://run/lmtp":  "expected the whole path of a socket",
		"imap://host":           "expected a host, or lmtp://, lmtp+unix:// or maildir:// in front",
	} {
		var said struct{ Error string }
		body, err := json.Marshal(map[string]string{"domain": "example.test", "relay": relay})
		require.NoError(t, err)
		w.ask("POST", "/v1/routes", string(body), 400, &said)
		require.Contains(t, said.Error, want)
	}
	w.Terminate(t)
	d := mtatest.Launch(t, w.Settings.With(routes(t, "# mailboxes", "example.test:maildir:///mail/{usr}")))
	require.NotZero(t, d.Exit(t, mtatest.Patience))
	require.Contains(t, d.Log.String(), "routes:2: ")
	require.Contains(t, d.Log.String(), "expected {user}, {domain} or {detail}")
}
