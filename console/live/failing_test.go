package live_test

import (
	"context"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
)

// TestWhatFailsIsRed has domains of each kind: only those that take mail flow.
func TestWhatFailsIsRed(t *testing.T) {
	paths := func(_ context.Context, domain string, _ netip.Addr) ([]admin.Path, error) {
		if domain != "" && domain != "down.test" {
			return nil, nil
		}
		return []admin.Path{{Site: "down.test", Ready: 2, Offline: time.Now().AddDate(100, 0, 0), LastError: "timeout"}}, nil
	}
	w := consoletest.New(t, func(c *console.Console) { c.Admin = &admin.Admin{Live: c.Live, Paths: paths} })
	w.Live.Now = w.Clock.Now
	from := netip.MustParseAddr("192.0.2.7")
	happen := func(domain string, n int, kind monitor.Kind) {
		for range n {
			w.Live.Observe(&monitor.Event{Kind: kind, Domain: domain, Code: 550, Text: "no such <user>", MTA: from, Tags: []string{"news"}})
		}
	}
	happen("good.test", 40, monitor.Delivered)
	happen("good.test", 3, monitor.Failed)
	happen("few.test", 1, monitor.Delivered)
	happen("few.test", 2, monitor.Retried)
	happen("mostly.test", 4, monitor.Delivered)
	happen("mostly.test", 20, monitor.Failed)
	happen("bounces.test", 100, monitor.Failed)
	happen("deferred.test", 1, monitor.Retried)
	happen("suppressed.test", 2, monitor.NotTried)
	happen("down.test", 2, monitor.Retried)
	happen("quiet.test", 1, monitor.MessageReceived)
	happen("begun.test", 1, monitor.Picked)
	w.Clock.Forward(2 * time.Second)
	w.LogIn()
	status := func(page string) map[string]string {
		all := map[string]string{}
		for _, row := range rowsOf(w, page) {
			all[row.name] = row.status
		}
		return all
	}
	require.Equal(t, map[string]string{"good.test": "ok", "few.test": "ok", "mostly.test": "failing", "bounces.test": "failing",
		"deferred.test": "failing", "suppressed.test": "failing", "down.test": "offline", "quiet.test": "unknown",
		"begun.test": "waits"}, status("/domains"))
	require.Equal(t, map[string]string{"192.0.2.7": "failing"}, status("/mtas"))
	require.Equal(t, map[string]string{"news": "failing"}, status("/tags"))
	for page, says := range map[string]string{
		"/domains/bounces.test":    "None of 100 messages was accepted in the last 60 s. The last answer: “550 no such &lt;user&gt;”.",
		"/domains/mostly.test":     "Of 24 messages in the last 60 s, 20 were not accepted.",
		"/domains/deferred.test":   "The only message that was tried in the last 60 s was not accepted.",
		"/domains/suppressed.test": "2 messages finished without an attempt",
		"/mtas/192.0.2.7":          "Of 175 messages in the last 60 s, 130 were not accepted.",
		"/tags/news":               "Of 175 messages in the last 60 s, 130 were not accepted.",
	} {
		require.Regexp(t, `id="sentence"><span class="kind k-failing">failing</span> <span>`+regexp.QuoteMeta(says), w.Get(page).Body, page)
	}
	require.Contains(t, w.Get("/domains/quiet.test").Body, `<span class="kind k-unknown">quiet</span>`)
	overview := w.Get("/").Body
	require.Regexp(t, `(?s)id="attention".*?bounces.test.*?k-failing.*?mostly.test.*?k-failing.*?down.test.*?k-offline`, overview,
		"what concerns most messages first")
	require.Contains(t, overview, `data-count="/domains">5<`)

	w.Clock.Forward(2 * time.Minute)
	happen("bounces.test", 1, monitor.Delivered)
	w.Clock.Forward(2 * time.Second)
	require.Equal(t, "ok", status("/domains")["bounces.test"], "it takes mail again")
}

// TestFloodsOfAddresses says of a local address what slows its mail down, and how much waits for it.
func TestFloodsOfAddresses(t *testing.T) {
	paths := func(context.Context, string, netip.Addr) ([]admin.Path, error) {
		return []admin.Path{{Site: "slow.test", Source: "192.0.2.1", Ready: 3, Floods: []admin.Flood{{Name: "full", Phase: "paused"}}},
			{Site: "other.test", Source: "192.0.2.1", Ready: 4, Resolving: 1}, {Site: "slow.test", Source: "192.0.2.9", Ready: 6}}, nil
	}
	w := consoletest.New(t, func(c *console.Console) { c.Admin = &admin.Admin{Live: c.Live, Paths: paths} })
	w.Live.Now = w.Clock.Now
	w.Live.Observe(&monitor.Event{Kind: monitor.Delivered, Domain: "other.test", MTA: netip.MustParseAddr("192.0.2.1")})
	w.Clock.Forward(2 * time.Second)
	page := w.LogIn().Get("/mtas?sort=name").Body
	require.Regexp(t, `(?s)192.0.2.1</a>.*?title="To slow.test: Flood “full”: paused\."><span class="kind k-flood">flood</span></td>\s*<td class="n">8</td>.*?192.0.2.9</a>.*?k-waits.*?<td class="n">6</td>`, page)
	require.NotContains(t, page, "Processed", "no message has an address yet when it is read")
	require.Contains(t, w.Get("/mtas/192.0.2.1").Body, `k-flood">flood</span> <span>To slow.test: Flood “full”: paused.`)
	require.Regexp(t, `data-gauge="in memory">.*?<b>8</b>`, w.Get("/mtas/192.0.2.1").Body)
}
