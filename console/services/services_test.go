package services_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/webtest"
)

// parts are services that can be stopped.
type parts struct {
	mu      sync.Mutex
	stopped map[string]bool
}

func (p *parts) states(context.Context) []admin.Service {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := time.Now().Add(-time.Hour)
	return []admin.Service{
		{Name: "delivery", Up: !p.stopped["delivery"], Stopped: p.stopped["delivery"], Controllable: true, Since: since},
		{Name: "smtp 127.0.0.1:25", Up: !p.stopped["smtp 127.0.0.1:25"], Stopped: p.stopped["smtp 127.0.0.1:25"],
			Controllable: true, Since: since, Detail: "TLS is required"},
		{Name: "ClamAV", Up: false, Since: since, Detail: "dial tcp: connection refused " + consoletest.Attack},
		{Name: "SpamAssassin", Up: true, Since: since, Detail: "SpamAssassin 4.0.1"},
	}
}

func (p *parts) control(_ context.Context, name string, run bool) error {
	if name != "delivery" && !strings.HasPrefix(name, "smtp ") {
		return fmt.Errorf("%w: no service is called %q", admin.ErrNotFound, name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped[name] = !run
	return nil
}

func TestServices(t *testing.T) {
	p := &parts{stopped: map[string]bool{}}
	w := consoletest.New(t, func(c *console.Console) {
		c.Admin = &admin.Admin{Services: p.states, Control: p.control,
			Logger: c.Logger}
	}).LogIn()
	page := w.CheckPage("/services", 200)
	require.Contains(t, page, "Stop delivery")
	require.Contains(t, page, "TLS is required")
	require.Contains(t, page, `<span class="kind k-down">down</span>`)
	require.Contains(t, page, `data-count="/services">1<`, "what is down is counted in the side bar")
	token := w.CSRF()
	set := func(name, run string) webtest.Answer {
		return w.Do("POST", "/services", url.Values{"csrf": {token}, "name": {name}, "run": {run}})
	}
	require.Equal(t, http.StatusForbidden, w.Do("POST", "/services",
		url.Values{"name": {"delivery"}, "run": {"no"}}).StatusCode)
	require.Equal(t, http.StatusSeeOther, set("delivery", "no").StatusCode)
	page = w.Get("/services").Body
	require.Contains(t, page, "delivery is stopped until somebody resumes it.")
	require.Contains(t, page, "Resume delivery")
	require.Contains(t, page, "Stop smtp 127.0.0.1:25", "separately")
	require.Contains(t, page, `data-count="/services">2<`)
	require.Contains(t, w.Logged.String(), "service=delivery")
	set("delivery", "yes")
	require.Contains(t, w.Get("/services").Body, "delivery goes on.")
	require.Equal(t, http.StatusNotFound, set("postgres", "no").StatusCode)
	require.Equal(t, http.StatusBadRequest, set("delivery", "perhaps").StatusCode)
	require.Contains(t, w.Get("/services/part").Body, "Stop delivery")
	socket := w.Watch("services")
	socket.Until("services", func(m webtest.Message) bool { return strings.Contains(string(m.Data), "SpamAssassin") })
}

func TestServicesWithout(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) { c.Admin = nil }).LogIn()
	require.Contains(t, w.CheckPage("/services", 200), "No part of this server can be stopped")
	require.Equal(t, 501, w.Do("POST", "/services",
		url.Values{"csrf": {w.CSRF()}, "name": {"x"}, "run": {"no"}}).StatusCode)
	w = consoletest.New(t, consoletest.WithSettings(t)).LogIn()
	require.Contains(t, w.CheckPage("/services", 200), "settings database")
	require.Equal(t, 501, w.Do("POST", "/services",
		url.Values{"csrf": {w.CSRF()}, "name": {"x"}, "run": {"no"}}).StatusCode)
}

func TestCluster(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	require.Contains(t, w.CheckPage("/cluster", 200), "works alone")
	var away error
	many := make([]netip.Addr, 50)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	}
	w = consoletest.New(t, func(c *console.Console) {
		c.Instances = func() ([]console.Instance, error) {
			return []console.Instance{{Host: "mta2.test", URL: "https://mta2.test:8486/", IPs: many, Outbox: "outbox", Seen: time.Now()},
				{Host: consoletest.Attack, URL: "javascript:alert(1)", Seen: time.Now()}, {Host: "x", URL: "https://user:secret@x.test/"}}, away
		}
	}).LogIn()
	page := w.CheckPage("/cluster", 200)
	require.Contains(t, page, `href="https://mta2.test:8486/"`)
	require.Contains(t, page, "192.0.2.11 and 38 more")
	require.NotContains(t, page, "javascript:")
	require.NotContains(t, page, "user:secret")
	away = errors.New("the broker is away")
	page = w.CheckPage("/cluster", 200)
	require.Contains(t, page, "not known now: the broker is away.")
	require.Contains(t, page, "mta2.test", "what was known is shown")
}

func TestWebhook(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) { c.Admin = &admin.Admin{Logger: c.Logger} }).LogIn()
	require.Contains(t, w.CheckPage("/webhook", 200), "No results are posted")
	w = consoletest.New(t, func(c *console.Console) {
		c.Admin = &admin.Admin{Logger: c.Logger, Webhook: consoletest.Webhook{Reason: consoletest.Attack}}
	}).LogIn()
	page := w.CheckPage("/webhook", 200)
	require.Contains(t, page, "https://hooks.test")
	require.Contains(t, page, "It takes no results now: it answered 500")
	require.Contains(t, page, "Kept are 20 to 42")
	require.Contains(t, page, "joe@sink.test")
	require.Contains(t, page, `data-count="/webhook">1<`, "dead letters are counted in the side bar")
	require.NotContains(t, w.CheckPage("/webhook?from=8", 200), "joe@sink.test")
	token := w.CSRF()
	post := func(from string) webtest.Answer {
		return w.Do("POST", "/webhook", url.Values{"csrf": {token}, "from": {from}})
	}
	require.Equal(t, http.StatusForbidden, w.Do("POST", "/webhook", url.Values{"from": {"DEAD"}}).StatusCode)
	require.Equal(t, http.StatusBadRequest, post("x").StatusCode)
	for from, notice := range map[string]string{"": "What waits is tried now.", "DEAD": "1 result is posted again.",
		"30": "10 results are posted again."} {
		require.Equal(t, http.StatusSeeOther, post(from).StatusCode)
		require.Contains(t, w.Get("/webhook").Body, notice)
	}
	require.Contains(t, w.Logged.String(), "from=DEAD")
}
