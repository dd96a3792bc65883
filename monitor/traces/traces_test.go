package traces_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/otlptest"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/traces"
	"github.com/sluicemail/sluice/queue"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

const (
	theirs    = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

func open(t *testing.T, o traces.Options) *traces.Traces {
	t.Helper()
	f, err := traces.Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func TestWhoIsFollowed(t *testing.T) {
	c := otlptest.Start(t)
	none, all := open(t, traces.Options{URL: c.URL}), open(t, traces.Options{URL: c.URL, Ratio: 1})
	for _, parent := range []string{"", "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01"} {
		require.Empty(t, none.Begin(parent), parent)
		require.Regexp(t, "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$", all.Begin(parent))
	}
	require.NotEqual(t, all.Begin(""), all.Begin(""))
	require.Empty(t, all.Begin(unsampled), "who follows it decided already")
	own := none.Begin(theirs)
	require.True(t, strings.HasPrefix(own, "00-0af7651916cd43dd8448eb211c80319c-"), own)
	require.NotEqual(t, theirs, own)
}

// TestSpans has a mail received, put off once, and delivered by another instance.
func TestSpans(t *testing.T) {
	c := otlptest.Start(t)
	begun := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	first, err := traces.Open(traces.Options{URL: c.URL, Service: "mtad", Instance: "mx.test", Version: "1"})
	require.NoError(t, err)
	own := first.Begin(theirs)
	first.Received(theirs, own, begun, &monitor.Stages{Read: time.Second, Check: 2 * time.Second, Store: 3 * time.Second})
	m := &queue.Message{ID: "1-a", Recipient: "jo@example.com"}
	m.SetTraceParent(own)
	m.Results = []queue.Result{{Code: 450, Time: begun.Add(time.Minute)}}
	first.Observe(&monitor.Event{Kind: monitor.Retried, Time: begun.Add(time.Minute), Since: begun.Add(5 * time.Second),
		Domain: "example.com", Code: 450, Class: "greylisted", Message: m,
		Stages: monitor.Stages{Connect: time.Second, Greeting: time.Second, TLS: time.Second, Envelope: 7 * time.Second}})
	first.Observe(&monitor.Event{Kind: monitor.Picked, Message: m})
	first.Observe(&monitor.Event{Kind: monitor.Delivered, Message: &queue.Message{ID: "nobody follows it"}})
	first.Observe(&monitor.Event{Kind: monitor.Reported})
	require.NoError(t, first.Close())

	second, err := traces.Open(traces.Options{URL: c.URL, Service: "mtad"})
	require.NoError(t, err)
	m.Results = append(m.Results, queue.Result{Code: 250})
	second.Observe(&monitor.Event{Kind: monitor.Delivered, Time: begun.Add(time.Hour), Since: begun.Add(5 * time.Second),
		Domain: "example.com", Code: 250, Message: m, MTA: netip.MustParseAddr("192.0.2.1"),
		Remote: netip.MustParseAddrPort("198.51.100.25:25"), TLS: monitor.TLS{Protocol: "TLSv1.3"},
		Stages: monitor.Stages{Envelope: time.Second, Mail: 2 * time.Second}})
	second.Observe(&monitor.Event{Kind: monitor.NotTried, Time: begun.Add(time.Hour), Class: "expired", Message: m})
	require.NoError(t, second.Close())

	receive := c.Spans("receive")[0]
	require.Equal(t, theirs[3:35], receive.Trace())
	require.Equal(t, theirs[36:52], receive.Parent())
	require.Equal(t, own[36:52], receive.ID())
	require.Equal(t, 6*time.Second, receive.Took())
	require.Equal(t, uint64(begun.UnixNano()), receive.StartTimeUnixNano)
	require.Equal(t, map[string]string{"service.name": "mtad", "service.instance.id": "mx.test", "service.version": "1"},
		receive.Resource)
	attempts, results, waits := c.Spans("attempt"), c.Spans("result"), c.Spans("queue")
	require.Len(t, attempts, 2)
	require.Len(t, results, 2)
	require.Len(t, waits, 2)
	for _, s := range append(append(attempts, results...), waits...) {
		require.Equal(t, receive.Trace(), s.Trace())
		require.Equal(t, receive.ID(), s.Parent())
	}
	require.Equal(t, 45*time.Second, waits[0].Took(), "until the connection was made")
	require.Equal(t, time.Hour-time.Minute-3*time.Second, waits[1].Took(), "since the attempt before")
	require.Equal(t, "greylisted", attempts[0].Status.Message)
	require.Equal(t, "1-a", attempts[1].Attribute("mail.message_id"))
	require.Equal(t, "198.51.100.25", attempts[1].Attribute("server.address"))
	require.Equal(t, "TLSv1.3", attempts[1].Attribute("tls.protocol.version"))
	require.Equal(t, "expired", results[1].Attribute("mail.class"))
	at := receive.StartTimeUnixNano
	for _, stage := range []struct {
		name   string
		parent otlptest.Span
		took   time.Duration
	}{
		{"read", receive, time.Second}, {"checks", receive, 2 * time.Second}, {"store", receive, 3 * time.Second},
		{"connect", attempts[0], time.Second}, {"greeting", attempts[0], time.Second}, {"tls", attempts[0], time.Second},
		{"envelope", attempts[0], 7 * time.Second}, {"mail", attempts[1], 2 * time.Second},
	} {
		s := c.Spans(stage.name)[0]
		require.Equal(t, stage.parent.ID(), s.Parent(), stage.name)
		require.Equal(t, stage.took, s.Took(), stage.name)
		require.GreaterOrEqual(t, s.StartTimeUnixNano, at, stage.name)
		require.LessOrEqual(t, s.EndTimeUnixNano, stage.parent.EndTimeUnixNano, stage.name)
		at = s.StartTimeUnixNano
	}
	exported, lost := second.Spans()
	require.EqualValues(t, 6, exported)
	require.Zero(t, lost)
}

// TestCollectorIsDown has one that answers with an error, and one that hangs: both cost spans, which are counted.
func TestCollectorIsDown(t *testing.T) {
	var log bytes.Buffer
	broken := httptest.NewServer(http.NotFoundHandler())
	defer broken.Close()
	f, err := traces.Open(traces.Options{URL: broken.URL + "/v1/traces", Ratio: 1,
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	f.Received("", f.Begin(""), time.Now(), &monitor.Stages{Store: time.Second})
	require.NoError(t, f.Close())
	_, lost := f.Spans()
	require.EqualValues(t, 2, lost)
	require.Contains(t, log.String(), "the collector takes no traces")

	over := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer hangs.Close()
	f, err = traces.Open(traces.Options{URL: hangs.URL + "/v1/traces", Ratio: 1, Waiting: 1000,
		Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	const mails = 5000
	for range mails {
		f.Received("", f.Begin(""), time.Now(), &monitor.Stages{})
	}
	_, lost = f.Spans()
	require.GreaterOrEqual(t, lost, uint64(mails-1000))
	close(over)
	require.NoError(t, f.Close())
	exported, lost := f.Spans()
	require.EqualValues(t, mails, exported+lost, "each is counted once")
}

// BenchmarkNotFollowed is what a message costs that is not followed, where others are.
func BenchmarkNotFollowed(b *testing.B) {
	f, err := traces.Open(traces.Options{URL: "http://127.0.0.1:1/"})
	require.NoError(b, err)
	e := monitor.Event{Kind: monitor.Delivered, Message: &queue.Message{}}
	b.ReportAllocs()
	for b.Loop() {
		if f.Begin("") != "" {
			b.Fatal("it is followed")
		}
		f.Observe(&e)
	}
}
