package console

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestSettingsInBrowser tries a pattern while it is typed, pauses a domain with the keyboard only, and looks at every
// page of the settings on a narrow screen.
func TestSettingsInBrowser(t *testing.T) {
	testserver.Need(t, "chromium")
	t.Parallel() // with the other browsers: they wait more than they work
	o := newOffice(t, func(c *Console) {
		c.Now = nil
		c.Tools.Flood = func(_, pattern, answer string) (bool, error) { return strings.Contains(answer, pattern), nil }
	})
	row := o.add("capacity", admin.Values{"name": strings.Repeat("long-name-", 20), "maxmessages": 1200})
	o.add("capacity_rules", admin.Values{"capacity": row.ID, "domain": "gmail.com"})
	b := &browser{t: t, tab: testserver.Chromium(t), base: o.Server.URL}
	told := b.console()
	b.do(chromedp.Navigate(b.base + "/floods/new"))
	b.await(`document.activeElement.name === "username"`)
	b.keys("admin\tsecret\r")
	b.await(`location.pathname === "/floods/new" && document.querySelector("#live[data-state=on]")`)

	t.Run("try", func(t *testing.T) {
		b.do(chromedp.SendKeys(`#f-name`, "Slow"), chromedp.SendKeys(`#f-pattern`, "too many"),
			chromedp.SendKeys(`#try`, "451 too many"))
		b.await(`document.querySelector("[data-tried]").textContent.includes("it matches")`)
		b.do(chromedp.SendKeys(`#f-pattern`, " things"))
		b.await(`document.querySelector("[data-tried]").textContent.includes("it does not match")`)
	})
	t.Run("pause", func(t *testing.T) {
		b.do(chromedp.Navigate(b.base + "/pauses"))
		b.await(`document.querySelector("a.primary")`)
		b.do(chromedp.Focus("a.primary"))
		b.keys("\r")
		b.await(`location.pathname === "/pauses/new" && document.getElementById("f-target")`)
		b.do(chromedp.Focus("#f-target"))
		b.keys("gmail.com")
		b.await(`document.querySelector(".save button").textContent === "Pause delivery to gmail.com" && document.querySelector(".save").textContent.includes("What will change")`)
		b.keys("\r")
		b.await(`location.pathname === "/pauses" && document.querySelector("tbody").textContent.includes("mail to gmail.com")`)
		require.Equal(t, 1, o.count("paused"))
		b.do(chromedp.Focus(".row-acts a"))
		b.keys("\r")
		b.await(`document.querySelector("button.danger")?.textContent === "Resume delivery to gmail.com"`)
		b.do(chromedp.Focus("button.danger"))
		b.keys("\r")
		b.await(`location.pathname === "/pauses" && document.querySelector(".empty")`)
		require.Zero(t, o.count("paused"))
	})
	t.Run("times", func(t *testing.T) {
		b.do(chromedp.Navigate(b.base + "/pauses/new"))
		b.await(`document.querySelector(".local-time")`)
		b.do(chromedp.SendKeys("#f-expire", "2030-01-02 03:04:05"))
		b.await(`document.querySelector(".local-time").textContent.includes("where you are")`)
	})
	t.Run("narrow", func(t *testing.T) {
		paths := []string{"/tokens", "/names", fmt.Sprintf("/throttles/%d", row.ID),
			fmt.Sprintf("/throttles/%d/delete", row.ID)}
		for _, s := range allSheets() {
			paths = append(paths, s.path, s.path+"/new")
		}
		b.do(chromedp.EmulateViewport(360, 800))
		for _, path := range paths {
			b.do(chromedp.Navigate(b.base + path))
			b.await(fmt.Sprintf(`location.pathname === %q && document.readyState === "complete" && document.documentElement.scrollWidth <= 360`, path))
		}
	})
	require.Empty(t, told(), "what the browser complains about")
}
