package browser

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

func TestMain(m *testing.M) { mtatest.Main(m) }

const password = "open-sesame"

// station is an mtad with a console, a sink, and somebody in front of a browser.
type station struct {
	*mtatest.Daemon
	*chromium.Tab
	db   *store.DB
	sink *arrivals
}

// newStation starts mtad with more settings, and a browser that nobody has logged in with.
func newStation(t *testing.T, set mtatest.Settings) *station {
	testserver.Need(t, "chromium")
	s := &station{sink: &arrivals{at: map[string][]time.Time{}}}
	s.sink.Sink = mtatest.NewSink(t, &smtptest.Sink{Received: s.sink.note})
	database, db := mtatest.SQLite(t)
	s.db = db
	port, logs := mtatest.FreePort(t), t.TempDir()
	s.Daemon = mtatest.Inside(t, mtatest.Settings{
		"www-ip": "127.0.0.1", "www-port": port, "www-auth": "hardcoded://operator:" + password,
		"send-bin-log-file":     filepath.Join(logs, "send.json"),
		"received-bin-log-file": filepath.Join(logs, "received.json"), "smtp-extract": "true",
	}.With(s.sink.Settings()).With(database).With(set))
	s.Tab = chromium.Start(t, "http://127.0.0.1:"+port)
	return s
}

// flow sends mail to domains at a rate until the test ends.
func (s *station) flow(rate float64, domains ...string) {
	ctx, cancel := context.WithCancel(s.T.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		source := &smtptest.Source{Address: s.Addr, Rate: rate, Size: 600, Sessions: 2, Domains: domains,
			Header: "x-mq-tag: letters\r\n"}
		_, _ = source.Run(ctx) // what it could not send is missing at the sink
	}()
	s.T.Cleanup(func() { cancel(); <-ended })
}

// arrivals is a sink that notes when mail came for which domain.
type arrivals struct {
	*mtatest.Sink
	mu sync.Mutex
	at map[string][]time.Time
}

func (a *arrivals) note(m *smtptest.Received) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range m.Recipients {
		domain := r[strings.LastIndexByte(r, '@')+1:]
		a.at[domain] = append(a.at[domain], time.Now())
	}
}

// count returns how many mails came for a domain since a time.
func (a *arrivals) count(domain string, since time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, at := range a.at[domain] {
		if at.After(since) {
			n++
		}
	}
	return n
}

// more waits until mail comes for a domain.
func (a *arrivals) more(t testing.TB, domain string) {
	t.Helper()
	from := time.Now()
	mtatest.Eventually(t, "mail to "+domain, func() bool { return a.count(domain, from) > 2 })
}

// press waits until something is there and clicks on it.
func (s *station) press(selector string) {
	s.T.Helper()
	quoted, err := json.Marshal(selector)
	require.NoError(s.T, err)
	s.Await(`(one => one && (one.click(), true))(document.querySelector(` + string(quoted) + `))`)
}

// says waits until the page has a text.
func (s *station) says(text string) {
	s.T.Helper()
	quoted, err := json.Marshal(text)
	require.NoError(s.T, err)
	s.Await(`document.querySelector("main")?.innerText.includes(` + string(quoted) + `)`)
}

// live waits until the page is drawn and gets live data.
func (s *station) live(path string) {
	s.T.Helper()
	s.Await(`location.pathname === "` + path + `" && document.querySelector("#live[data-state=on]")`)
}

// logIn logs in with the keyboard alone.
func (s *station) logIn(path string) {
	s.T.Helper()
	s.LogIn(path, "operator", password)
	where, _, _ := strings.Cut(path, "?")
	s.live(where)
}
