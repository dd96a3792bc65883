package frame

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// restarted is another process with the same clock, whose browsers have the cookies of the one before.
func (w *world) restarted(credentials string) *world {
	w.T.Helper()
	next := newWorld(w.T, func(f *Frame) {
		f.SessionFile, f.Credentials, f.Now = w.SessionFile, []byte(credentials), w.Now
	})
	next.Client = w.Client
	// cookies are told apart by the port, which stays the same where a server restarts
	from, _ := url.Parse(w.Server.URL)
	to, _ := url.Parse(next.Server.URL)
	var cookies []*http.Cookie
	for _, c := range w.Client.Jar.Cookies(from) {
		cookies = append(cookies, &http.Cookie{Name: strings.Replace(c.Name, from.Port(), to.Port(), 1), Value: c.Value})
	}
	next.Client.Jar.SetCookies(to, cookies)
	return next
}

func keptWorld(t *testing.T) *world {
	return newWorld(t, func(f *Frame) {
		f.SessionFile, f.Credentials = filepath.Join(t.TempDir(), "sessions"), []byte("secret")
	}).logIn()
}

func (w *world) mayEnter() bool { w.T.Helper(); return w.Get("/").StatusCode == http.StatusOK }

func TestSessionsOutliveTheProcess(t *testing.T) {
	w := keptWorld(t)
	csrf := w.CSRF()
	next := w.restarted("secret")
	require.True(t, next.mayEnter())
	require.Equal(t, csrf, next.CSRF(), "what was typed into a form before can be sent")
	require.Equal(t, http.StatusSeeOther, next.Do("POST", "/access/pardon", url.Values{"csrf": {csrf}, "username": {"x"}}).StatusCode)
	require.Contains(t, next.Get("/access").Body, "admin")

	text, err := os.ReadFile(w.SessionFile)
	require.NoError(t, err)
	address, _ := url.Parse(w.Server.URL)
	require.NotContains(t, string(text), w.Client.Jar.Cookies(address)[0].Value, "nobody can log in with what the file holds")
	require.NotContains(t, string(text), "secret")
	info, err := os.Stat(w.SessionFile)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
}

func TestLoggedOutStaysLoggedOut(t *testing.T) {
	w := keptWorld(t)
	address, _ := url.Parse(w.Server.URL)
	cookies := w.Client.Jar.Cookies(address)
	w.Do("POST", "/logout", url.Values{"csrf": {w.CSRF()}})
	w.Client.Jar.SetCookies(address, cookies)
	require.False(t, w.restarted("secret").mayEnter())
}

func TestAnotherPasswordEndsKeptSessions(t *testing.T) {
	w := keptWorld(t)
	require.False(t, w.restarted("changed").mayEnter())
}

// TestUseIsKept has somebody use the console for longer than sessions last without use.
func TestUseIsKept(t *testing.T) {
	w := keptWorld(t)
	for range 5 {
		w.Clock.Forward(10 * time.Minute)
		require.True(t, w.mayEnter())
	}
	next := w.restarted("secret")
	require.True(t, next.mayEnter())
	w.Clock.Forward(31 * time.Minute)
	require.False(t, next.restarted("secret").mayEnter(), "nobody used it while the server was away")
}

func TestDamagedSessionFile(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "cut": `{"salt":"AAAA","sessions":[{"id":`, "other": "[]",
		"strange": `{"salt":"","stamp":"","sessions":[{"id":"AA=="},{"id":null,"csrf":"x"}]}`} {
		w := keptWorld(t)
		require.NoError(t, os.WriteFile(w.SessionFile, []byte(text), 0o600))
		next := w.restarted("secret")
		require.False(t, next.mayEnter(), name)
		require.True(t, next.logIn().restarted("secret").mayEnter(), name)
	}
	w := keptWorld(t)
	require.NoError(t, os.Remove(w.SessionFile))
	require.NoError(t, os.Mkdir(w.SessionFile, 0o700))
	next := w.restarted("secret")
	require.Contains(t, next.Logged.String(), "has to log in again")
	require.True(t, next.logIn().mayEnter(), "sessions that cannot be kept are sessions")
	require.Contains(t, next.Logged.String(), "cannot be kept")
}

// TestDirectoryThatIsNotThere has a console whose own files are in no directory.
func TestDirectoryThatIsNotThere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{"/usr/share/mailerq/www-not-there", file} {
		w := newWorld(t, func(f *Frame) { f.Dir = dir })
		require.True(t, w.logIn().mayEnter())
		require.Contains(t, w.Logged.String(), "cannot be opened; the built-in console is used")
		require.Contains(t, w.Logged.String(), dir)
	}
}
