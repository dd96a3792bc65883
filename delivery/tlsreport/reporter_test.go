package tlsreport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/report"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/delivery/tlsreport"
	"github.com/sluicemail/sluice/queue"
)

// world takes what a reporter sends.
type world struct {
	t     *testing.T
	path  string
	wants map[string]string // the record of a domain; "?": the DNS cannot be asked

	mu    sync.Mutex
	mails []*queue.Message
	posts []string // compressed bodies
	down  bool     // nothing can be sent
	asked int
}

func (w *world) TXT(_ context.Context, name string) (*resolver.Result[string], error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	switch record := w.wants[strings.TrimPrefix(name, "_smtp._tls.")]; record {
	case "?":
		return nil, &resolver.Error{Kind: resolver.Timeout}
	case "":
		return nil, &resolver.Error{Kind: resolver.NXDomain}
	default:
		return &resolver.Result[string]{Records: strings.Split(record, "\x00")}, nil
	}
}

func (w *world) publish(_ context.Context, m *queue.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return errors.New("the queue is closed")
	}
	w.mails = append(w.mails, m)
	return nil
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return nil, errors.New("nobody is there")
	}
	body, err := io.ReadAll(r.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, "application/tlsrpt+gzip", r.Header.Get("Content-Type"))
	require.Equal(w.t, http.MethodPost, r.Method)
	w.posts = append(w.posts, string(body))
	code := 201
	if strings.Contains(r.URL.Path, "refuse") {
		code = 500
	}
	return &http.Response{StatusCode: code, Body: http.NoBody}, nil
}

// sent returns how many mails and posts there were.
func (w *world) sent() (mails, posts int) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.mails), len(w.posts)
}

// run starts a reporter in synthetic time; the function it returns ends it.
func (w *world) run(change ...func(*tlsreport.Reporter)) (*tlsreport.Reporter, func()) {
	r := &tlsreport.Reporter{Host: "mta.example.net", From: "tls@example.net", Resolver: w, Publish: w.publish,
		Client: &http.Client{Transport: w}, Path: w.path, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(r)
	}
	require.NoError(w.t, r.Open())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	return r, func() { cancel(); <-ended }
}

func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	path := filepath.Join(t.TempDir(), "tally")
	synctest.Test(t, func(t *testing.T) { f(t, &world{t: t, path: path, wants: map[string]string{}}) })
}

var (
	sts     = tlsreport.Policy{Type: "sts", Lines: []string{"version: STSv1", "mode: testing", "mx: mx.a.test", "max_age: 86400"}, MX: []string{"mx.a.test"}}
	none    = tlsreport.Policy{Type: "no-policy-found"}
	good    = delivery.TLSSession{From: netip.MustParseAddr("192.0.2.1"), To: netip.MustParseAddr("198.51.100.7")}
	expired = delivery.TLSSession{From: good.From, To: good.To, HELO: "mx1 \"quoted\"",
		Violation: &delivery.TLSViolation{Type: "certificate-expired", Reason: "it was good until yesterday"}}
)

// readBack reads a mail as those who get it do.
func readBack(t *testing.T, m *queue.Message) *report.TLS {
	t.Helper()
	body, err := queue.ReadBody(m.Body)
	require.NoError(t, err)
	found, err := report.Parse(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err, "%s", body)
	require.NotNil(t, found.TLS)
	return found.TLS
}

// TestReport tells the owner of a domain of a day, as a mail that other programs can read.
func TestReport(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.wants["a.test"] = "v=TLSRPTv1; rua=mailto:reports@a.test"
		r, stop := w.run()
		defer stop()
		for range 5 {
			r.Count("a.test", "mx.a.test", sts, good)
		}
		r.Count("a.test", "mx.a.test", sts, expired)
		r.Count("a.test", "mx.a.test", sts, expired)
		r.Count("a.test", "mx.a.test", none, good)
		r.Count("b.test", "mx.b.test", none, good) // which wants no report
		time.Sleep(23 * time.Hour)                 // synthetic time begins at midnight
		mails, posts := w.sent()
		require.Zero(t, mails+posts, "the day is not over")
		time.Sleep(14 * time.Hour)
		mails, _ = w.sent()
		require.Equal(t, 1, mails)
		m := w.mails[0]
		require.Equal(t, "tls@example.net", m.Envelope)
		require.Equal(t, "reports@a.test", m.Recipient)
		text, err := queue.ReadBody(m.Body)
		require.NoError(t, err)
		require.Contains(t, string(text), "\r\nTLS-Report-Domain: a.test\r\nTLS-Report-Submitter: mta.example.net\r\nTLS-Required: No\r\n")
		require.NotContains(t, string(text), "\n\n")

		got := readBack(t, m)
		require.Equal(t, "mta.example.net", got.Organisation)
		require.Equal(t, "tls@example.net", got.Contact)
		require.Equal(t, "2000-01-01.a.test@mta.example.net", got.ID)
		require.Equal(t, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), got.Begin.UTC())
		require.Equal(t, time.Date(2000, 1, 1, 23, 59, 59, 0, time.UTC), got.End.UTC())
		require.Equal(t, []report.TLSPolicy{
			{Type: "sts", Lines: sts.Lines, Domain: "a.test", MX: sts.MX, Successful: 5, Failed: 2,
				Failures: []report.TLSFailure{{Type: "certificate-expired", SendingIP: good.From, MX: "mx.a.test",
					HELO: "mx1 \"quoted\"", ReceivingIP: good.To, Sessions: 2, Reason: "it was good until yesterday"}}},
			{Type: "no-policy-found", Domain: "a.test", Successful: 1},
		}, got.Policies)

		time.Sleep(48 * time.Hour)
		mails, _ = w.sent()
		require.Equal(t, 1, mails, "once")
	})
}

// TestPosts sends by HTTPS, and by mail where that fails.
func TestPosts(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.wants["a.test"] = "v=TLSRPTv1;rua=https://reports.a.test/v1,mailto:r@a.test"
		w.wants["b.test"] = "v=TLSRPTv1;rua=https://reports.b.test/refuse,mailto:r@b.test"
		r, stop := w.run()
		defer stop()
		r.Count("a.test", "mx.a.test", none, good)
		r.Count("b.test", "mx.b.test", none, good)
		time.Sleep(40 * time.Hour)
		mails, posts := w.sent()
		require.Equal(t, 2, posts)
		require.Equal(t, 1, mails)
		require.Equal(t, "r@b.test", w.mails[0].Recipient)
		require.True(t, strings.HasPrefix(w.posts[0], "\x1f\x8b"), "gzip")
	})
}

// TestTriedAgain tries every hour what could not be sent, until the day after is over.
func TestTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.wants["a.test"] = "v=TLSRPTv1; rua=mailto:r@a.test"
		w.wants["b.test"] = "?"
		w.down = true
		r, stop := w.run()
		r.Count("a.test", "mx.a.test", none, good)
		r.Count("b.test", "mx.b.test", none, good)
		time.Sleep(37 * time.Hour)
		_, _ = w.sent()
		require.GreaterOrEqual(t, w.asked, 2)
		require.Less(t, w.asked, 30, "once an hour")
		stop()
		w.mu.Lock()
		w.down = false
		w.mu.Unlock()
		_, stop = w.run() // what was counted stands over a restart
		time.Sleep(2 * time.Hour)
		mails, _ := w.sent()
		require.Equal(t, 1, mails)
		time.Sleep(24 * time.Hour)
		stop()
		text, err := os.ReadFile(w.path)
		require.NoError(t, err)
		require.Equal(t, "{}", string(text), "what could not be told for a day is forgotten")
	})
}

// TestSpread sends the reports of a day at different times.
func TestSpread(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		r, stop := w.run()
		defer stop()
		for i := range 100 {
			domain := fmt.Sprintf("d%d.test", i)
			w.wants[domain] = "v=TLSRPTv1; rua=mailto:r@" + domain
			r.Count(domain, "mx."+domain, none, good)
		}
		time.Sleep(27 * time.Hour)
		early, _ := w.sent()
		require.Greater(t, early, 5)
		require.Less(t, early, 60)
		time.Sleep(10 * time.Hour)
		all, _ := w.sent()
		require.Equal(t, 100, all)
	})
}

// TestBounds has a day of countless domains, and of countless ways to fail, take no more than so much.
func TestBounds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.wants["d0.test"] = "v=TLSRPTv1; rua=mailto:r@d0.test"
		r, stop := w.run(func(r *tlsreport.Reporter) { r.MaxDomains = 10 })
		defer stop()
		for i := range 1000 {
			r.Count(fmt.Sprintf("d%d.test", i), "mx.test", none, good)
			s := expired
			s.HELO = strings.Repeat("x", i)
			r.Count("d0.test", fmt.Sprintf("mx%d.test", i), none, s)
			r.Count("d0.test", "mx.test", tlsreport.Policy{Type: "sts", Lines: []string{fmt.Sprint(i)}}, good)
		}
		time.Sleep(40 * time.Hour)
		mails, _ := w.sent()
		require.Equal(t, 1, mails)
		got := readBack(t, w.mails[0])
		require.LessOrEqual(t, len(got.Policies), 20)
		require.Len(t, got.Policies[0].Failures, 100)
		require.EqualValues(t, 1000, got.Policies[0].Failed, "none is lost")
	})
}

// TestDamagedFile begins anew and says so.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tally")
	for _, text := range []string{"", "{", `{"2000-01-01":{"a.test":"x"}}`, `[]`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		r := &tlsreport.Reporter{Path: path}
		require.Error(t, r.Open(), "%q", text)
		require.NotPanics(t, func() { r.Count("a.test", "mx.a.test", none, good) })
	}
	for _, text := range []string{`null`, `{"2000-01-01":null}`, `{"2000-01-01":{"a.test":null}}`, `{"2000-01-01":{"a.test":[null]}}`, `{"x":{"a.test":[{}]}}`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		r := &tlsreport.Reporter{Path: path}
		require.NoError(t, r.Open(), "%q", text)
		require.NotPanics(t, func() { r.Count("a.test", "mx.a.test", none, good) })
	}
}
