package console

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

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/consoletest"
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
		{Name: "ClamAV", Up: false, Since: since, Detail: "dial tcp: connection refused " + attack},
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
	w := newWorld(t, func(c *Console) {
		c.Admin = &admin.Admin{Services: p.states, Control: p.control,
			Logger: c.Logger}
	}).logIn()
	page := w.checkPage("/services", 200)
	require.Contains(t, page, "Stop delivery")
	require.Contains(t, page, "TLS is required")
	require.Contains(t, page, `<span class="kind k-down">down</span>`)
	require.Contains(t, page, `data-count="/services">1<`, "what is down is counted in the side bar")
	token := w.CSRF()
	set := func(name, run string) consoletest.Answer {
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
	socket.Until("services", func(m consoletest.Message) bool { return strings.Contains(string(m.Data), "SpamAssassin") })
}

func TestServicesWithout(t *testing.T) {
	w := newWorld(t, func(c *Console) { c.Admin = nil }).logIn()
	require.Contains(t, w.checkPage("/services", 200), "No part of this server can be stopped")
	require.Equal(t, 501, w.Do("POST", "/services",
		url.Values{"csrf": {w.CSRF()}, "name": {"x"}, "run": {"no"}}).StatusCode)
	w = newWorld(t, withSettings(t)).logIn()
	require.Contains(t, w.checkPage("/services", 200), "settings database")
	require.Equal(t, 501, w.Do("POST", "/services",
		url.Values{"csrf": {w.CSRF()}, "name": {"x"}, "run": {"no"}}).StatusCode)
}

func TestCluster(t *testing.T) {
	w := newWorld(t, nil).logIn()
	require.Contains(t, w.checkPage("/cluster", 200), "works alone")
	var away error
	many := make([]netip.Addr, 50)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	}
	w = newWorld(t, func(c *Console) {
		c.Instances = func() ([]Instance, error) {
			return []Instance{{Host: "mta2.test", URL: "https://mta2.test:8486/", IPs: many, Outbox: "outbox", Seen: time.Now()},
				{Host: attack, URL: "javascript:alert(1)", Seen: time.Now()}, {Host: "x", URL: "https://user:secret@x.test/"}}, away
		}
	}).logIn()
	page := w.checkPage("/cluster", 200)
	require.Contains(t, page, `href="https://mta2.test:8486/"`)
	require.Contains(t, page, "192.0.2.11 and 38 more")
	require.NotContains(t, page, "javascript:")
	require.NotContains(t, page, "user:secret")
	away = errors.New("the broker is away")
	page = w.checkPage("/cluster", 200)
	require.Contains(t, page, "not known now: the broker is away.")
	require.Contains(t, page, "mta2.test", "what was known is shown")
}
