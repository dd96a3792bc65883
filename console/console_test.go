package console_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
)

func TestLogin(t *testing.T) {
	w := consoletest.New(t, nil)
	a := w.Get("/domains?sort=-errors")
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	require.Equal(t, "/login?next=%2Fdomains%3Fsort%3D-errors", a.Header.Get("Location"))

	a = w.TryLogin("admin", "wrong-password", "/")
	require.Equal(t, http.StatusUnauthorized, a.StatusCode)
	require.Contains(t, a.Body, "Wrong user name or password")
	require.Empty(t, a.Cookies())

	a = w.TryLogin("admin", "secret", "/domains?sort=-errors")
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	require.Equal(t, "/domains?sort=-errors", a.Header.Get("Location"))
	cookie := a.Cookies()[0]
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	require.GreaterOrEqual(t, len(cookie.Value), 43, "256 bits")
	require.Equal(t, 200, w.Get("/").StatusCode)

	require.Eventually(t, func() bool { return strings.Contains(w.Accessed.String(), "127.0.0.1 GET / 200 ") },
		5*time.Second, time.Millisecond)
	text := w.Logged.String() + w.Accessed.String()
	require.NotContains(t, text, "wrong-password")
	require.NotContains(t, text, "secret")
}

func TestLoginService(t *testing.T) {
	broken := errors.New("dial tcp 10.0.0.1:389: connection refused")
	w := consoletest.New(t, func(c *console.Console) {
		c.Auth = auth.Func(func(context.Context, auth.Login) error { return broken })
	})
	a := w.TryLogin("admin", "secret", "/")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Contains(t, a.Body, "login service cannot be reached")
	require.NotContains(t, a.Body, "10.0.0.1")
	require.Contains(t, w.Logged.String(), "connection refused")
}

func TestGuessing(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) { c.Auth = &auth.Limit{Backend: c.Auth, Free: 2} })
	w.LogIn()
	other := w.Elsewhere()
	for range 3 {
		require.Equal(t, http.StatusUnauthorized, other.TryLogin("mallory<b>", "x", "/").StatusCode)
	}
	a := other.TryLogin("eve", "spoon", "/")
	require.Equal(t, http.StatusTooManyRequests, a.StatusCode, "the right password from a refused address too")
	require.Contains(t, a.Body, "Too many failed logins. Try again in ")
	require.NotEmpty(t, a.Header.Get("Retry-After"))

	page := w.Get("/access").Body
	require.Contains(t, page, "127.0.0.1/32")
	require.Contains(t, page, "mallory&lt;b&gt;")
	require.NotContains(t, w.Logged.String(), "mallory", "it may be a password")
	require.Equal(t, http.StatusSeeOther, w.Do("POST", "/access/pardon",
		url.Values{"address": {"127.0.0.1/32"}, "csrf": {w.CSRF()}}).StatusCode)
	require.Equal(t, http.StatusSeeOther, other.TryLogin("eve", "spoon", "/").StatusCode)
}

// TestGuessingFromManyAddresses: nobody is locked out by it, and those of SMTP can be seen and forgotten too.
func TestGuessingFromManyAddresses(t *testing.T) {
	mail := &auth.Limit{Backend: auth.Any(), Free: 1}
	w := consoletest.New(t, func(c *console.Console) { c.SMTPAuth = mail }).LogIn()
	at := func(ip string) *consoletest.World {
		other := w.Elsewhere()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		transport := &http.Transport{DialContext: dialer.DialContext}
		t.Cleanup(transport.CloseIdleConnections)
		other.Client.Transport = transport
		return other
	}
	for i := range 11 {
		require.Equal(t, http.StatusUnauthorized, at(fmt.Sprint("127.0.0.", 20+i)).TryLogin("admin", "guess", "/").StatusCode)
	}
	known := w.Elsewhere()
	require.Equal(t, http.StatusSeeOther, known.TryLogin("admin", "secret", "/").StatusCode)
	require.Contains(t, w.Get("/access").Body, "slowed")
	require.Equal(t, http.StatusSeeOther, at("127.0.0.99").TryLogin("admin", "secret", "/").StatusCode, "in its turn")

	for range 2 {
		login := auth.Login{Username: "joe", Password: "guess", Client: netip.MustParseAddrPort("192.0.2.1:1234")}
		require.ErrorIs(t, mail.Authenticate(t.Context(), login), auth.ErrRejected)
	}
	require.Contains(t, w.Get("/access").Body, "192.0.2.1/32")
	w.Do("POST", "/access/pardon", url.Values{"address": {"192.0.2.1/32"}, "csrf": {w.CSRF()}})
	require.Contains(t, w.Get("/access").Body, "192.0.2.1/32", "another door")
	w.Do("POST", "/access/pardon", url.Values{"address": {"192.0.2.1/32"}, "service": {"smtp"}, "csrf": {w.CSRF()}})
	w.Do("POST", "/access/pardon", url.Values{"username": {"joe"}, "service": {"smtp"}, "csrf": {w.CSRF()}})
	require.Empty(t, mail.Failures(0))
}

func TestSessionsEnd(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	w.Clock.Forward(29 * time.Minute)
	require.Equal(t, 200, w.Get("/").StatusCode)
	w.Clock.Forward(29 * time.Minute)
	require.Equal(t, http.StatusNoContent, w.Get("/session").StatusCode, "used 29 minutes ago")
	w.Clock.Forward(2 * time.Minute)
	a := w.Get("/tags")
	require.Equal(t, "/login?next=%2Ftags&why=ended", a.Header.Get("Location"), "asking for the session is no use of it")

	w.LogIn()
	for range 12 * 3 {
		w.Clock.Forward(19 * time.Minute)
		require.Equal(t, 200, w.Get("/").StatusCode)
	}
	w.Clock.Forward(19 * time.Minute)
	w.Get("/")
	w.Clock.Forward(19 * time.Minute)
	require.Equal(t, http.StatusSeeOther, w.Get("/").StatusCode, "twelve hours, however busy")
}

func TestLogOut(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	second, stranger := w.Elsewhere(), w.Elsewhere()
	second.LogIn()
	require.Equal(t, http.StatusSeeOther, stranger.TryLogin("eve", "spoon", "/").StatusCode)
	address, err := url.Parse(w.Server.URL)
	require.NoError(t, err)
	stolen := w.Client.Jar.Cookies(address)[0]

	require.Equal(t, http.StatusForbidden, w.Do("POST", "/logout", url.Values{"everywhere": {"yes"}}).StatusCode,
		"without the token")
	require.Equal(t, http.StatusSeeOther, w.Do("POST", "/logout",
		url.Values{"everywhere": {"yes"}, "csrf": {w.CSRF()}}).StatusCode)
	require.Equal(t, http.StatusSeeOther, w.Get("/").StatusCode)
	require.Equal(t, http.StatusSeeOther, second.Get("/").StatusCode, "everywhere")
	require.Equal(t, 200, stranger.Get("/").StatusCode, "other users stay")

	thief := w.Elsewhere()
	require.Equal(t, http.StatusSeeOther, thief.Get("/", "Cookie", stolen.Name+"="+stolen.Value).StatusCode,
		"a cookie kept from before")
	require.Equal(t, http.StatusSeeOther, thief.Get("/", "Cookie", stolen.Name+"="+strings.Repeat("A", 43)).StatusCode)
	require.Equal(t, http.StatusSeeOther, thief.Get("/", "Cookie", stolen.Name+"="+strings.Repeat("A", 8000)).StatusCode)
}

func TestForeignRequests(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	token := w.CSRF()
	for name, headers := range map[string][]string{
		"origin":     {"Origin", "https://evil.test"},
		"fetch site": {"Sec-Fetch-Site", "cross-site"},
		"same site":  {"Sec-Fetch-Site", "same-site"},
	} {
		a := w.Do("POST", "/logout", url.Values{"csrf": {token}}, headers...)
		require.Equal(t, http.StatusForbidden, a.StatusCode, name)
		a = w.Do("POST", "/login", url.Values{"username": {"eve"}, "password": {"spoon"}}, headers...)
		require.Equal(t, http.StatusForbidden, a.StatusCode, name)
	}
	other := consoletest.New(t, nil).LogIn()
	require.Equal(t, http.StatusForbidden, w.Do("POST", "/pause", url.Values{"csrf": {other.CSRF()}}).StatusCode,
		"a token of another session")
	require.Equal(t, 200, w.Get("/").StatusCode, "still logged in")
}

func TestHeaders(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	for _, path := range []string{"/", "/login", "/static/x/style.css", "/no/such/page", "/healthz", "/live"} {
		h := w.Get(path).Header
		require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", path)
		require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"), path)
		require.NotEmpty(t, h.Get("Referrer-Policy"), path)
	}
}

// TestPages looks at every page for what the policy would block, and for its size.
func TestPages(t *testing.T) {
	w := consoletest.New(t, nil)
	hostile := `x"><script>alert(1)</script>`
	for i := range 300 {
		w.Live.Observe(&monitor.Event{Kind: monitor.Picked, Domain: fmt.Sprintf("d%03d.example", i), Tags: []string{hostile}})
	}
	w.Live.Observe(&monitor.Event{Kind: monitor.Failed, Domain: hostile, Text: hostile, Code: 550,
		MTA: netip.MustParseAddr("192.0.2.1")})
	w.Clock.Forward(2 * time.Second)
	w.Live.Now = w.Clock.Now
	w.LogIn()
	inline := regexp.MustCompile(`(?i)\s(style|on[a-z]+)=|<style|<script(\s+type="module" src="/static/[0-9a-f]+/app\.js")?>[^<]|javascript:|https?://[^w]`)
	for _, path := range []string{"/", "/?mta=192.0.2.1&domain=a.test&tag=b", "/domains",
		"/domains?q=d1&sort=name&from=100", "/mtas", "/tags", "/access",
		"/domains/d001.example", "/mtas/192.0.2.1", "/tags/" + url.PathEscape(hostile), "/domains/" + url.PathEscape(hostile),
		"/login"} {
		a := w.Get(path)
		if path == "/login" {
			continue
		}
		require.Equal(t, 200, a.StatusCode, path)
		require.Less(t, len(a.Body), 100_000, path)
		require.NotContains(t, a.Body, "<script>alert", path)
		require.Empty(t, inline.FindString(a.Body), path)
		require.NotContains(t, a.Body, "ZgotmplZ", path)
		require.Contains(t, a.Body, "</html>", path)
	}
	require.Equal(t, http.StatusNotFound, w.Get("/mtas/nonsense").StatusCode)
	require.Equal(t, http.StatusNotFound, w.Get("/no/such/page").StatusCode)
	require.Equal(t, http.StatusNotFound, w.Do("DELETE", "/domains", nil).StatusCode)
}

func TestHealth(t *testing.T) {
	var down error
	w := consoletest.New(t, func(c *console.Console) { c.Ready = func() error { return down } })
	require.Equal(t, 200, w.Get("/healthz").StatusCode)
	require.Equal(t, 200, w.Get("/readyz").StatusCode)
	down = errors.New("queue is full of secrets")
	a := w.Get("/readyz")
	require.Equal(t, 503, a.StatusCode)
	require.NotContains(t, a.Body, "secrets")
	require.Equal(t, 200, w.Get("/healthz").StatusCode, "the process lives")
	w.LogIn()
	require.Contains(t, w.Get("/").Body, "Not ready: queue is full of secrets.")
}

func TestMountedHandlers(t *testing.T) {
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
	}
	w := consoletest.New(t, func(c *console.Console) { c.API, c.Metrics = say("api"), say("metrics") })
	require.Equal(t, "api", w.Get("/v1/stats").Body, "the API knows its users by itself")
	require.Equal(t, "api", w.Do("POST", "/v1/inject", url.Values{}).Body)
	require.Equal(t, http.StatusUnauthorized, w.Get("/metrics").StatusCode)
	require.Equal(t, "metrics", w.LogIn().Get("/metrics").Body)
}

func TestLargeRequests(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	for _, path := range []string{"/login", "/pause", "/theme"} {
		r, err := http.NewRequest("POST", w.Server.URL+path, io.LimitReader(endless{}, 1<<30))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.ContentLength = 1 << 30
		response, err := w.Client.Do(r)
		if err == nil { // the server may also hang up while the body is being sent
			response.Body.Close()
			require.GreaterOrEqual(t, response.StatusCode, 300, path)
		}
	}
	require.Equal(t, 200, w.Get("/").StatusCode)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

func TestTheme(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	require.NotContains(t, w.Get("/").Body, "data-theme")
	w.Do("POST", "/theme", url.Values{"theme": {"dark"}, "next": {"/tags"}})
	require.Contains(t, w.Get("/").Body, `data-theme="dark"`)
	w.Do("POST", "/theme", url.Values{"theme": {`"><script>`}})
	require.NotContains(t, w.Get("/").Body, "data-theme")
}

func TestPanickingPage(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) {
		c.API = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh no") })
	})
	require.Equal(t, 500, w.Get("/v1/x").StatusCode)
	require.Contains(t, w.Logged.String(), "oh no")
	require.Equal(t, 200, w.Get("/healthz").StatusCode)
}
