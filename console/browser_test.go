package console

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/monitor"
)

// browser is a tab of a real browser that looks at a console.
type browser struct {
	t    *testing.T
	tab  context.Context
	base string
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.tab, steps...))
}

// run is a subtest, after those before it.
func (b *browser) run(name string, steps func()) {
	b.t.Run(name, func(t *testing.T) {
		whole := b.t
		b.t = t
		defer func() { b.t = whole }()
		steps()
	})
}

// await asks until an expression of the page is true, whichever page that is by then.
func (b *browser) await(expression string) {
	b.t.Helper()
	var last error
	require.Eventually(b.t, func() bool {
		var ok bool
		ok, last = chromedp.Run(b.tab, chromedp.Evaluate[bool]("!!("+expression+")"))
		return last == nil && ok
	}, consoletest.Patience, 20*time.Millisecond, "waiting for %s", expression)
}

func (b *browser) keys(keys string) { b.t.Helper(); b.do(chromedp.KeyEvent(keys)) }

// TestInBrowser logs in, sees the graph move while mail flows, works with the keyboard only, and on a narrow dark
// screen.
func TestInBrowser(t *testing.T) {
	testserver.Need(t, "chromium")
	t.Parallel() // with the other browsers: they wait more than they work
	paths := func(context.Context, string, netip.Addr) ([]admin.Path, error) {
		return []admin.Path{{Site: "slow.test", Source: "192.0.2.1", Ready: 6911,
			Limits:  []admin.LimitValue{{Limit: "maxmessages", Value: 1200, Unit: "per minute", Rule: "Warm"}},
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Warm"}}}}, nil
	}
	w := newWorld(t, func(c *Console) { c.Now = nil; c.Admin = &admin.Admin{Live: c.Live, Paths: paths} })
	flow, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); w.mail(flow) }()
	defer func() { stop(); <-stopped }()
	b := &browser{t: t, tab: testserver.Chromium(t), base: w.Server.URL}
	told := b.console()

	b.do(chromedp.Navigate(b.base + "/domains?sort=name"))
	b.await(`document.activeElement.name === "username"`)
	b.keys("admin\tsecret\r")
	b.await(`location.pathname === "/domains" && document.querySelector("#live[data-state=on]")`)

	b.run("keyboard", func() {
		b.keys("/")
		b.await(`document.activeElement.id === "search"`)
		// the protocol types the slash although the page has taken it
		b.await(`(document.getElementById("search").value = "", true)`)
		b.keys("d07")
		b.await(`document.querySelector("[data-total]").textContent === "10" && document.querySelectorAll("tbody tr[data-name]").length === 10`)
		b.keys("\r")
		b.await(`document.activeElement.textContent === "d070.test"`)
		b.keys("\r")
		b.await(`location.pathname === "/domains/d070.test" && document.querySelector("h1").textContent === "d070.test"`)
	})
	b.run("sort", func() {
		b.do(chromedp.Navigate(b.base + "/domains"))
		b.await(`document.querySelector("#live[data-state=on]") && document.querySelector("tbody tr[data-name]")`)
		b.do(chromedp.Focus(`a[data-sort=name]`))
		b.keys("\r")
		b.await(`new URLSearchParams(location.search).get("sort") === "name" && document.querySelector("tbody tr[data-name]").dataset.name === "d000.test"`)
		b.keys("\r")
		b.await(`document.querySelector("tbody tr[data-name]").dataset.name === "d199.test" && document.querySelector("[aria-sort=descending]")`)
		b.await(`document.querySelectorAll("tbody tr[data-name]").length < 120`)
	})
	b.run("overview", func() {
		b.do(chromedp.Navigate(b.base + "/"))
		b.await(`document.querySelector("#attention tbody").textContent.includes("“Warm” allows 1,200 msg/min")`)
		b.await(`(window.first ||= document.querySelector("polyline.c-delivered").getAttribute("points"), document.querySelector("polyline.c-delivered").getAttribute("points") !== window.first)`)
		b.do(chromedp.Click(`.counter[data-key=delivered] button`))
		b.await(`document.querySelector("polyline.c-delivered.off") && location.search.includes("delivered")`)
		b.do(chromedp.Click(`#attention tbody a`))
		b.await(`location.pathname === "/domains/slow.test" && document.querySelector("#sentence").textContent.includes("6,911 messages wait: “Warm” allows")`)
		b.await(`document.querySelector("tr.binding").textContent.includes("limits now")`)
	})
	b.run("narrow and dark", func() {
		_, err := chromedp.Call(b.tab, emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
		require.NoError(b.t, err)
		for _, path := range []string{"/", "/domains", "/mtas", "/tags", "/domains/slow.test", "/access"} {
			b.do(chromedp.EmulateViewport(360, 800), chromedp.Navigate(b.base+path))
			b.await(`document.documentElement.scrollWidth <= 360 && getComputedStyle(document.body).backgroundColor === "rgb(17, 21, 27)"`)
		}
		b.await(`getComputedStyle(document.getElementById("side")).visibility === "hidden"`)
		b.do(chromedp.Click(".menu"))
		b.await(`getComputedStyle(document.getElementById("side")).visibility === "visible" && document.activeElement.className === "brand"`)
		b.keys("\x1b")
		b.await(`getComputedStyle(document.getElementById("side")).visibility === "hidden"`)
	})
	b.run("every page fits", func() {
		for _, width := range []int64{360, 2560} {
			b.do(chromedp.EmulateViewport(width, 900))
			for _, path := range w.everyPage() {
				if w.Get(path).StatusCode == 200 && strings.HasPrefix(w.Get(path).Body, "<!doctype html>") && path != "/login" {
					b.do(chromedp.Navigate(b.base + path))
					b.await(fmt.Sprintf(`location.pathname === %q && document.readyState === "complete" && document.documentElement.scrollWidth <= %d`, path, width))
				}
			}
		}
	})
	b.run("logged out elsewhere", func() {
		other := w.elsewhere().logIn()
		other.Do("POST", "/logout", url.Values{"csrf": {other.CSRF()}, "everywhere": {"yes"}})
		b.await(`location.pathname === "/login" && document.body.textContent.includes("Your session has ended")`)
	})
	require.Empty(t, told(), "what the browser complains about")
	b.run("server away", func() {
		b.await(`document.querySelector("[name=username]")`)
		b.do(chromedp.Navigate(b.base + "/login"))
		b.await(`document.activeElement.name === "username"`)
		b.keys("admin\tsecret\r")
		b.await(`document.querySelector("#live[data-state=on]")`)
		require.NoError(t, w.Close())
		b.await(`/^stale since \d+ s$/.test(document.querySelector("#live[data-state=stale] .word").textContent)`)
	})
}

// console collects what the page's scripts and the browser complain about.
func (b *browser) console() (told func() []string) {
	var mu sync.Mutex
	var all []string
	go func() {
		for m, err := range chromedp.Console(b.tab) {
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, m.Text)
			mu.Unlock()
		}
	}()
	return func() []string { mu.Lock(); defer mu.Unlock(); return all }
}

// mail has figures change until ctx ends.
func (w *world) mail(ctx context.Context) {
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
