package live_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
)

// TestRemoteAddresses lists where a domain's mail goes, from the routes and from the open connections of its site, and
// pauses one address alone.
func TestRemoteAddresses(t *testing.T) {
	o := consoletest.NewOffice(t, func(c *console.Console) {
		c.Admin.Hosts = func(_ context.Context, domain string) []admin.Host {
			return []admin.Host{{Name: "mx1." + domain, Address: netip.MustParseAddr("198.51.100.1")},
				{Name: "mx2." + domain, Address: netip.MustParseAddr("198.51.100.2")}}
		}
		c.Site = func(string) string { return "site.test" }
	})
	const page = "/domains/a.test"
	for _, remote := range []string{"198.51.100.2:25", "198.51.100.2:25", "[::ffff:198.51.100.9]:25"} {
		defer o.Live.Tap(monitor.Session{Remote: netip.MustParseAddrPort(remote), Domain: "site.test"}).Close()
	}
	defer o.Live.Tap(monitor.Session{Remote: netip.MustParseAddrPort("198.51.100.7:25"), Domain: "sub.site.test"}).Close()
	defer o.Live.Tap(monitor.Session{Remote: netip.MustParseAddrPort("203.0.113.5:25"), Incoming: true}).Close()
	body := o.Get(page).Body
	require.Regexp(t, `(?s)198.51.100.2</th><td class="address">mx2.a.test</td><td class="n">2</td>.*198.51.100.9</th>`+
		`<td class="address">–</td><td class="n">1</td>.*198.51.100.1</th><td class="address">mx1.a.test</td><td class="n">0</td>`, body)
	require.NotContains(t, body, "198.51.100.7")
	require.NotContains(t, body, "203.0.113.5")

	a := o.Post("/pause", "domain", "198.51.100.2", "next", page)
	require.Equal(t, page, a.Header.Get("Location"))
	require.Equal(t, "198.51.100.2", o.Row(settings.TablePaused, 1)["target"])
	body = o.Get(page).Body
	require.Contains(t, body, `aria-label="Resume 198.51.100.2"`)
	require.Contains(t, body, `aria-label="Pause 198.51.100.1"`)
	o.Post("/resume", "domain", "198.51.100.2", "next", page)
	require.Contains(t, o.Get(page).Body, `aria-label="Pause 198.51.100.2"`)
}

// TestThrottleOfADomain makes one on the page of the domain, in one step.
func TestThrottleOfADomain(t *testing.T) {
	o := consoletest.NewOffice(t, nil)
	const page = "/domains/a.test"
	require.Contains(t, o.Get(page).Body, "none names this domain")
	require.Equal(t, http.StatusBadRequest, o.Post(page+"/throttle", "maxmessages", "").StatusCode)
	require.Equal(t, http.StatusBadRequest, o.Post(page+"/throttle", "maxmessages", "many").StatusCode)
	require.Zero(t, o.Count(settings.TableCapacity))
	a := o.Post("/domains/"+url.PathEscape("no domain!")+"/throttle", "maxmessages", "60")
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Zero(t, o.Count(settings.TableCapacity), "none is left that holds for nothing")

	a = o.Post(page+"/throttle", "maxmessages", "60", "maxconnections", " 2 ", "maxconnects", "")
	require.Equal(t, page, a.Header.Get("Location"))
	list, err := o.Admin.List(t.Context(), settings.TableCapacity, admin.Query{})
	require.NoError(t, err)
	require.Len(t, list.Rows, 1)
	row := list.Rows[0].Values
	require.Equal(t, []any{"a.test", int64(60), int64(2)}, []any{row["name"], row["maxmessages"], row["maxconnections"]})
	rules, err := o.Admin.List(t.Context(), settings.TableCapacityRules, admin.Query{Where: admin.Values{"domain": "a.test"}})
	require.NoError(t, err)
	require.Equal(t, 1, rules.Total)
	body := o.Get(page).Body
	require.Contains(t, body, "From now on mail to a.test is limited: 60 messages a minute, 2 connections at once.")
	require.Contains(t, body, fmt.Sprintf(`<a href="/throttles/%d">Change “a.test”</a>`, list.Rows[0].ID))
	require.NotContains(t, body, `name="maxmessages"`)
	require.Contains(t, o.Get("/domains/b.a.test").Body, "none names this domain")
}

// TestTablesSayThatTheyAreCut fills a table beyond what is counted one by one.
func TestTablesSayThatTheyAreCut(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) { c.Live = &monitor.Live{MaxTags: 3} })
	w.Live.Now = w.Clock.Now
	for _, tag := range []string{"a", "b", "c"} {
		w.Live.Observe(&monitor.Event{Kind: monitor.Picked, Domain: "x.test", Tags: []string{tag}})
	}
	w.Clock.Forward(2 * time.Second)
	require.Contains(t, w.LogIn().Get("/tags").Body, "data-cut hidden")
	for _, tag := range []string{"d", "e"} {
		w.Live.Observe(&monitor.Event{Kind: monitor.Picked, Domain: "x.test", Tags: []string{tag}})
	}
	w.Clock.Forward(2 * time.Second)
	require.Contains(t, w.Get("/tags").Body, "data-cut>The table is cut at <b data-apart>3</b> names")
}
