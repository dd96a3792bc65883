package console_test

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
)

// TestInBrowser logs in, sees the graph move while mail flows, works with the keyboard only, and on a narrow dark
// screen.
func TestInBrowser(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	paths := func(context.Context, string, netip.Addr) ([]admin.Path, error) {
		return []admin.Path{{Site: "slow.test", Source: "192.0.2.1", Ready: 6911,
			Limits:  []admin.LimitValue{{Limit: "maxmessages", Value: 1200, Unit: "per minute", Rule: "Warm"}},
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Warm"}}}}, nil
	}
	w := consoletest.New(t, func(c *console.Console) { c.Now = nil; c.Admin = &admin.Admin{Live: c.Live, Paths: paths} })
	flow, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); mail(flow, w) }()
	defer func() { stop(); <-stopped }()
	b := chromium.Start(t, w.Server.URL)
	told := b.Complaints()

	b.LogIn("/domains?sort=name", "admin", "secret")
	b.Await(`location.pathname === "/domains" && document.querySelector("#live[data-state=on]")`)

	b.Step(t, "keyboard", func() {
		b.Keys("/")
		b.Await(`document.activeElement.id === "search"`)
		// the protocol types the slash although the page has taken it
		b.Await(`(document.getElementById("search").value = "", true)`)
		b.Keys("d07")
		b.Await(`document.querySelector("[data-total]").textContent === "10" && document.querySelectorAll("tbody tr[data-name]").length === 10`)
		b.Keys("\r")
		b.Await(`document.activeElement.textContent === "d070.test"`)
		b.Keys("\r")
		b.Await(`location.pathname === "/domains/d070.test" && document.querySelector("h1").textContent === "d070.test"`)
	})
	b.Step(t, "sort", func() {
		b.Open("/domains")
		b.Await(`document.querySelector("#live[data-state=on]") && document.querySelector("tbody tr[data-name]")`)
		b.Do(chromedp.Focus(`a[data-sort=name]`))
		b.Keys("\r")
		b.Await(`new URLSearchParams(location.search).get("sort") === "name" && document.querySelector("tbody tr[data-name]").dataset.name === "d000.test"`)
		b.Keys("\r")
		b.Await(`document.querySelector("tbody tr[data-name]").dataset.name === "d199.test" && document.querySelector("[aria-sort=descending]")`)
		b.Await(`document.querySelectorAll("tbody tr[data-name]").length < 120`)
	})
	b.Step(t, "overview", func() {
		b.Open("/")
		b.Await(`document.querySelector("#attention tbody").textContent.includes("“Warm” allows 1,200 msg/min")`)
		b.Await(`(window.first ||= document.querySelector("polyline.c-delivered").getAttribute("points"), document.querySelector("polyline.c-delivered").getAttribute("points") !== window.first)`)
		b.Do(chromedp.Click(`.counter[data-key=delivered] button`))
		b.Await(`document.querySelector("polyline.c-delivered.off") && location.search.includes("delivered")`)
		b.Do(chromedp.Click(`#attention tbody a`))
		b.Await(`location.pathname === "/domains/slow.test" && document.querySelector("#sentence").textContent.includes("6,911 messages wait: “Warm” allows")`)
		b.Await(`document.querySelector("tr.binding").textContent.includes("limits now")`)
	})
	b.Step(t, "narrow and dark", func() {
		_, err := chromedp.Call(b.Context, emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
		require.NoError(b.T, err)
		for _, path := range []string{"/", "/domains", "/mtas", "/tags", "/domains/slow.test", "/access"} {
			b.Do(chromedp.EmulateViewport(360, 800), chromedp.Navigate(b.Base+path))
			b.Await(`document.documentElement.scrollWidth <= 360 && getComputedStyle(document.body).backgroundColor === "rgb(17, 21, 27)"`)
		}
		b.Await(`getComputedStyle(document.getElementById("side")).visibility === "hidden"`)
		b.Do(chromedp.Click(".menu"))
		b.Await(`getComputedStyle(document.getElementById("side")).visibility === "visible" && document.activeElement.className === "brand"`)
		b.Keys("\x1b")
		b.Await(`getComputedStyle(document.getElementById("side")).visibility === "hidden"`)
	})
	b.Step(t, "every page fits", func() {
		w.LogIn()
		for _, width := range []int64{360, 2560} {
			b.Do(chromedp.EmulateViewport(width, 900))
			for _, path := range everyPage(t) {
				if w.Get(path).StatusCode == 200 && strings.HasPrefix(w.Get(path).Body, "<!doctype html>") && path != "/login" {
					b.Open(path)
					b.Await(fmt.Sprintf(`location.pathname === %q && document.readyState === "complete" && document.documentElement.scrollWidth <= %d`, path, width))
				}
			}
		}
	})
	b.Step(t, "logged out elsewhere", func() {
		other := w.Elsewhere().LogIn()
		other.Do("POST", "/logout", url.Values{"csrf": {other.CSRF()}, "everywhere": {"yes"}})
		b.Await(`location.pathname === "/login" && document.body.textContent.includes("Your session has ended")`)
	})
	require.Empty(t, told(), "what the browser complains about")
	b.Step(t, "server away", func() {
		b.Await(`document.querySelector("[name=username]")`)
		b.LogIn("/login", "admin", "secret")
		b.Await(`document.querySelector("#live[data-state=on]")`)
		require.NoError(t, w.Close())
		b.Await(`/^stale since \d+ s$/.test(document.querySelector("#live[data-state=stale] .word").textContent)`)
	})
}

// mail has figures change until ctx ends.
func mail(ctx context.Context, w *consoletest.World) {
	for n := 0; ; n++ {
		for i := range 200 {
			e := monitor.Event{Kind: monitor.Picked, Domain: fmt.Sprintf("d%03d.test", i), MTA: netip.MustParseAddr("192.0.2.1"),
				Tags: []string{"news"}}
			w.Live.Observe(&e)
			if e.Kind = monitor.Delivered; i%7 < n%9 {
				w.Live.Observe(&e)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(150 * time.Millisecond):
		}
	}
}
