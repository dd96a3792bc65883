package prometheus

import (
	"flag"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/monitor"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// everything has something to show of each kind.
func everything() *Metrics {
	m := &Metrics{
		Queues:  func() ([]QueueCount, bool) { return []QueueCount{{"outbox", "ready", 1}}, true },
		Damage:  func() (QueueDamage, bool) { return QueueDamage{}, true },
		Hook:    func() Hook { return Hook{} },
		Traces:  func() (uint64, uint64) { return 0, 0 },
		Version: "1",
		Domains: 1, Sources: 1,
	}
	m.Observe(&monitor.Event{Kind: monitor.Failed, Domain: "example.com", Class: "policy"})
	m.Checked("spf", time.Second)
	return m
}

// TestDocumentation keeps docs/metrics.md true to what is shown.
func TestDocumentation(t *testing.T) {
	const page = "../../docs/metrics.md"
	have, err := os.ReadFile(page)
	require.NoError(t, err)
	intro, _, found := strings.Cut(string(have), "\n| metric |")
	require.True(t, found, "%s has no table", page)
	registry := client.NewRegistry()
	registry.MustRegister(everything())
	families, err := registry.Gather()
	require.NoError(t, err)
	var b strings.Builder
	b.WriteString(intro + "\n| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		slices.Sort(labels)
		b.WriteString("| `" + f.GetName() + "` | " + strings.ToLower(f.GetType().String()) + " | " +
			strings.Join(labels, ", ") + " | " + f.GetHelp() + " |\n")
		require.True(t, strings.HasSuffix(f.GetHelp(), "."), "%s: %q is no sentence", f.GetName(), f.GetHelp())
	}
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(b.String()), 0o644))
		return
	}
	require.Equal(t, b.String(), string(have), "run: go test ./monitor/prometheus -run TestDocumentation -update")
}

// TestPromtool has Prometheus' own tool look at names, types and texts.
func TestPromtool(t *testing.T) {
	testserver.Need(t, "promtool")
	w := httptest.NewRecorder()
	everything().Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	check := exec.Command(testserver.Find("promtool"), "check", "metrics")
	check.Stdin = w.Body
	said, err := check.CombinedOutput()
	require.NoError(t, err, "%s", said)
	require.Empty(t, string(said))
}
