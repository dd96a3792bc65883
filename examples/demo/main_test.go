package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// patience is how long a busy machine may take for what is to be there within seconds.
const patience = 40 * time.Second

// output may be read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}
func (o *output) String() string { o.mu.Lock(); defer o.mu.Unlock(); return o.buf.String() }

// started returns a running demo, which the test ends.
func started(t *testing.T, dir string) (d *demo, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d = &demo{out: &output{}}
	if err := d.open(ctx, &options{Dir: dir}); err != nil {
		cancel()
		require.NoError(t, errors.Join(err, d.close()))
	}
	ended := make(chan error, 1)
	go func() { ended <- d.traffic(ctx, 40) }()
	return d, sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, d.close())
	})
}

// visitorOf logs in and returns a function that fetches a page.
func visitorOf(t *testing.T, d *demo) (get func(path string) (int, string)) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Jar: jar, Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	base := "http://" + d.www
	form := url.Values{"username": {"demo"}, "password": {d.password}, "next": {"/"}}
	answer, err := client.PostForm(base+"/login", form)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, "/", answer.Request.URL.Path, "logging in leads to the overview")
	return func(path string) (int, string) {
		answer, err := client.Get(base + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(text)
	}
}

// TestDemo sees every page alive, only loopback in use, and nothing left in the end.
func TestDemo(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Setenv("TMPDIR", t.TempDir())
	d, end := started(t, "")
	defer end()
	watched := make(chan []string, 1)
	over := make(chan struct{})
	stop := sync.OnceFunc(func() { close(over) })
	defer stop()
	go func() { watched <- strangers(d.daemon.cmd.Process.Pid, over) }()

	get := visitorOf(t, d)
	for page, life := range map[string][]string{
		"/":                      {"“Microsoft” allows 60 msg/min", "Yahoo is annoyed"},
		"/domains":               {"gmail.example", "proton.example", "holiday.example"},
		"/mtas":                  {"203.0.113.11", "198.51.100.7"},
		"/tags":                  {"newsletter", "receipt"},
		"/domains/gmail.example": {"Gmail", "1,200"},
	} {
		text := ""
		require.Eventually(t, func() bool {
			code := 0
			code, text = get(page)
			require.Equal(t, http.StatusOK, code, page)
			for _, word := range life {
				if !strings.Contains(text, word) {
					return false
				}
			}
			return true
		}, patience, 200*time.Millisecond, "%s shows %v", page, life)
	}
	_, overview := get("/")
	links := regexp.MustCompile(`href="(/[a-z/-]*)"`).FindAllStringSubmatch(overview, -1)
	require.Greater(t, len(links), 5, "the side bar")
	for _, link := range links {
		code, text := get(link[1])
		require.Equal(t, http.StatusOK, code, link[1])
		require.Contains(t, text, "<h1", link[1])
	}

	require.Eventually(t, func() bool { return len(targets(t, d)) >= 8 }, patience, 100*time.Millisecond,
		"mail reaches several hosts")
	for target := range targets(t, d) {
		require.True(t, netip.MustParseAddr(target).IsLoopback(), "mail went to %s", target)
	}
	text, err := os.ReadFile(filepath.Join(d.dir, "mtad.conf"))
	require.NoError(t, err)
	require.Contains(t, string(text), "dns-servers: "+d.internet.dns.address+"\n")
	require.True(t, netip.MustParseAddrPort(d.internet.dns.address).Addr().IsLoopback())
	stop()
	require.Empty(t, <-watched, "connections that lead off this machine")

	end()
	require.Error(t, syscall.Kill(d.daemon.cmd.Process.Pid, 0), "mtad has ended")
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	for _, entry := range left {
		require.False(t, strings.HasPrefix(entry.Name(), "sluice-demo-"), "%s is left", entry.Name())
	}
}

// targets are the addresses that the send log names.
func targets(t *testing.T, d *demo) map[string]bool {
	t.Helper()
	f, err := os.Open(filepath.Join(d.dir, "send.json"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer f.Close()
	all := map[string]bool{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Results []struct{ To string } }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // half written
		}
		for _, r := range line.Results {
			if r.To != "" {
				all[r.To] = true
			}
		}
	}
	return all
}

// TestAgain starts a demo with what an earlier one left in its directory.
func TestAgain(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		d, end := started(t, dir)
		require.Eventually(t, func() bool { return len(targets(t, d)) > 0 }, patience, 50*time.Millisecond)
		end()
		text, err := os.ReadFile(d.log())
		require.NoError(t, err)
		require.NotContains(t, string(text), "level=ERROR")
		require.Contains(t, string(text), "a DKIM key is in the DNS", "the key is published again")
		require.NoError(t, os.Remove(d.log()))
		require.NoError(t, os.Remove(filepath.Join(dir, "send.json")))
	}
}

// TestEnds ends by itself when its time is over, and says why it cannot start.
func TestEnds(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	out := &output{}
	require.NoError(t, run(t.Context(), &options{Rate: 20, For: patience / 10}, out))
	d, end := started(t, "")
	defer end()
	taken := netip.MustParseAddrPort(d.www).Port()
	err := run(t.Context(), &options{Port: int(taken), Rate: 1}, out)
	require.ErrorContains(t, err, "address already in use")
	require.ErrorContains(t, run(t.Context(), &options{Rate: -1}, out), "--rate")
}

func TestRotate(t *testing.T) {
	name := filepath.Join(t.TempDir(), "send.log")
	require.NoError(t, rotate(name, 10), "no log, no rotation")
	require.NoError(t, os.WriteFile(name, []byte("short"), 0o600))
	require.NoError(t, rotate(name, 10))
	require.FileExists(t, name)
	require.NoError(t, os.WriteFile(name, []byte("this one is too long"), 0o600))
	require.NoError(t, rotate(name, 10))
	require.NoFileExists(t, name)
	require.FileExists(t, name+".1")
}
