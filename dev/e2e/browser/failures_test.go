package browser

import (
	"net/url"
	"testing"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestFailures goes from the overview to why mail fails, filters the list while it counts, and follows a class into the
// log, where servers say what attacks whoever reads it.
func TestFailures(t *testing.T) {
	const attack = `<img src=x onerror="window.hacked=1">`
	refuse := func(domain string, code int, text string) smtptest.Rule {
		return smtptest.Rule{Stage: smtptest.Rcpt, Pattern: "*@" + domain,
			Action: smtptest.Action{Act: smtptest.Reply, Code: code, Text: text + " " + attack}}
	}
	k := mtatest.NewSink(t, &smtptest.Sink{Rules: []smtptest.Rule{
		refuse("full.test", 552, "5.2.2 Over quota"), refuse("gone.test", 550, "5.1.1 No such user")}})
	s := newStation(t, k.Settings())
	s.flow(20, "full.test", "gone.test")
	s.logIn("/")
	s.press(`nav a[href="/classes"]`)
	s.live("/classes")
	const row = `document.querySelector("tbody a[href='/classes/mailbox-full']")?.closest("tr")`
	s.Await(row + ` && document.querySelector("tbody a[href='/classes/address-unknown']")`)
	const sum = `Number(` + row + `.cells[2].textContent.replaceAll(",", ""))`
	s.Await(`(window.first ||= ` + sum + `, ` + sum + ` > window.first)`) // it counts while one looks

	s.Keys("/")
	s.Await(`document.activeElement.id === "search"`)
	// the protocol types the slash although the page has taken it
	s.Await(`(document.getElementById("search").value = "", true)`)
	s.Keys("full")
	s.Await(`document.querySelector("[data-total]").textContent === "1"`)
	s.Await(row + ` && !document.querySelector("tbody a[href='/classes/address-unknown']")`)
	s.press(`tbody a[href='/classes/mailbox-full']`)
	s.Await(`location.pathname + location.search === "/logs?class=mailbox-full"`)
	s.Await(`document.querySelectorAll("table.log tbody tr").length > 2`)
	s.Await(`[...document.querySelectorAll("table.log tbody tr")].every(tr => tr.innerText.includes("@full.test"))`)
	s.says("5.2.2 Over quota " + attack) // it is read, not run
	s.Await(`window.hacked === undefined && !document.querySelector("main img")`)
	for _, path := range []string{"/classes?q=" + url.QueryEscape(attack), "/classes/" + url.PathEscape(attack),
		"/logs?class=" + url.QueryEscape(attack)} {
		s.Open(path)
		s.Await(`document.readyState === "complete" && document.querySelector("main")`)
		s.Await(`window.hacked === undefined && !document.querySelector("main img")`)
	}
	s.Open("/classes?q=" + url.QueryEscape(attack))
	s.live("/classes")
	s.says("Nothing matches “" + attack + "”.")
	s.Await(`window.hacked === undefined`)
}
