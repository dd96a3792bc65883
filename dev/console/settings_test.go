package console_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// TestSettingsInBrowser tries a pattern while it is typed, pauses a domain with the keyboard only, and looks at every
// page of the settings on a narrow screen.
func TestSettingsInBrowser(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	o := consoletest.NewOffice(t, func(c *console.Console) {
		c.Now = nil
		c.Tools.Flood = func(_, pattern, answer string) (bool, error) { return strings.Contains(answer, pattern), nil }
	})
	row := o.Add("capacity", admin.Values{"name": strings.Repeat("long-name-", 20), "maxmessages": 1200})
	o.Add("capacity_rules", admin.Values{"capacity": row.ID, "domain": "gmail.com"})
	b := chromium.Start(t, o.Server.URL)
	told := b.Complaints()
	b.Dialogs(func(string) bool { return true }) // what was tried is not saved
	b.LogIn("/floods/new", "admin", "secret")
	b.Await(`location.pathname === "/floods/new" && document.querySelector("#live[data-state=on]")`)

	t.Run("try", func(t *testing.T) {
		b.Do(chromedp.SendKeys(`#f-name`, "Slow"), chromedp.SendKeys(`#f-pattern`, "too many"),
			chromedp.SendKeys(`#try`, "451 too many"))
		b.Await(`document.querySelector("[data-tried]").textContent.includes("it matches")`)
		b.Do(chromedp.SendKeys(`#f-pattern`, " things"))
		b.Await(`document.querySelector("[data-tried]").textContent.includes("it does not match")`)
	})
	t.Run("pause", func(t *testing.T) {
		b.Open("/pauses")
		b.Await(`document.querySelector("a.primary")`)
		b.Do(chromedp.Focus("a.primary"))
		b.Keys("\r")
		b.Await(`location.pathname === "/pauses/new" && document.getElementById("f-target")`)
		b.Do(chromedp.Focus("#f-target"))
		b.Keys("gmail.com")
		b.Await(`document.querySelector(".save button").textContent === "Pause delivery to gmail.com" && document.querySelector(".save").textContent.includes("What will change")`)
		b.Keys("\r")
		b.Await(`location.pathname === "/pauses" && document.querySelector("tbody").textContent.includes("mail to gmail.com")`)
		require.Equal(t, 1, o.Count("paused"))
		b.Do(chromedp.Focus(".row-acts a"))
		b.Keys("\r")
		b.Await(`document.querySelector("button.danger")?.textContent === "Resume delivery to gmail.com"`)
		b.Do(chromedp.Focus("button.danger"))
		b.Keys("\r")
		b.Await(`location.pathname === "/pauses" && document.querySelector(".empty")`)
		require.Zero(t, o.Count("paused"))
	})
	t.Run("times", func(t *testing.T) {
		b.Open("/pauses/new")
		b.Await(`document.querySelector(".local-time")`)
		b.Do(chromedp.SendKeys("#f-expire", "2030-01-02 03:04:05"))
		b.Await(`document.querySelector(".local-time").textContent.includes("where you are")`)
	})
	t.Run("narrow", func(t *testing.T) {
		paths := []string{"/tokens", "/names", fmt.Sprintf("/throttles/%d", row.ID),
			fmt.Sprintf("/throttles/%d/delete", row.ID)}
		o.LogIn()
		for _, sheet := range everyPage(t) {
			if strings.Contains(o.Get(sheet).Body, `href="`+sheet+`/new`) {
				paths = append(paths, sheet, sheet+"/new")
			}
		}
		require.Greater(t, len(paths), 4+2*16, "sheets that rows can be added to")
		b.Do(chromedp.EmulateViewport(360, 800))
		for _, path := range paths {
			b.Open(path)
			b.Await(fmt.Sprintf(`location.pathname === %q && document.readyState === "complete" && document.documentElement.scrollWidth <= 360`, path))
		}
	})
	require.Empty(t, told(), "what the browser complains about")
}
