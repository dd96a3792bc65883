package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

func TestMain(m *testing.M) { mtatest.Main(m) }

const packaging = "../../../packaging/"

// prometheus is a server that scrapes every second.
type prometheus string

func start(t *testing.T, target string) prometheus {
	t.Helper()
	testserver.Need(t, "prometheus")
	rules, err := filepath.Abs(packaging + "prometheus/alerts.yml")
	require.NoError(t, err)
	dir, address := t.TempDir(), fmt.Sprint("127.0.0.1:", testserver.FreePort(t))
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, []byte(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: ["`+rules+`"]
scrape_configs:
  - job_name: mtad
    static_configs: [{targets: ["`+target+`"]}]
`), 0o644))
	p := prometheus("http://" + address)
	testserver.Start(t, testserver.Command{Program: "prometheus", Args: []string{"--config.file", config,
		"--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address, "--log.level", "warn"},
		Ready: func() error { return p.ask("/-/ready", nil, nil) }})
	return p
}

// ask gets the data of an answer, of which there may be none.
func (p prometheus) ask(path string, parameters url.Values, data any) error {
	answer, err := http.Get(string(p) + path + "?" + parameters.Encode())
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if data == nil && answer.StatusCode == 200 {
		return nil
	}
	var envelope struct {
		Error string
		Data  json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&envelope); err != nil || envelope.Error != "" {
		return fmt.Errorf("%s: %s %w", answer.Status, envelope.Error, err)
	}
	return json.Unmarshal(envelope.Data, data)
}

// has reports whether an expression has a value that is a number.
func (p prometheus) has(t *testing.T, expression string) bool {
	t.Helper()
	var data struct{ Result []struct{ Value [2]any } }
	require.NoError(t, p.ask("/api/v1/query", url.Values{"query": {expression}}, &data), expression)
	for _, series := range data.Result {
		if series.Value[1] != "NaN" {
			return true
		}
	}
	return false
}

// expressions are those of all panels, by the name of the panel, as Grafana would send them.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(packaging + "grafana/mtad.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ RefID, Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	fill := strings.NewReplacer("$job", "mtad", "$instance", ".*", "$__rate_interval", "20s")
	all := map[string]string{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all[panel.Title+" "+target.RefID] = fill.Replace(target.Expr)
		}
	}
	require.Greater(t, len(all), 50)
	return all
}

// TestDashboard has mail come and go until there is data for each expression of the dashboard, and every alert was
// evaluated.
func TestDashboard(t *testing.T) {
	took := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer took.Close()
	metrics := fmt.Sprint("127.0.0.1:", testserver.FreePort(t))
	d := mtatest.Inside(t, mtatest.NewSink(t, &smtptest.Sink{}).Settings().With(mtatest.Settings{
		"metrics-address": metrics, "metrics-domains": "5", "metrics-sources": "5", "smtp-check": "spf",
		"webhook-url": took.URL, "webhook-retries": "true"}))
	p := start(t, metrics)
	missing, round := expressions(t), 0
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("without data:", missing)
		}
	})
	mtatest.Eventually(t, "every panel has data", func() bool {
		round++ // a sender that the DNS is asked for
		for _, to := range []string{"jo", "reject", "defer"} {
			d.Submit(t, fmt.Sprintf("ann@shop%d.test", round), to+"@sink.test", "Subject: Hello\r\n\r\nHello\r\n")
		}
		for name, expression := range missing {
			if p.has(t, expression) {
				delete(missing, name)
			}
		}
		return len(missing) == 0
	})
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	mtatest.Eventually(t, "every alert was evaluated", func() bool {
		require.NoError(t, p.ask("/api/v1/rules", nil, &rules))
		for _, r := range rules.Groups[0].Rules {
			require.Empty(t, r.LastError, r.Name)
			if r.Health != "ok" {
				return false
			}
		}
		return len(rules.Groups[0].Rules) > 10
	})
	require.False(t, p.has(t, `ALERTS{alertstate="firing", alertname=~"MtadDown|MtadQueue.*|MtadWebhook.*"}`))
}

// TestAlerts has Prometheus' own tool hold the alerts against made-up figures.
func TestAlerts(t *testing.T) {
	testserver.Need(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		c := exec.Command(testserver.Find("promtool"), args...)
		c.Dir = packaging + "prometheus"
		said, err := c.CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
}

// TestEveryAlertIsTested finds alerts that no test has fire.
func TestEveryAlertIsTested(t *testing.T) {
	rules, err := os.ReadFile(packaging + "prometheus/alerts.yml")
	require.NoError(t, err)
	tests, err := os.ReadFile(packaging + "prometheus/alerts_test.yml")
	require.NoError(t, err)
	for line := range strings.Lines(string(rules)) {
		if _, name, is := strings.Cut(strings.TrimSpace(line), "- alert: "); is {
			require.Contains(t, string(tests), `{alertname="`+name+`"}`)
		}
	}
}
