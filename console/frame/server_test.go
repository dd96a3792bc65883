package frame

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/file"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/webtest"
)

// start runs a server until the test ends.
func start(t *testing.T, s *Server) []string {
	t.Helper()
	if s.Handler == nil {
		s.Handler = &Frame{Logger: slog.New(slog.DiscardHandler)}
	}
	require.NoError(t, s.Listen())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
		require.NoError(t, <-ended)
	})
	var all []string
	for _, a := range s.Addrs() {
		all = append(all, a.String())
	}
	return all
}

func TestBusyPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	s := &Server{Handler: http.NotFoundHandler(), Addresses: []string{"127.0.0.1:0", taken.Addr().String()}}
	err = s.Listen()
	require.ErrorContains(t, err, taken.Addr().String())
	require.ErrorContains(t, err, "in use")
	require.Empty(t, s.Addrs())
}

func TestHTTPSAndRedirect(t *testing.T) {
	cert, key := certificateFiles(t)
	addresses := start(t, &Server{Addresses: []string{"127.0.0.1:0"}, SecureAddresses: []string{"127.0.0.1:0"},
		Certificate: cert, Key: key})
	client := webtest.NewClient(t)
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	r, err := client.Get("http://" + addresses[0] + "/domains?q=x")
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, http.StatusPermanentRedirect, r.StatusCode)
	require.Equal(t, "https://"+addresses[1]+"/domains?q=x", r.Header.Get("Location"))
	r, err = client.Get("http://" + addresses[0] + "/healthz")
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, 200, r.StatusCode)
	r, err = client.Get("https://" + addresses[1] + "/login")
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, 200, r.StatusCode)
	require.NotEmpty(t, r.Header.Get("Strict-Transport-Security"))
}

func TestSecureCookie(t *testing.T) {
	cert, key := certificateFiles(t)
	c := &Frame{Auth: auth.Hardcoded(map[string]string{"admin": "secret"}), Logger: slog.New(slog.DiscardHandler)}
	addresses := start(t, &Server{Handler: c, SecureAddresses: []string{"127.0.0.1:0"}, Certificate: cert, Key: key})
	client := webtest.NewClient(t)
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	r, err := client.PostForm("https://"+addresses[0]+"/login",
		map[string][]string{"username": {"admin"}, "password": {"secret"}})
	require.NoError(t, err)
	r.Body.Close()
	require.True(t, r.Cookies()[0].Secure)
	require.True(t, strings.HasPrefix(r.Cookies()[0].Name, "__Host-"))
}

func TestNoCertificate(t *testing.T) {
	s := &Server{SecureAddresses: []string{"127.0.0.1:0"}}
	require.ErrorContains(t, s.Listen(), "needs a certificate")
	s = &Server{SecureAddresses: []string{"127.0.0.1:0"}, Certificate: "/no/such/cert.pem", Key: "/no/such/key.pem"}
	require.ErrorContains(t, s.Listen(), "/no/such/cert.pem")
}

func TestConnectionLimit(t *testing.T) {
	s := &Server{Addresses: []string{"127.0.0.1:0"}, Connections: 3}
	address := start(t, s)[0]
	var held []net.Conn
	for range 3 { // half open: they say nothing
		nc, err := net.Dial("tcp", address)
		require.NoError(t, err)
		held = append(held, nc)
	}
	ask := func() int {
		nc, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer nc.Close()
		fmt.Fprint(nc, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		r, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			return 0
		}
		defer r.Body.Close()
		_, _ = io.Copy(io.Discard, r.Body)
		return r.StatusCode
	}
	require.Eventually(t, func() bool { return ask() == http.StatusServiceUnavailable }, 5*time.Second,
		10*time.Millisecond)
	held[0].Close()
	require.Eventually(t, func() bool { return ask() == http.StatusOK }, 5*time.Second, 10*time.Millisecond)
	for _, nc := range held {
		nc.Close()
	}
	require.Eventually(t, func() bool { return s.limit.used.Load() == 0 }, 5*time.Second, 10*time.Millisecond)
}

func TestHalfOpenSocketsDoNotKeepOthersOut(t *testing.T) {
	address := start(t, &Server{Addresses: []string{"127.0.0.1:0"}})[0]
	for range 500 {
		nc, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer nc.Close()
		fmt.Fprint(nc, "GET / HTT")
	}
	client := webtest.NewClient(t)
	client.Transport = &http.Transport{DisableKeepAlives: true}
	r, err := client.Get("http://" + address + "/healthz")
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, 200, r.StatusCode)
}

func TestOwnFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	write("static/style.css", "body{color:teal}")
	write("static/own.js", "export {}")
	write("static/page.html", "<script>")
	write("secret.css", "secret")
	require.NoError(t, os.Symlink(filepath.Join(t.TempDir(), ".."), filepath.Join(dir, "static/up")))
	outside := filepath.Join(t.TempDir(), "outside.css")
	require.NoError(t, os.WriteFile(outside, []byte("outside"), 0o644))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "static/link.css")))
	w := newWorld(t, func(c *Frame) { c.Dir = dir; c.CacheControl = "max-age=60" })
	at := "/static/" + w.files.version + "/"
	a := w.Get(at + "style.css")
	require.Equal(t, "body{color:teal}", a.Body)
	require.Equal(t, "max-age=60", a.Header.Get("Cache-Control"))
	require.Equal(t, 200, w.Get(at+"own.js").StatusCode)
	require.Contains(t, w.Get(at+"app.js").Body, "import", "what is not replaced is built in")
	for _, path := range []string{"page.html", "link.css", "up", "..%2fsecret.css", "..%2f..%2fsecret.css",
		"%2e%2e%2fsecret.css", ".", "..", "", "%00.css", "a%5c..%5cb.css",
		"..%2ftemplates%2flayout.html", "nothing.css"} {
		a := w.Get(at + path)
		require.NotEqual(t, 200, a.StatusCode, path)
		require.NotContains(t, a.Body, "outside", path)
	}
}

func TestBuiltInFiles(t *testing.T) {
	w := newWorld(t, nil)
	a := w.Get("/static/" + w.files.version + "/style.css")
	require.Contains(t, a.Header.Get("Cache-Control"), "immutable")
	require.Equal(t, http.StatusNotModified,
		w.Get("/static/"+w.files.version+"/style.css", "If-None-Match", a.Header.Get("ETag")).StatusCode)
	require.Equal(t, "no-cache", w.Get("/static/other/style.css").Header.Get("Cache-Control"), "of another version")
}

func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir() // as MailerQ's: nothing in it is named as ours is
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "static"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "static/main.bundle.js"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.html"), nil, 0o644))
	w := newWorld(t, func(c *Frame) { c.Dir = dir })
	require.Contains(t, w.Logged.String(), "left alone")
	require.Contains(t, w.Get("/static/x/style.css").Body, "--accent")
}

func TestBrokenTemplate(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "templates"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "templates/access.html"), []byte("{{define \"content\"}}{{.Nope"),
		0o644))
	c := &Frame{Dir: dir, Logger: slog.New(slog.DiscardHandler)}
	require.ErrorContains(t, c.Check(), "access.html")
	require.NoError(t, c.Close())
}

func TestFirstPassword(t *testing.T) {
	name := filepath.Join(t.TempDir(), "new", "console-password")
	password, err := FirstPassword(name)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(password), 26)
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NotContains(t, string(text), password)
	again, err := FirstPassword(name)
	require.NoError(t, err)
	require.Empty(t, again, "shown once")
	back, err := file.New(name, nil)
	require.NoError(t, err)
	require.NoError(t, back.Authenticate(t.Context(), auth.Login{Username: "admin", Password: password}))
	require.ErrorIs(t, back.Authenticate(t.Context(), auth.Login{Username: "admin", Password: "x"}), auth.ErrRejected)
}

// certificateFiles writes a fresh certificate and its key.
func certificateFiles(t *testing.T) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	writeCertificate(t, cert, key)
	return cert, key
}

func writeCertificate(t *testing.T, cert, key string) {
	t.Helper()
	_, err := smtptest.WriteSelfSigned(cert, key)
	require.NoError(t, err)
}

// TestRedirectsToOwnNames sends browsers to names and addresses of this server only, whatever Host they send.
func TestRedirectsToOwnNames(t *testing.T) {
	cert, key := certificateFiles(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	addresses := start(t, &Server{Addresses: []string{"127.0.0.1:0"}, SecureAddresses: []string{"127.0.0.1:0"},
		Certificate: cert, Key: key,
		Names: []string{"console.test", "mail.test"}})
	nameless := start(t, &Server{Addresses: []string{"127.0.0.1:0"}, SecureAddresses: []string{"127.0.0.1:0"},
		Certificate: cert, Key: key})
	client := webtest.NewClient(t)
	ask := func(to []string, host string) string {
		r, err := http.NewRequest("GET", "http://"+to[0]+"/x", nil)
		require.NoError(t, err)
		r.Host = host
		answer, err := client.Do(r)
		require.NoError(t, err)
		answer.Body.Close()
		_, port, _ := net.SplitHostPort(to[1])
		location, isOwn := strings.CutSuffix(answer.Header.Get("Location"), ":"+port+"/x")
		require.True(t, isOwn, "%s: %s", host, answer.Header.Get("Location"))
		return strings.TrimPrefix(location, "https://")
	}
	for host, want := range map[string]string{
		"console.test": "console.test", "Mail.Test:8485": "Mail.Test", "127.0.0.1": "127.0.0.1", "localhost:99": "localhost",
		"evil.test": "console.test", "evil.test:8485": "console.test", "192.0.2.1": "console.test",
		"[2001:db8::1]:80": "console.test", "console.test.evil.test": "console.test",
	} {
		require.Equal(t, want, ask(addresses, host), host)
	}
	require.NotEmpty(t, pair.Leaf.DNSNames)
	require.Equal(t, pair.Leaf.DNSNames[0], ask(nameless, pair.Leaf.DNSNames[0]), "a name of the certificate's")
	require.Equal(t, "127.0.0.1", ask(nameless, "evil.test"))
}
