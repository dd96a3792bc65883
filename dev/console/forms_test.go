package console_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// TestTypedFormsStay has somebody type into a form, and then try to leave it by a link, and be logged out from
// elsewhere.
func TestTypedFormsStay(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	o := consoletest.NewOffice(t, func(c *console.Console) { c.Now = nil })
	row := o.Add(settings.TablePaused, admin.Values{"target": "kept.test"})
	b := chromium.Start(t, o.Server.URL)
	var asked atomic.Int64
	var yes atomic.Bool
	b.Dialogs(func(string) bool { asked.Add(1); return yes.Load() })
	b.LogIn("/pauses/new", "admin", "secret")
	b.Await(`location.pathname === "/pauses/new" && document.querySelector("#live[data-state=on]")`)

	b.Step(t, "untouched", func() {
		b.Open("/pauses")
		b.Await(`location.pathname === "/pauses"`)
		b.Open("/pauses/new")
		b.Await(`document.querySelector("#live[data-state=on]")`)
		b.Do(chromedp.SendKeys("#f-target", "x\b"))
		b.Open("/pauses")
		b.Await(`location.pathname === "/pauses"`)
		require.Zero(t, asked.Load(), "what is as it was is not lost")
	})
	b.Step(t, "link", func() {
		b.Open("/pauses/new")
		b.Await(`document.querySelector("#live[data-state=on]")`)
		b.Do(chromedp.SendKeys("#f-target", "typed.test"))
		b.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector('.side a[href="/floods"]').click()`))
		require.Eventually(t, func() bool { return asked.Load() == 1 }, waitTime, pollTime)
		b.Await(`location.pathname === "/pauses/new" && document.getElementById("f-target").value === "typed.test"`)
	})
	b.Step(t, "logged out", func() {
		other := o.World.Elsewhere().LogIn()
		other.Do("POST", "/logout", map[string][]string{"csrf": {other.CSRF()}, "everywhere": {"yes"}})
		b.Await(`document.body.textContent.includes("What you typed is still here")`)
		b.Await(`document.getElementById("f-target").value === "typed.test"`)
		b.Do(chromedp.Evaluate[chromedp.Void](`fetch("/login", {method: "POST", body: new URLSearchParams({username: "admin", password: "secret"})})`))
		b.Await(`!document.body.textContent.includes("What you typed is still here") && document.querySelector("#live[data-state=on]")`)
		b.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".save button").click()`))    // wherever it has moved to
		b.Await(`document.readyState === "complete" && document.querySelector("#row [name=seen]")`) // what will change could not be told before
		b.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".save button").click()`))
		b.Await(`location.pathname === "/pauses" && document.querySelector("tbody").textContent.includes("typed.test")`)
		o.LogIn()
		require.Equal(t, 2, o.Count(settings.TablePaused))
		require.EqualValues(t, 1, asked.Load(), "saving loses nothing")
	})
	b.Step(t, "leave all the same", func() {
		yes.Store(true)
		b.Open("/pauses/" + strconv.FormatInt(row.ID, 10))
		b.Await(`document.querySelector("#live[data-state=on]")`)
		b.Do(chromedp.SendKeys("#f-target", "more"))
		b.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector('.side a[href="/floods"]').click()`))
		b.Await(`location.pathname === "/floods"`)
		require.EqualValues(t, 2, asked.Load())
	})
}
