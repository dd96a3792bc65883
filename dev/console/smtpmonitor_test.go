package console_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
)

var (
	toGmail = monitor.Session{Local: netip.MustParseAddrPort("192.0.2.1:4711"),
		Remote: netip.MustParseAddrPort("198.51.100.7:25"), Domain: "gmail.test"}
	toYahoo = monitor.Session{Local: netip.MustParseAddrPort("192.0.2.2:4712"),
		Remote: netip.MustParseAddrPort("198.51.100.8:25"), Domain: "yahoo.test"}
	fromSome = monitor.Session{Incoming: true, Local: netip.MustParseAddrPort("192.0.2.1:25"),
		Remote: netip.MustParseAddrPort("203.0.113.9:999")}
)

// letter is a mail that passes.
const letter = "From: =?utf-8?q?Caf=C3=A9?= <news@shop.test>\r\nContent-Type: text/html\r\n\r\n<p>Hi"

// talk is what two say, in turn.
func talk(t monitor.Transcript, first monitor.Direction, said ...string) {
	for i, text := range said {
		t.Line((first+monitor.Direction(i))%2, []byte(text+"\r\n"))
	}
}

// speakers are sessions that go on and on until they are stopped: one to gmail.test, one to yahoo.test that is refused,
// and one that came in with a mail.
func speakers(w *consoletest.World) (gmail, yahoo, some monitor.Transcript, stop func()) {
	gmail, yahoo, some = w.Live.Tap(toGmail), w.Live.Tap(toYahoo), w.Live.Tap(fromSome)
	ctx, cancel := context.WithCancel(w.T.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ctx.Err() == nil; n++ {
			talk(gmail, monitor.FromUs, fmt.Sprintf("MAIL FROM:<a%d@source.test>", n), "250 2.1.0 OK", "RCPT TO:<c@gmail.test>",
				"451 4.7.1 <b>Greylisted</b>")
			talk(yahoo, monitor.FromUs, "RCPT TO:<d@yahoo.test>", "550 5.1.1 No such user")
			talk(some, monitor.FromRemote, "MAIL FROM:<e@remote.test>", "250 2.1.0 Sender accepted",
				fmt.Sprintf("(a mail of %d bytes)", len(letter)))
			some.(monitor.MailTranscript).Mail(monitor.FromRemote, []byte(letter), int64(len(letter)))
			talk(some, monitor.FromUs, "250 2.0.0 Message accepted")
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return gmail, yahoo, some, func() {
		cancel()
		<-ended
		for _, one := range []monitor.Transcript{gmail, yahoo, some} {
			one.Close()
		}
	}
}

// TestSMTPMonitorInBrowser follows sessions, one and all, filters, pauses, clears, and opens a mail that passes.
func TestSMTPMonitorInBrowser(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	w := consoletest.New(t, func(c *console.Console) { c.Now = nil })
	gmail, yahoo, _, stop := speakers(w)
	defer stop()
	b := chromium.Start(t, w.Server.URL)
	told := b.Complaints()
	b.LogIn("/smtp", "admin", "secret")
	b.Await(`document.querySelector("#live[data-state=on]")`)

	b.Step(t, "all sessions", func() {
		b.Await(`document.querySelectorAll("#sessions li").length === 4 && document.querySelector("[data-open]").textContent === "3"`)
		b.Await(`document.querySelectorAll("#said .who").length > 5 && document.querySelector("#said .us") && document.querySelector("#said .them")`)
		b.Await(`document.querySelector("#said .line.bad em").textContent === "refused" && document.querySelector("#said .line.warn em").textContent === "not now"`)
		b.Await(`document.querySelector("#said .line.warn").textContent.includes("<b>Greylisted</b>") && !document.querySelector("#said .line b b")`)
		b.Await(`/^\+\d+\.\d+ s$/.test(document.querySelector("#said .at").textContent)`)
		b.Await(`[...document.querySelectorAll("#said .line.bad, #said .line.warn")].every((line) => line.closest("li").className.includes("answers"))`)
	})
	b.Step(t, "one session, by the keyboard", func() {
		b.Do(chromedp.Focus(`#sessions li[data-id="0"] button`))
		b.Await(`(document.querySelector('#sessions li[data-id="1"]') && document.activeElement.closest("#sessions"))`)
		for range 3 { // the newest session is the first
			b.Keys(kb.ArrowDown)
		}
		b.Await(`document.querySelector("#whose").textContent === "Outgoing session to gmail.test (198.51.100.7:25)"`)
		b.Await(`document.querySelectorAll("#said li").length > 4 && !document.querySelector("#said .who") && !document.querySelector("#said").textContent.includes("yahoo")`)
	})
	b.Step(t, "filter by domain", func() {
		b.Do(chromedp.Focus(`#search`))
		b.Keys("yahoo.test\r")
		b.Await(`location.search.includes("domain=yahoo.test") && document.querySelectorAll("#sessions li").length === 2`)
		b.Await(`document.querySelector("#said").textContent.includes("d@yahoo.test") && !document.querySelector("#said").textContent.includes("gmail")`)
		require.Eventually(b.T, func() bool { return !gmail.Watched() && yahoo.Watched() }, waitTime, pollTime,
			"the server filters")
	})
	b.Step(t, "pause and go on", func() {
		b.Await(`document.querySelectorAll("#said li").length > 8`)
		b.Do(chromedp.Click(`#pause`))
		b.Await(`document.querySelector("#pause").textContent === "Resume" && document.querySelector("#foot").textContent.startsWith("Paused")`)
		b.Await(`(window.rows = document.querySelectorAll("#said li").length, window.words = document.querySelector("#said").textContent, rows > 3)`)
		require.Eventually(b.T, func() bool { return !yahoo.Watched() }, waitTime, pollTime, "nothing is copied meanwhile")
		b.Await(`document.querySelectorAll("#said li").length === rows && document.querySelector("#said").textContent === words`)
		b.Do(chromedp.Click(`#pause`))
		b.Await(`document.querySelector("#pause").textContent === "Pause" && document.querySelector("#said .gap").textContent === "The view was paused here"`)
		b.Await(`document.querySelectorAll("#said li").length > rows + 3`)
	})
	b.Step(t, "clear", func() {
		b.Await(`(window.first = document.querySelector("#said li"), document.querySelector("#clear").click(), document.querySelectorAll("#said li").length === 0)`)
		b.Await(`document.querySelectorAll("#said li").length > 0 && !first.isConnected && !document.querySelector("#said .gap")`)
	})
	b.Step(t, "much is said", func() {
		for range 40 {
			for n := range 100 {
				talk(yahoo, monitor.FromUs, fmt.Sprintf("NOOP %d", n), "250 OK")
			}
			b.Await(`document.querySelectorAll("#said li").length <= 400`)
		}
		b.Await(`document.querySelectorAll("#said li").length > 300 && /flights? lost/.test(document.querySelector("#foot").textContent)`)
	})
	b.Step(t, "a mail that passes", func() {
		b.Open("/smtp?way=in")
		b.Await(`document.querySelector("#said .who")`)
		b.Await(`!document.querySelector(".doors")`)
		b.Do(chromedp.Click(`#mails`))
		b.Await(`document.querySelector(".doors a").textContent === "Rendered" && document.querySelector(".doors").closest("li").textContent.includes("(a mail of")`)
		b.Await(`(location.href = document.querySelector(".doors a").href, true)`)
		b.Await(`location.pathname.endsWith("/rendered") && document.querySelector("iframe.letter") && document.body.textContent.includes("Café <news@shop.test>")`)
	})
	b.Step(t, "narrow and without a mouse", func() {
		b.Do(chromedp.EmulateViewport(360, 800))
		for _, path := range []string{"/smtp", "/smtp?domain=" + "x", "/smtp?ip=nonsense"} {
			b.Open(path)
			b.Await(`document.documentElement.scrollWidth <= 360 && document.querySelector("#live[data-state=on]")`)
		}
		b.Await(`document.querySelector("#e-ip").textContent.startsWith("This is no address")`)
	})
	require.Empty(t, told(), "what the browser complains about")
}
