package prometheus

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return string(body)
}

func TestMetrics(t *testing.T) {
	m := &Metrics{Version: "1.2", Queues: func() ([]QueueCount, bool) {
		return []QueueCount{{"outbox", "ready", 7}, {"outbox", "parked", 3}}, true
	}}
	for _, e := range []monitor.Event{
		{Kind: monitor.Picked}, {Kind: monitor.Picked}, {Kind: monitor.Left},
		{Kind: monitor.ConnStarting}, {Kind: monitor.ConnReady}, {Kind: monitor.ConnIdle},
		{Kind: monitor.Delivered, Bytes: 500}, {Kind: monitor.MessageReceived, Bytes: 20}, {Kind: 200},
		{Kind: monitor.Retried, Class: "greylisted"}, {Kind: monitor.Retried, Class: "greylisted"},
		{Kind: monitor.Failed, Class: "greylisted"}, {Kind: monitor.NotTried, Class: "expired"},
		{Kind: monitor.Delivered, TLS: monitor.TLS{Protocol: "TLSv1.3", Policy: "dane", Mode: "enforce"}},
		{Kind: monitor.Retried, TLS: monitor.TLS{Policy: "sts", Mode: "enforce", Failure: "starttls-not-supported"}},
	} {
		m.Observe(&e)
	}
	text := scrape(t, m)
	for _, line := range []string{
		"sluice_processed_total 2", "sluice_messages_in_memory 1", "sluice_connections_starting 0",
		"sluice_connections_active 0", "sluice_connections_idle 1", "sluice_delivered_bytes_total 500",
		"sluice_received_bytes_total 20", `sluice_queue_messages{queue="outbox",state="ready"} 7`, "sluice_queue_up 1",
		`sluice_failures_total{class="greylisted",outcome="deferred"} 2`,
		`sluice_failures_total{class="greylisted",outcome="failed"} 1`,
		`sluice_failures_total{class="expired",outcome="not-tried"} 1`,
		`sluice_tls_attempts_total{failure="",mode="enforce",policy="dane",protocol="TLSv1.3"} 1`,
		`sluice_tls_attempts_total{failure="starttls-not-supported",mode="enforce",policy="sts",protocol=""} 1`,
		`sluice_build_info{version="1.2"} 1`, "go_goroutines ",
	} {
		require.Contains(t, text, "\n"+line)
	}
}

func TestQueuesThatCannotBeAsked(t *testing.T) {
	m := &Metrics{Queues: func() ([]QueueCount, bool) { return nil, false }}
	require.Contains(t, scrape(t, m), "sluice_queue_up 0")
}

// TestHook shows how posting results goes, where there is a web hook.
func TestHook(t *testing.T) {
	require.NotContains(t, scrape(t, &Metrics{}), "webhook")
	text := scrape(t, &Metrics{Hook: func() Hook {
		return Hook{Up: true, Waiting: 2, DeadLetters: 3, Posted: 4, Refused: 5, Lost: 6, Requests: 7, Failed: 8,
			Seconds: 1.5}
	}})
	for _, line := range []string{"sluice_webhook_up 1", "sluice_webhook_waiting_results 2",
		"sluice_webhook_dead_letters 3",
		`sluice_webhook_results_total{outcome="taken"} 4`, `sluice_webhook_results_total{outcome="refused"} 5`,
		`sluice_webhook_results_total{outcome="lost"} 6`, "sluice_webhook_failed_requests_total 8",
		"sluice_webhook_request_seconds_sum 1.5", "sluice_webhook_request_seconds_count 7"} {
		require.Contains(t, text, line+"\n")
	}
}

// However many classes there were, few are told apart.
func TestManyClasses(t *testing.T) {
	m := &Metrics{}
	for i := range 10 * maxClasses {
		m.Observe(&monitor.Event{Kind: monitor.Failed, Class: fmt.Sprint("class-", i)})
	}
	text := scrape(t, m)
	require.LessOrEqual(t, strings.Count(text, "sluice_failures_total{"), maxClasses+1)
	require.Contains(t, text, fmt.Sprintf(`sluice_failures_total{class="other",outcome="failed"} %d`, 9*maxClasses))
}

func ExampleMetrics() {
	m := &Metrics{}
	m.Observe(&monitor.Event{Kind: monitor.Delivered, Bytes: 1000})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "sluice_delivered_total") {
			fmt.Print(line)
		}
	}
	// Output: sluice_delivered_total 1
}
