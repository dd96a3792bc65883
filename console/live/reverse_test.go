package live_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/live"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
)

// phonebook is a resolver of fixed names.
type phonebook struct {
	names     map[string][]string // by address
	addresses map[string]string   // by name
	down      atomic.Bool
	asked     atomic.Int64
}

func (p *phonebook) LookupAddr(_ context.Context, ip string) ([]string, error) {
	p.asked.Add(1)
	if p.down.Load() {
		return nil, errors.New("no answer")
	}
	if all, ok := p.names[ip]; ok {
		return append([]string(nil), all...), nil
	}
	return nil, &net.DNSError{IsNotFound: true}
}

func (p *phonebook) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if text, ok := p.addresses[host]; ok {
		return []netip.Addr{netip.MustParseAddr(text)}, nil
	}
	return nil, &net.DNSError{IsNotFound: true}
}

// TestNamesThatDisagree flags addresses whose names do not lead back to them, or are not those they greet with.
func TestNamesThatDisagree(t *testing.T) {
	p := &phonebook{
		names: map[string][]string{"203.0.113.1": {"mta1.test."}, "203.0.113.2": {"Elsewhere.test."},
			"203.0.113.3": {"lost.test."}},
		addresses: map[string]string{"mta1.test": "203.0.113.1", "elsewhere.test": "203.0.113.2",
			"lost.test": "203.0.113.77"},
	}
	w := consoletest.New(t, func(c *console.Console) { c.Resolver = p })
	w.Live.Now = w.Clock.Now
	for _, ip := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "127.0.0.1", "10.0.0.1"} {
		w.Live.Observe(&monitor.Event{Kind: monitor.Attempted, MTA: netip.MustParseAddr(ip)})
	}
	w.Clock.Forward(2 * time.Second)
	w.LogIn()
	require.Equal(t, 200, w.Get("/mtas").StatusCode, "no page waits for the DNS")
	for ip, problem := range map[string]string{
		"203.0.113.2": "203.0.113.2 greets as mta1.test, but the reverse DNS calls it elsewhere.test",
		"203.0.113.3": "The reverse DNS of 203.0.113.3 says lost.test, but that name does not lead back to it",
		"203.0.113.4": "The reverse DNS has no name for 203.0.113.4",
	} {
		require.Eventually(t, func() bool { return strings.Contains(w.Get("/mtas/"+ip).Body, problem) }, 10*time.Second,
			5*time.Millisecond, ip)
	}
	require.Equal(t, 3, strings.Count(w.Get("/mtas").Body, "names differ"))
	for _, ip := range []string{"203.0.113.1", "127.0.0.1", "10.0.0.1"} {
		require.NotContains(t, w.Get("/mtas/"+ip).Body, "everse DNS", ip)
	}
	asked := p.asked.Load()
	require.EqualValues(t, 4, asked, "each once; private ones never")

	p.down.Store(true)
	w.Clock.Forward(live.ReverseFor + time.Second)
	w.Get("/mtas/203.0.113.3")
	require.Eventually(t, func() bool { return p.asked.Load() > asked }, 10*time.Second, time.Millisecond,
		"asked again after a while")
	require.Eventually(t, func() bool { return !strings.Contains(w.Get("/mtas/203.0.113.3").Body, "everse DNS") },
		10*time.Second, 5*time.Millisecond, "a DNS that is down accuses nobody")
}

// TestDomainsOfOneSite shows what holds back a site at all of its domains.
func TestDomainsOfOneSite(t *testing.T) {
	paths := func(context.Context, string, netip.Addr) ([]admin.Path, error) {
		return []admin.Path{{Site: "outlook.test", Ready: 7,
			Limits:  []admin.LimitValue{{Limit: "maxmessages", Value: 90, Rule: "Microsoft"}},
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Microsoft"}}}}, nil
	}
	w := consoletest.New(t, func(c *console.Console) {
		c.Admin = &admin.Admin{Live: c.Live, Paths: paths}
		c.Site = func(domain string) string {
			if domain == "hotmail.test" {
				return "outlook.test"
			}
			return domain
		}
	})
	w.Live.Now = w.Clock.Now
	for _, domain := range []string{"outlook.test", "hotmail.test", "other.test"} {
		w.Live.Observe(&monitor.Event{Kind: monitor.Picked, Domain: domain})
		w.Live.Observe(&monitor.Event{Kind: monitor.Delivered, Domain: domain})
	}
	w.Clock.Forward(2 * time.Second)
	status := map[string]string{}
	for _, row := range rowsOf(w.LogIn(), "/domains") {
		status[row.name] = row.status
	}
	require.Equal(t, map[string]string{"outlook.test": "throttle", "hotmail.test": "throttle", "other.test": "ok"}, status)
}

// TestCountersLeadToTheLog links what is logged, for what is filtered.
func TestCountersLeadToTheLog(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	body := w.Get("/?domain=gmail.test&tag=news").Body
	require.Contains(t, body, `href="/logs?domain=gmail.test&amp;from=60s&amp;outcome=deferred&amp;tag=news"`)
	require.Equal(t, 4, strings.Count(body, `class="log-link"`), "what has no log has no link")
}
