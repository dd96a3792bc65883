package browser

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sluicemail/sluice/dev/mtatest"
)

// TestTypedOverRestart has somebody type a pause while mtad is killed and started again: he saves what he typed, as if
// nothing had been.
func TestTypedOverRestart(t *testing.T) {
	s := newStation(t, mtatest.Settings{"www-dir": "/usr/share/mailerq/not-there"})
	s.logIn("/pauses/new")
	s.Do(chromedp.SendKeys("#f-target", "typed.test"))
	s.Kill()
	s.Await(`document.querySelector("#live[data-state=stale]")`)
	s.Daemon = s.Again(t)
	s.live("/pauses/new")
	s.Await(`document.getElementById("f-target").value === "typed.test"`)
	s.press(".save button")
	s.Await(`location.pathname === "/pauses" && document.querySelector("tbody").textContent.includes("typed.test")`)
}
