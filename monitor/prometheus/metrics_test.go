package prometheus

import (
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

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

// TestTimes has each time end up in its histogram, with the label that it belongs to.
func TestTimes(t *testing.T) {
	m := &Metrics{}
	now := time.Now()
	for _, e := range []monitor.Event{
		{Kind: monitor.MessageReceived, Stages: monitor.Stages{Read: time.Hour, Check: 2 * time.Second, Store: time.Second}},
		{Kind: monitor.MessageReceived}, // the second recipient of the same mail
		{Kind: monitor.Attempted, Time: now, Since: now.Add(-30 * time.Minute)},
		{Kind: monitor.Attempted, Time: now}, // nobody knows how old it is
		{Kind: monitor.Delivered, Time: now, Since: now.Add(-3 * time.Hour), Code: 250,
			Stages: monitor.Stages{Connect: time.Hour, Envelope: 20 * time.Millisecond, Mail: 40 * time.Millisecond}},
		{Kind: monitor.Retried, Code: 451, Stages: monitor.Stages{Envelope: 2 * time.Second}},
		{Kind: monitor.Failed, Code: 550, Stages: monitor.Stages{Envelope: 4 * time.Millisecond}},
		{Kind: monitor.ConnReady, Stages: monitor.Stages{Connect: time.Millisecond, Greeting: 3 * time.Millisecond,
			TLS: 5 * time.Millisecond}},
		{Kind: monitor.ConnFailed, Stages: monitor.Stages{Connect: 20 * time.Minute}},
	} {
		m.Observe(&e)
	}
	m.Synced(700 * time.Microsecond)
	m.Asked(30*time.Millisecond, false)
	m.Asked(5*time.Second, true)
	m.Checked("spf", time.Second)
	m.Checked("spf", -time.Second) // clocks do that
	text := scrape(t, m)
	for _, line := range []string{
		"sluice_intake_seconds_sum 3", "sluice_intake_seconds_count 1",
		`sluice_queue_age_seconds_bucket{le="900"} 0`, `sluice_queue_age_seconds_bucket{le="3600"} 1`,
		"sluice_queue_age_seconds_count 1",
		`sluice_delivery_seconds_bucket{le="7200"} 0`, `sluice_delivery_seconds_bucket{le="14400"} 1`,
		`sluice_attempt_seconds_sum{reply="2xx"} 0.06`, `sluice_attempt_seconds_sum{reply="4xx"} 2`,
		`sluice_attempt_seconds_sum{reply="5xx"} 0.004`,
		`sluice_attempt_stage_seconds_count{stage="envelope"} 3`, `sluice_attempt_stage_seconds_count{stage="mail"} 1`,
		`sluice_attempt_stage_seconds_bucket{stage="connect",le="0.001"} 1`,
		`sluice_attempt_stage_seconds_bucket{stage="connect",le="300"} 1`,
		`sluice_attempt_stage_seconds_bucket{stage="connect",le="+Inf"} 2`,
		`sluice_attempt_stage_seconds_sum{stage="greeting"} 0.003`, `sluice_attempt_stage_seconds_sum{stage="tls"} 0.005`,
		`sluice_queue_sync_seconds_bucket{le="0.0005"} 0`, `sluice_queue_sync_seconds_bucket{le="0.001"} 1`,
		`sluice_dns_lookup_seconds_sum{outcome="answered"} 0.03`, `sluice_dns_lookup_seconds_sum{outcome="failed"} 5`,
		`sluice_check_seconds_count{check="spf"} 1`,
	} {
		require.Contains(t, text, "\n"+line+"\n")
	}
}

// Domains and addresses are shown when that is asked for, so many of them, and sums stay right.
func TestDomainsAndSources(t *testing.T) {
	results := func(m *Metrics) string {
		for i := range 10 {
			m.Observe(&monitor.Event{Kind: monitor.Delivered, Code: 250, Domain: fmt.Sprint("d", i, ".example"),
				MTA: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})})
		}
		m.Observe(&monitor.Event{Kind: monitor.Retried, Code: 450, Domain: "d1.example",
			MTA: netip.MustParseAddr("::ffff:192.0.2.1")})
		m.Observe(&monitor.Event{Kind: monitor.Failed, Code: 550, Domain: "d9.example"})
		return scrape(t, m)
	}
	text := results(&Metrics{})
	require.NotContains(t, text, "domain=")
	require.NotContains(t, text, "source=")
	text = results(&Metrics{Domains: 3, Sources: 2})
	for _, line := range []string{
		`sluice_domain_attempts_total{domain="d0.example",reply="2xx"} 1`,
		`sluice_domain_attempts_total{domain="d1.example",reply="4xx"} 1`,
		`sluice_domain_attempts_total{domain="other",reply="2xx"} 7`,
		`sluice_domain_attempts_total{domain="other",reply="5xx"} 1`,
		`sluice_source_attempts_total{reply="4xx",source="192.0.2.1"} 1`,
		`sluice_source_attempts_total{reply="2xx",source="other"} 8`,
	} {
		require.Contains(t, text, "\n"+line+"\n")
	}
	require.Equal(t, 3*(3+1), strings.Count(text, "sluice_domain_attempts_total{"))
	require.Equal(t, 3*(2+1), strings.Count(text, "sluice_source_attempts_total{"))
}
