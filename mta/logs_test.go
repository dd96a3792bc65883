package mta

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
)

// run has an MTA take and deliver mail until the test ends.
func run(t *testing.T, m *MTA) {
	t.Helper()
	running := make(chan error, 1)
	go func() { running <- m.Run(t.Context()) }()
	t.Cleanup(func() {
		require.NoError(t, m.Shutdown(context.Background()))
		require.NoError(t, <-running)
	})
	select {
	case <-m.Ready():
	case <-time.After(patience):
		require.FailNow(t, "it does not start")
	}
}

// TestApplicationLogInJSON has lines that are JSON, levels that change while it runs, and no secret in any of them.
func TestApplicationLogInJSON(t *testing.T) {
	args, address := arguments(t)
	name := filepath.Join(t.TempDir(), "app.log")
	args = append(args, "--application-log", name, "--application-log-format", "json", "--application-log-level", "debug",
		"--smarthost", "127.0.0.1", "--smarthost-username", "us", "--smarthost-password", "s3cret-of-the-relay",
		"--smtp-sink-username", "us", "--smtp-sink-password", "s3cret-of-the-sink",
		"--smtp-auth", "hardcoded://joe:s3cret-of-joe", "--webhook-url", "http://us:s3cret-of-the-url@127.0.0.1:1/",
		"--webhook-secret", "s3cret-that-signs", "--suppression-key", "s3cret-that-blinds")
	m := open(t, args, Options{})
	run(t, m)
	require.Error(t, submit(t, address, "s3cret-that-is-wrong"))
	require.NoError(t, submit(t, address, "s3cret-of-joe"))
	m.log.Debug("a detail", "error", fmt.Errorf("why"))
	m.log.level.Set(8)
	m.log.Info("not told")
	cfg, _, err := Load(args, nil)
	require.NoError(t, err)
	require.NoError(t, m.Reload(cfg))
	m.log.Debug("told again")

	text, err := os.ReadFile(name)
	require.NoError(t, err)
	var said []string
	for line := range bytes.Lines(text) {
		var entry struct{ Time, Level, Msg string }
		require.NoError(t, json.Unmarshal(line, &entry), "%s", line)
		require.NotEmpty(t, entry.Time)
		said = append(said, entry.Level+" "+entry.Msg)
	}
	require.Contains(t, said, "DEBUG a detail")
	require.Contains(t, said, "DEBUG told again")
	require.NotContains(t, string(text), "not told")
	require.NotContains(t, string(text), "s3cret")
}

// TestMetricsPort has what balancers and Prometheus ask for, and nothing else.
func TestMetricsPort(t *testing.T) {
	args, _ := arguments(t)
	metrics := fmt.Sprint("127.0.0.1:", testserver.FreePort(t))
	m := open(t, append(args, "--metrics-address", metrics), Options{Sender: make(sent, 1)})
	get := func(path string) (status int, body string) {
		answer, err := http.Get("http://" + metrics + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(text)
	}
	status, _ := get("/readyz")
	require.Equal(t, 503, status, "it takes no mail yet")
	run(t, m)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/": 404, "/metrics/x": 404,
		"/login": 404, "/v1/log-level": 404} {
		status, body := get(path)
		require.Equal(t, want, status, path)
		require.Equal(t, path == "/metrics", strings.Contains(body, "sluice_received_total"), path)
	}
}
