package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/api"
	"github.com/sluicemail/sluice/doctor"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/preflight"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server with a settings database, a queue, and one token.
type world struct {
	t      *testing.T
	path   string
	keeper *snapshot.Keeper
	queue  queue.Queue
	admin  *admin.Admin
	api    *api.Handler
	server *httptest.Server
	client *http.Client
	token  string
	// published is the DNS.
	published published
	// recorder, unless nil, notes what is answered.
	recorder *recorder
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "settings.db"), queue: memory.New()}
	quiet := slog.New(slog.DiscardHandler)
	w.keeper = &snapshot.Keeper{
		Open: func(ctx context.Context) (*settings.DB, error) {
			return settings.Open(ctx, "sqlite://"+w.path, settings.Options{})
		},
		Logger: quiet,
	}
	require.NoError(t, w.keeper.Start(t.Context()))
	running, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); w.keeper.Run(running) }()
	w.admin = &admin.Admin{Probe: func(_ context.Context, address string, _ bool) ([]admin.ProbeStep, error) {
		if address == "busy@example.com" {
			return nil, admin.ErrUnavailable
		}
		if address == "jo@example.com" {
			return nil, fmt.Errorf("testing addresses is %w", admin.ErrUnsupported)
		}
		return []admin.ProbeStep{}, nil
	}, Settings: w.keeper, Instance: 1, Queue: w.queue, Inbox: "inbox", Live: new(monitor.Live),
		Logger: quiet}
	w.admin.Feedback, w.admin.TLS, w.admin.Sampled = reported{}, secured{}, new(preflight.Tally)
	w.admin.Examine = func(context.Context) *doctor.Report { return new(doctor.Report) }
	w.admin.Preflight = func(context.Context, *admin.Draft) (*admin.Checked, error) { return new(admin.Checked), nil }
	w.admin.SearchLogs = logsearch.Files{Send: filepath.Join(t.TempDir(), "send.log")}.Search
	w.admin.Webhook, w.admin.LogLevel = consoletest.Webhook{}, new(slog.LevelVar)
	w.admin.Key, w.admin.LookupTXT = keyFacts, w.published.lookUp
	w.api = &api.Handler{Admin: w.admin}
	w.server = httptest.NewServer(w.api)
	w.client = w.server.Client()
	t.Cleanup(func() {
		w.server.Close()
		require.NoError(t, w.admin.Close())
		stop()
		<-ended
		require.NoError(t, w.queue.Close())
	})
	var err error
	_, w.token, err = w.admin.AddToken(t.Context(), "tests")
	require.NoError(t, err)
	return w
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// json decodes the body.
func (a answer) json(t *testing.T) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(a.body), &v), a.body)
	return v
}

// send sends a request with the token. A body that begins with { or [ is JSON, any other a form.
func (w *world) send(method, path, body string) answer {
	w.t.Helper()
	kind := "application/x-www-form-urlencoded"
	if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
		kind = "application/json"
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+path, strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", kind)
	return w.do(r)
}

func (w *world) do(r *http.Request) answer {
	w.t.Helper()
	response, err := w.client.Do(r)
	require.NoError(w.t, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	if w.recorder != nil {
		w.recorder.note(r.Method, r.URL.EscapedPath(), response.StatusCode)
	}
	return answer{response.StatusCode, response.Header, string(data)}
}

// must is send that has to succeed.
func (w *world) must(method, path, body string) any {
	w.t.Helper()
	a := w.send(method, path, body)
	require.Less(w.t, a.status, 300, "%s %s %s: %s", method, path, body, a.body)
	return a.json(w.t)
}

// TestConversations runs the files in testdata: each is a conversation with a fresh server.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, step := range readConversation(t, file) {
				got := w.send(step.method, step.path, step.body)
				require.Equal(t, step.status, got.status, "%s:%d: %s %s %s\n%s", file, step.line, step.method, step.path, step.body,
					got.body)
				step.compare(t, file, got)
			}
		})
	}
}

// TestProbe has an address tested: each step in words, what is no address refused, and a second test put off.
func TestProbe(t *testing.T) {
	w := newWorld(t)
	w.admin.Probe = func(_ context.Context, address string, requireTLS bool) ([]admin.ProbeStep, error) {
		if address == "busy@example.com" {
			return nil, fmt.Errorf("%w: it is being tested", admin.ErrUnavailable)
		}
		return []admin.ProbeStep{{Step: "verdict", Host: "mx.test", Good: !requireTLS, Text: "Mail goes in clear text."}}, nil
	}
	got := w.send("POST", "/v1/probe", `{"address":"jo@example.com","requiretls":true}`)
	require.Equal(t, 200, got.status)
	require.JSONEq(t, `[{"step":"verdict","host":"mx.test","good":false,"text":"Mail goes in clear text."}]`, got.body)
	require.Contains(t, w.send("POST", "/v1/probe", `{"address":"jo@example.com"}`).body, `"good":true`)
	got = w.send("POST", "/v1/probe", `{"address":"jo"}`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "a mail address")
	got = w.send("POST", "/v1/probe", `{"address":"busy@example.com"}`)
	require.Equal(t, 503, got.status)
	require.Contains(t, got.body, "it is being tested")
}

// TestPreflight has a mail looked at, as text and in base64, and what was found in mail that left.
func TestPreflight(t *testing.T) {
	w := newWorld(t)
	w.admin.Preflight, w.admin.Sampled = nil, nil
	require.Equal(t, 501, w.send("POST", "/v1/preflight", `{"mime":"x"}`).status)
	require.Equal(t, 501, w.send("GET", "/v1/preflight", "").status)
	var got admin.Draft
	w.admin.Preflight = func(_ context.Context, d *admin.Draft) (*admin.Checked, error) {
		got = *d
		return &admin.Checked{Findings: preflight.Look(&preflight.Mail{Text: d.Mail}, time.Now()), Source: "192.0.2.7"}, nil
	}
	answer := w.send("POST", "/v1/preflight", `{"mime":"Subject: x\r\n\r\n","envelope":"a@example.org","unsigned":true}`)
	require.Equal(t, 200, answer.status, answer.body)
	require.Contains(t, answer.body, `"id":"no-from","severity":"error","asked":[{"receiver":"Gmail"`)
	require.Contains(t, answer.body, `"source":"192.0.2.7"`)
	require.Equal(t, admin.Draft{Mail: []byte("Subject: x\r\n\r\n"), Envelope: "a@example.org", Unsigned: true}, got)
	answer = w.send("POST", "/v1/preflight", `{"base64":"U3ViamVjdDog/w==","source":"192.0.2.9","transactional":"1"}`)
	require.Equal(t, 200, answer.status, answer.body)
	require.Equal(t, admin.Draft{Mail: []byte("Subject: \xff"), Source: netip.MustParseAddr("192.0.2.9"), Transactional: true}, got)
	for _, wrong := range []string{`{}`, `{"base64":"?"}`, `{"mime":"x","envelope":"jo"}`, `{"mime":"x","base64":"eA=="}`,
		`{"mime":"x","source":"here"}`} {
		require.Equal(t, 400, w.send("POST", "/v1/preflight", wrong).status, wrong)
	}
	w.admin.Sampled = new(preflight.Tally)
	w.admin.Sampled.Add([]string{"spring"}, preflight.Look(&preflight.Mail{Text: []byte("\r\n")}, time.Now()), time.Now())
	require.Contains(t, w.send("GET", "/v1/preflight", "").body, `{"looked":1,"counts":[{"tag":"spring","id":"no-from",`)
}

// TestNoYearOne asks for all figures of a server that has seen nothing: what has not happened yet has no time.
func TestNoYearOne(t *testing.T) {
	w := newWorld(t)
	w.admin.Floods = func() []admin.Flood { return []admin.Flood{{Name: "f", Phase: "reduced"}} }
	for _, path := range []string{"/v1/stats", "/v1/stats?domain=a.test&tag=x", "/v1/stats/domains", "/v1/floods",
		"/v1/services", "/v1/explain", "/v1/tokens", "/v1/webhook", "/v1/webhook/dead", "/v1/tls/policies", "/v1/tls/reports"} {
		got := w.send("GET", path, "")
		require.Equal(t, 200, got.status, path)
		require.NotContains(t, got.body, "0001-01-01", path)
	}
}
