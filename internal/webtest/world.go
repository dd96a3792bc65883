package webtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// World is what surrounds a console in a test: a clock, logs, and a browser that keeps cookies and follows no
// redirects.
type World struct {
	T        *testing.T
	Server   *httptest.Server
	Client   *http.Client
	Clock    *clockwork
	Logged   *lockedBuffer
	Accessed *lockedBuffer
}

// New returns a world whose console is still to be started.
func New(t *testing.T) *World {
	return &World{T: t, Client: NewClient(t), Clock: &clockwork{now: time.Now()}, Logged: new(lockedBuffer),
		Accessed: new(lockedBuffer)}
}

// Serve serves a console until the test ends.
func (w *World) Serve(console http.Handler) {
	w.Server = httptest.NewServer(console)
	w.T.Cleanup(w.Server.Close)
}

// Note keeps a line of the access log.
func (w *World) Note(_ time.Time, ip netip.Addr, line string) { fmt.Fprintln(w.Accessed, ip, line) }

// clockwork is a clock that only tests move.
type clockwork struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clockwork) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clockwork) Forward(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func NewClient(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type Answer struct {
	*http.Response
	Body string
}

func (w *World) Do(method, path string, form url.Values, headers ...string) Answer {
	w.T.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, w.Server.URL+path, body)
	require.NoError(w.T, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := w.Client.Do(r)
	require.NoError(w.T, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(w.T, err)
	return Answer{response, string(text)}
}

func (w *World) Get(path string, headers ...string) Answer {
	w.T.Helper()
	return w.Do("GET", path, nil, headers...)
}

func (w *World) TryLogin(user, password, next string) Answer {
	w.T.Helper()
	return w.Do("POST", "/login", url.Values{"username": {user}, "password": {password}, "next": {next}})
}

// LogIn logs in as admin.
func (w *World) LogIn() {
	w.T.Helper()
	require.Equal(w.T, http.StatusSeeOther, w.TryLogin("admin", "secret", "/").StatusCode)
}

// CSRF returns the token of the forms of a page.
func (w *World) CSRF() string {
	w.T.Helper()
	found := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(w.Get("/").Body)
	require.NotNil(w.T, found)
	return found[1]
}
