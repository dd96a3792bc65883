package auth_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
)

var webAccounts = map[string]string{"alice": "Sesam öffne dich", "bob@example.com": "hunter2:hunter2"}

// login answers as an endpoint of an integrator does.
func login(w http.ResponseWriter, r *http.Request) {
	name, password, ok := r.BasicAuth()
	if !ok || r.Method != http.MethodGet || name == "" || webAccounts[name] != password {
		w.Header().Set("WWW-Authenticate", `Basic realm="login"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	fmt.Fprintln(w, "welcome", name)
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func open(t *testing.T, url string) auth.Authenticator {
	t.Helper()
	backend, err := newMux().Open(url)
	require.NoError(t, err)
	if closer, ok := backend.(io.Closer); ok {
		t.Cleanup(func() { closer.Close() })
	}
	return backend
}

func TestHTTPExam(t *testing.T) {
	server := serve(t, login)
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		return open(t, server.URL+"/login"), webAccounts
	})
}

func TestHTTPSExam(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(login))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(block), 0o600))
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		return open(t, server.URL+"/login#timeout=5s&ca="+ca), webAccounts
	})
}

func TestHTTPSTrustsNobodyElse(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(login))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it will complain of handshakes
	server.StartTLS()
	defer server.Close()
	h := &auth.HTTP{URL: server.URL, CA: x509.NewCertPool()}
	defer h.Close()
	err := ask(t, h, "alice", webAccounts["alice"])
	require.ErrorContains(t, err, "certificate")
	require.NotErrorIs(t, err, auth.ErrRejected)
}

func TestHTTPStatus(t *testing.T) {
	var status atomic.Int64
	var followed atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed.Add(1)
			return
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(status.Load()))
	})
	h := open(t, server.URL+"/login")
	for code, want := range map[int]string{
		200: "accepted", 201: "accepted", 204: "accepted", 299: "accepted",
		300: "rejected", 301: "rejected", 302: "rejected", 303: "rejected", 304: "rejected", 307: "rejected", 308: "rejected",
		400: "rejected", 401: "rejected", 403: "rejected", 404: "rejected", 407: "rejected", 429: "rejected", 499: "rejected",
		500: "unknown", 502: "unknown", 503: "unknown", 599: "unknown", 999: "unknown",
	} {
		status.Store(int64(code))
		err := ask(t, h, "alice", "sesame")
		switch want {
		case "accepted":
			require.NoError(t, err, code)
		case "rejected":
			require.ErrorIs(t, err, auth.ErrRejected, code)
		default:
			require.Error(t, err, code)
			require.NotErrorIs(t, err, auth.ErrRejected, code)
			require.ErrorContains(t, err, fmt.Sprint("status ", code))
		}
	}
	require.Zero(t, followed.Load(), "a redirection was followed")
}

// TestHTTPSends looks at what arrives, and that nothing else does.
func TestHTTPSends(t *testing.T) {
	var got *http.Request
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { got = r })
	h := open(t, server.URL+"/a%20b?token=1&x=%3D#timeout=1s")
	require.NoError(t, ask(t, h, "ü", "ö:ß"))
	require.Equal(t, "/a%20b?token=1&x=%3D", got.RequestURI)
	require.Equal(t, "Basic w7w6w7Y6w58=", got.Header.Get("Authorization"))
	require.Empty(t, got.Header.Get("Cookie"))
}

func TestHTTPRejectsWhatBasicCannotSay(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("asked") })
	h := open(t, server.URL)
	for _, l := range []auth.Login{
		{Username: "a:b", Password: "c"}, {Username: "a\n", Password: "c"}, {Username: "a", Password: "c\r\nX: y"},
		{Username: "a\x00", Password: "c"},
		{Username: "", Password: "c"}, {Username: "a"}, {Username: strings.Repeat("a", 5000), Password: "c"},
		{Username: "a", Password: strings.Repeat("c", 5000)},
	} {
		require.ErrorIs(t, h.Authenticate(t.Context(), l), auth.ErrRejected)
	}
}

func TestHTTPWithoutAnswer(t *testing.T) {
	release := make(chan struct{})
	hanging := serve(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	defer close(release)
	halfway := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 200")
			conn.Close()
		}
	})
	endless := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for err == nil {
			_, err = io.WriteString(conn, "X-Header: "+strings.Repeat("x", 1000)+"\r\n")
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := "http://" + listener.Addr().String()
	listener.Close()
	for name, url := range map[string]string{
		"hangs": hanging.URL + "#timeout=100ms", "stops halfway": halfway.URL, "endless header": endless.URL,
		"refuses":       closed,
		"speaks no TLS": strings.Replace(hanging.URL, "http", "https", 1) + "#timeout=2s",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			err := ask(t, open(t, url), "alice", "sesame-sesame")
			require.Error(t, err)
			require.NotErrorIs(t, err, auth.ErrRejected)
			require.NotContains(t, err.Error(), "sesame")
			require.Less(t, time.Since(start), 8*time.Second)
		})
	}
}

// TestHTTPErrorsHideTheQuery is for endpoints that want a token.
func TestHTTPErrorsHideTheQuery(t *testing.T) {
	err := ask(t, open(t, "http://127.0.0.1:1/login?token=opensesame"), "alice", "x")
	require.ErrorContains(t, err, "127.0.0.1:1")
	require.NotContains(t, err.Error(), "opensesame")
}

func TestHTTPGivesUpWithItsClient(t *testing.T) {
	asked := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	err := open(t, server.URL).Authenticate(ctx, auth.Login{Username: "a", Password: "b"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestHTTPUsesConnectionsAgain(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("body ", 1000))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	h := open(t, server.URL)
	for range 20 {
		require.NoError(t, ask(t, h, "alice", "sesame"))
	}
	require.EqualValues(t, 1, connections.Load())
}

// TestHTTPBodyIsBounded accepts by the status, without waiting for the end of a body that has none.
func TestHTTPBodyIsBounded(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 32<<10))
		}
	})
	require.NoError(t, ask(t, open(t, server.URL), "alice", "sesame"))
}

// TestHTTPManyAtOnce logs in with 200 clients against an endpoint that takes 300 ms.
func TestHTTPManyAtOnce(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(300 * time.Millisecond) // this is how slow the endpoint is
	})
	h := open(t, server.URL)
	start := time.Now()
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			if err := ask(t, h, fmt.Sprint("user", i), "sesame"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Less(t, time.Since(start), 10*time.Second, "served one by one they take a minute")
}

func TestHTTPThatIsBroken(t *testing.T) {
	for _, url := range []string{"", "ftp://host/", "http://", "http://u@host/", "http://host/#x", "http://[::1/"} {
		h := &auth.HTTP{URL: url}
		err := ask(t, h, "a", "b")
		require.Error(t, err, url)
		require.False(t, errors.Is(err, auth.ErrRejected), url)
	}
}
