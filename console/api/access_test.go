package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/api"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/queue"
)

// TestTokens tries what is not a token that is in force.
func TestTokens(t *testing.T) {
	w := newWorld(t)
	ask := func(headers ...string) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/v1/pools", nil)
		require.NoError(t, err)
		for _, h := range headers {
			r.Header.Add("Authorization", h)
		}
		return w.do(r)
	}
	require.Equal(t, 200, ask("Bearer "+w.token).status)
	require.Equal(t, 200, ask("bearer  "+w.token+" ").status,
		"the scheme's case and white space make no difference (RFC 9110 §11.1)")
	for _, headers := range [][]string{
		{}, {""}, {"Bearer"}, {"Bearer "}, {"Basic " + w.token}, {w.token}, {"Bearer " + w.token[1:]},
		{"Bearer " + strings.Repeat("x", 5000)},
		{"Bearer " + w.token, "Bearer " + w.token}, {"Bearer " + strings.ToLower(w.token)},
	} {
		got := ask(headers...)
		require.Equal(t, 401, got.status, "%q", headers)
		require.Contains(t, got.header.Get("WWW-Authenticate"), "Bearer")
		require.NotContains(t, got.body, w.token[1:])
	}
	require.Equal(t, 401, w.do(must(http.NewRequest(http.MethodGet, w.server.URL+"/v1/nothing", nil))).status,
		"without a token nobody learns what there is")
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

// TestTokenFromOutside writes a token into the database as another program does: it counts at once, and no more once it
// is gone.
func TestTokenFromOutside(t *testing.T) {
	w := newWorld(t)
	db, err := settings.Open(t.Context(), "sqlite://"+w.path, settings.Options{})
	require.NoError(t, err)
	defer db.Close()
	row, secret, err := admin.NewToken(t.Context(), db, "outside", time.Now())
	require.NoError(t, err)
	before := w.token
	w.token = secret
	require.Equal(t, 200, w.send("GET", "/v1/pools", "").status)
	require.Eventually(t, func() bool {
		_, ok := w.keeper.Current().Tokens.Find(secret)
		return ok
	}, 5*time.Second, 5*time.Millisecond)
	w.token = before
	w.must("DELETE", "/v1/tokens", `{"name":"outside"}`)
	w.token = secret
	require.Equal(t, 401, w.send("GET", "/v1/pools", "").status)
	require.NotZero(t, row.ID)
}

// TestLastUsed is written late, and shown at once.
func TestLastUsed(t *testing.T) {
	w := newWorld(t)
	w.must("GET", "/v1/pools", "")
	list := w.must("GET", "/v1/tokens", "").([]any)
	require.NotEmpty(t, list[0].(map[string]any)["last-used"])
	require.NotContains(t, fmt.Sprint(list), "sha256", "hashes are nobody's business")
	require.NoError(t, w.admin.Close())
	require.NoError(t, w.keeper.Reload(t.Context()))
	require.NotEmpty(t, w.keeper.Current().Rows.Tokens[0].LastUsed)
}

// TestGuessing gets slow, does not hurt who had a right token from there, and is over after a minute.
func TestGuessing(t *testing.T) {
	w := newWorld(t)
	var now atomic.Int64
	now.Store(time.Now().Unix())
	h := &api.Handler{Admin: w.admin, Now: func() time.Time { return time.Unix(now.Load(), 0) },
		Client: func(r *http.Request) netip.AddrPort { return netip.MustParseAddrPort(r.Header.Get("X-From")) }}
	ask := func(from, token string) int {
		r := httptest.NewRequest(http.MethodGet, "/v1/pools", nil)
		r.Header.Set("X-From", from)
		r.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code == http.StatusTooManyRequests {
			require.Equal(t, "60", rec.Header().Get("Retry-After"))
		}
		return rec.Code
	}
	require.Equal(t, 200, ask("[2001:db8::1]:1", w.token))
	for i := range 10 {
		require.Equal(t, 401, ask(fmt.Sprintf("[2001:db8::%x]:1", i), "guess"), "an IPv6 client has 2^64 addresses")
	}
	require.Equal(t, 429, ask("[2001:db8::99]:1", "guess"))
	require.Equal(t, 200, ask("[2001:db8::99]:1", w.token))
	require.Equal(t, 200, ask("[2001:db8:0:1::1]:1", w.token), "another network")
	for range 10 {
		require.Equal(t, 401, ask("192.0.2.1:1", "guess"))
	}
	require.Equal(t, 429, ask("192.0.2.1:1", w.token), "not even the right one, to whom never had one")
	now.Add(60)
	require.Equal(t, 200, ask("192.0.2.1:1", w.token))
}

// TestBodies that are too large are refused before they are read.
func TestBodies(t *testing.T) {
	w := newWorld(t)
	address := w.server.Listener.Addr().String()
	for _, c := range []struct{ name, framing, begin string }{
		{"announced", "Content-Length: 104857600", ""},
		{"in pieces", "Transfer-Encoding: chunked", "80000\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			fmt.Fprintf(conn,
				"POST /v1/pauses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n%s\r\n\r\n%s",
				w.token, c.framing, c.begin)
			var sent atomic.Int64
			done := make(chan struct{})
			go func() {
				defer close(done)
				piece := []byte(strings.Repeat(" ", 1<<19))
				for sent.Load() < 100<<20 {
					if c.begin != "" && sent.Load() > 0 {
						io.WriteString(conn, "\r\n80000\r\n")
					}
					n, err := conn.Write(piece)
					sent.Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
			reply := make([]byte, 1<<10)
			n, err := conn.Read(reply)
			require.NoError(t, err)
			require.Contains(t, string(reply[:n]), "413 Request Entity Too Large")
			require.Contains(t, string(reply[:n]), "larger than 1048576 bytes")
			conn.Close()
			<-done
			require.Less(t, sent.Load(), int64(20<<20), "cut early")
		})
	}
	r := must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v1/pauses",
		strings.NewReader("<a/>")))
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", "text/xml")
	require.Equal(t, 415, w.do(r).status)

	deep := `{"domain":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
	require.Equal(t, 400, w.send("POST", "/v1/pauses", deep).status)
	require.Equal(t, 400, w.send("POST", "/v1/inject", `{"recipient":"a@b.test","x":`+deep+`}`).status)

	form := "--b\r\nContent-Disposition: form-data; name=\"domain\"\r\n\r\nexample.com\r\n--b--\r\n"
	r = must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v1/pauses", strings.NewReader(form)))
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	require.JSONEq(t, `{"domain":"example.com","cluster":false}`, w.do(r).body)

	r = must(http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL+"/v1/pauses",
		strings.NewReader(`{"domain":"example.org"}`)))
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	require.JSONEq(t, `{"domain":"example.org","cluster":false}`, w.do(r).body, "as curl -d sends it")
}

// TestInjectionsTogether are bounded: a fifth of the largest size has to wait until another is done.
func TestInjectionsTogether(t *testing.T) {
	w := newWorld(t)
	h := &api.Handler{Admin: w.admin, MaxInject: 1000}
	inject := func(body io.Reader, size int64) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/v1/inject", body)
		r.ContentLength = size
		r.Header.Set("Authorization", "Bearer "+w.token)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec
	}
	const message = `{"recipient":"a@b.test","mime":"x"}`
	var slow []*io.PipeWriter
	var wg sync.WaitGroup
	for range 4 {
		body, in := io.Pipe()
		slow = append(slow, in)
		wg.Go(func() {
			if got := inject(body, -1); got.Code != 200 {
				t.Error(got.Body)
			}
		})
		_, err := io.WriteString(in, message[:1]) // returns when it is being read
		require.NoError(t, err)
	}
	got := inject(strings.NewReader(message), int64(len(message)))
	require.Equal(t, 503, got.Code)
	require.Contains(t, got.Body.String(), "too much is being injected")
	for _, in := range slow {
		_, err := io.WriteString(in, message[1:])
		require.NoError(t, err)
		require.NoError(t, in.Close())
	}
	wg.Wait()
	require.Equal(t, 200, inject(strings.NewReader(message), int64(len(message))).Code)
}

// TestManyWriters has a thousand clients change settings at the same time.
func TestManyWriters(t *testing.T) {
	w := newWorld(t)
	w.client.Transport = &http.Transport{MaxIdleConnsPerHost: 100, MaxConnsPerHost: 100}
	defer w.client.CloseIdleConnections()
	const writers = 1000
	var wg sync.WaitGroup
	var failed atomic.Pointer[string]
	for i := range writers {
		wg.Go(func() {
			got := w.send("POST", "/v1/suppressions", fmt.Sprintf(`{"value":"a%d@b.test","type":"address","code":550}`, i/2))
			if got.status != 200 {
				failed.CompareAndSwap(nil, &got.body)
			}
		})
	}
	wg.Wait()
	if problem := failed.Load(); problem != nil {
		t.Fatal(*problem)
	}
	require.Len(t, w.must("GET", "/v1/suppressions", ""), writers/2)
	require.Equal(t, writers/2, w.keeper.Current().Suppressions.Len(), "and all are in force")
}

// TestDown has neither database nor broker.
func TestDown(t *testing.T) {
	w := newWorld(t)
	w.down()
	w.admin.Queue = closed{}
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/v1/pauses", "", "settings database"},
		{"POST", "/v1/pauses", `{"domain":"a.test"}`, "settings database"},
		{"DELETE", "/v1/pauses", `{"domain":"a.test"}`, "settings database"},
		{"GET", "/v1/locals", "", "settings database"},
		{"POST", "/v1/tokens", `{"name":"x"}`, "settings database"},
		{"POST", "/v1/inject", `{"recipient":"a@b.test","mime":"x"}`, "queue"},
	} {
		got := w.send(c.method, c.path, c.body)
		require.Equal(t, 503, got.status, "%s %s: %s", c.method, c.path, got.body)
		require.Contains(t, got.body, c.want)
		require.NotEmpty(t, got.header.Get("Retry-After"))
	}
	require.Equal(t, 501, w.send("GET", "/v1/queues", "").status, "this queue cannot be looked into")
	require.Contains(t, w.send("GET", "/v1/messages", "").body, "cannot be looked into")
}

// contextOf saves writing.
type contextOf = context.Context

// down takes database and queue away; what is in force stays in force.
func (w *world) down() {
	gone := &snapshot.Keeper{Logger: slog.New(slog.DiscardHandler),
		Open: func(context.Context) (*settings.DB, error) {
			return nil, &settings.Error{Database: "x", Doing: "connecting", Err: errors.New("connection refused")}
		}}
	o := &outage{Settings: w.keeper}
	o.gone.Store(gone)
	w.admin.Settings, w.admin.Queue = o, broken{}
	w.admin.SearchLogs = func(context.Context, logsearch.Query) (*logsearch.Page, error) {
		return nil, errors.New("permission denied")
	}
}

// outage is settings that are in force while their database is gone.
type outage struct {
	admin.Settings
	gone atomic.Pointer[snapshot.Keeper]
}

func (o *outage) Read(ctx context.Context, do func(settings.Store) error) error {
	return o.gone.Load().Read(ctx, do)
}

func (o *outage) Change(ctx context.Context, do func(settings.Store) error) error {
	return o.gone.Load().Change(ctx, do)
}

// closed is a queue that is not available, and cannot be looked into.
type closed struct{}

func (closed) Publish(context.Context, ...queue.Item) error { return queue.ErrUnavailable }
func (closed) Consume(context.Context, string, queue.ConsumeOptions, func(*queue.Delivery)) error {
	return queue.ErrUnavailable
}
func (closed) Close() error { return nil }
