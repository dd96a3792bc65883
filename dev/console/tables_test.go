package console_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/chromium"
)

// cut lists what cannot be seen without scrolling sideways: tables wider than their place, and buttons that do not fit.
const cut = `[...[...document.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth + 1)
	.map(box => (box.getAttribute("aria-label") || box.id) + " is " + box.scrollWidth + " px wide and has " + box.clientWidth),
	...[...document.querySelectorAll("main button, main .button")].filter(button => button.checkVisibility() && (button.scrollWidth > button.clientWidth + 1 ||
		button.getBoundingClientRect().right > innerWidth || button.getBoundingClientRect().left < 0)).map(button => "button " + button.textContent)]`

// TestTablesFit looks for tables and buttons that are cut, on a desk and on a phone.
func TestTablesFit(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	o, things := busyOffice(t)
	b := chromium.Start(t, o.Server.URL)
	b.LogIn("/access", "admin", "secret")
	b.Await(`document.querySelector("#live[data-state=on]")`)
	looked := 0
	for _, path := range append(everyPage(t), things...) {
		if a := o.Get(path); !strings.HasPrefix(a.Body, "<!doctype html>") || !strings.Contains(a.Body, "<table") {
			continue
		}
		looked++
		for _, width := range []int64{1440, 390} {
			b.Do(chromedp.EmulateViewport(width, 900))
			b.Open(path)
			b.Await(`document.readyState === "complete" && document.querySelector("#live[data-state=on]")`)
			found, err := chromedp.Run(b.Context, chromedp.Evaluate[[]string](cut))
			require.NoError(t, err)
			assert.Empty(t, found, fmt.Sprintf("%s at %d px", path, width))
		}
	}
	require.Greater(t, looked, 30)
}

// TestTablesHelp has rows be cards on a phone, tells where there is more to the side, copies, and exports.
func TestTablesHelp(t *testing.T) {
	t.Parallel()
	o, _ := busyOffice(t)
	b := chromium.Start(t, o.Server.URL)
	told := b.Complaints()
	b.LogIn("/throttles", "admin", "secret")
	b.Await(`document.querySelector("#live[data-state=on]")`)
	look := func(path string, width int64) {
		b.Do(chromedp.EmulateViewport(width, 900))
		b.Open(path)
		b.Await(`document.readyState === "complete" && document.querySelector("#live[data-state=on]")`)
	}
	b.Step(t, "cards", func() {
		look("/throttles", 390)
		b.Await(`[...document.querySelectorAll("tbody td")].some(cell => getComputedStyle(cell, "::before").content === '"Limits"')`)
		look("/domains", 390)
		b.Await(`document.querySelector("tbody tr[data-name] td[data-label=Status]")`)
		b.Await(`[...document.querySelectorAll("tbody tr[data-name]")].every(row => row.scrollHeight <= row.clientHeight + 1)`)
		b.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector("[data-page=list] .rows").scrollTop = 20 * 182`))
		b.Await(`document.querySelector("tbody tr[aria-rowindex='22']")`)
		b.Do(chromedp.Click(`a[data-sort=name]`))
		b.Await(`document.querySelector("tbody tr[data-name]")?.dataset.name.startsWith("d00")`)
	})
	b.Step(t, "side bar", func() {
		look("/", 1440)
		const last = `[...document.querySelectorAll(".side details[open] li a")].at(-1)`
		b.Await(last + `.getBoundingClientRect().bottom <= 900 && ` + last + `.textContent.startsWith("Logins")`)
		b.Do(chromedp.Click(`details[data-group=Steering] summary`), chromedp.Click(`details[data-group=Set-up] summary`))
		look("/domains", 1440)
		b.Await(`!document.querySelector("[data-group=Steering]").open && document.querySelector("[data-group=Set-up]").open`)
		b.Do(chromedp.Click(`details[data-group=Steering] summary`), chromedp.Click(`details[data-group=Set-up] summary`))
	})
	const hint = `getComputedStyle(document.querySelector(".scroll"), "::before").content`
	b.Step(t, "more to the side", func() {
		look("/suppressions", 640)
		b.Await(hint + `.includes("more to the right")`)
		b.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".scroll").scrollLeft = 5000`))
		b.Await(hint + `.includes("more to the left")`)
		look("/suppressions", 1440)
		b.Await(hint + ` === "none"`)
	})
	b.Step(t, "copy", func() {
		look("/dkim/1", 1440)
		b.Do(chromedp.Evaluate[chromedp.Void](`navigator.clipboard.writeText = async (text) => { window.copied = text }`),
			chromedp.Click(`#record dd button`))
		b.Await(`window.copied === "s1._domainkey.example.com" && document.querySelector("#record dd button").textContent === "Copied"`)
		b.Do(chromedp.Evaluate[chromedp.Void](`navigator.clipboard.writeText = async () => { throw new Error("not here") }; `+
			`document.execCommand = () => { window.copied = document.activeElement.value; return true }`),
			chromedp.Click(`#record dd:nth-of-type(2) button`))
		b.Await(`window.copied.startsWith("v=DKIM1;")`)
	})
	b.Step(t, "export", func() {
		look("/names", 1440)
		b.Do(chromedp.Evaluate[chromedp.Void](`URL.createObjectURL = (blob) => { blob.text().then(text => { window.saved = text }); return "#saved" }`),
			chromedp.Click(`button[aria-label="CSV of MTA names"]`))
		b.Await(`window.saved?.includes("Address,Host name,\"Label, shown here only\"\r\n192.0.2.1,out1.sender.test,")`)
		look("/suppressions", 1440)
		b.Await(`document.querySelector("a[download]") && !document.querySelector('button[aria-label^="CSV of"]')`)
	})
	require.Empty(t, told())
}
