package console

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/monitor"
)

// speakers are sessions that go on and on until they are stopped: one to gmail.test, one to yahoo.test that is refused,
// and one that came in with a mail.
func (w *world) speakers() (gmail, yahoo, some monitor.Transcript, stop func()) {
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
				fmt.Sprintf("(a mail of %d bytes)", len(htmlMail)))
			some.(monitor.MailTranscript).Mail(monitor.FromRemote, []byte(htmlMail), int64(len(htmlMail)))
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

func (b *browser) logIn(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
	b.await(`document.activeElement.name === "username"`)
	b.keys("admin\tsecret\r")
	b.await(`document.querySelector("#live[data-state=on]")`)
}

// TestSMTPMonitorInBrowser follows sessions, one and all, filters, pauses, clears, and opens a mail that passes.
func TestSMTPMonitorInBrowser(t *testing.T) {
	testserver.Need(t, "chromium")
	t.Parallel() // with the other browsers: they wait more than they work
	w := newWorld(t, func(c *Console) { c.Now = nil })
	gmail, yahoo, _, stop := w.speakers()
	defer stop()
	b := &browser{t: t, tab: testserver.Chromium(t), base: w.Server.URL}
	told := b.console()
	b.logIn("/smtp")

	b.run("all sessions", func() {
		b.await(`document.querySelectorAll("#sessions li").length === 4 && document.querySelector("[data-open]").textContent === "3"`)
		b.await(`document.querySelectorAll("#said .who").length > 5 && document.querySelector("#said .us") && document.querySelector("#said .them")`)
		b.await(`document.querySelector("#said .line.bad em").textContent === "refused" && document.querySelector("#said .line.warn em").textContent === "not now"`)
		b.await(`document.querySelector("#said .line.warn").textContent.includes("<b>Greylisted</b>") && !document.querySelector("#said .line b b")`)
		b.await(`/^\+\d+\.\d+ s$/.test(document.querySelector("#said .at").textContent)`)
		b.await(`[...document.querySelectorAll("#said .line.bad, #said .line.warn")].every((line) => line.closest("li").className.includes("answers"))`)
	})
	b.run("one session, by the keyboard", func() {
		b.do(chromedp.Focus(`#sessions li[data-id="0"] button`))
		b.await(`(document.querySelector('#sessions li[data-id="1"]') && document.activeElement.closest("#sessions"))`)
		for range 3 { // the newest session is the first
			b.keys(kb.ArrowDown)
		}
		b.await(`document.querySelector("#whose").textContent === "Outgoing session to gmail.test (198.51.100.7:25)"`)
		b.await(`document.querySelectorAll("#said li").length > 4 && !document.querySelector("#said .who") && !document.querySelector("#said").textContent.includes("yahoo")`)
	})
	b.run("filter by domain", func() {
		b.do(chromedp.Focus(`#search`))
		b.keys("yahoo.test\r")
		b.await(`location.search.includes("domain=yahoo.test") && document.querySelectorAll("#sessions li").length === 2`)
		b.await(`document.querySelector("#said").textContent.includes("d@yahoo.test") && !document.querySelector("#said").textContent.includes("gmail")`)
		require.Eventually(b.t, func() bool { return !gmail.Watched() && yahoo.Watched() }, waitTime, pollTime,
			"the server filters")
	})
	b.run("pause and go on", func() {
		b.await(`document.querySelectorAll("#said li").length > 8`)
		b.do(chromedp.Click(`#pause`))
		b.await(`document.querySelector("#pause").textContent === "Resume" && document.querySelector("#foot").textContent.startsWith("Paused")`)
		b.await(`(window.rows = document.querySelectorAll("#said li").length, window.words = document.querySelector("#said").textContent, rows > 3)`)
		require.Eventually(b.t, func() bool { return !yahoo.Watched() }, waitTime, pollTime, "nothing is copied meanwhile")
		b.await(`document.querySelectorAll("#said li").length === rows && document.querySelector("#said").textContent === words`)
		b.do(chromedp.Click(`#pause`))
		b.await(`document.querySelector("#pause").textContent === "Pause" && document.querySelector("#said .gap").textContent === "The view was paused here"`)
		b.await(`document.querySelectorAll("#said li").length > rows + 3`)
	})
	b.run("clear", func() {
		b.await(`(window.first = document.querySelector("#said li"), document.querySelector("#clear").click(), document.querySelectorAll("#said li").length === 0)`)
		b.await(`document.querySelectorAll("#said li").length > 0 && !first.isConnected && !document.querySelector("#said .gap")`)
	})
	b.run("much is said", func() {
		for range 40 {
			for n := range 100 {
				talk(yahoo, monitor.FromUs, fmt.Sprintf("NOOP %d", n), "250 OK")
			}
			b.await(`document.querySelectorAll("#said li").length <= 400`)
		}
		b.await(`document.querySelectorAll("#said li").length > 300 && /flights? lost/.test(document.querySelector("#foot").textContent)`)
	})
	b.run("a mail that passes", func() {
		b.do(chromedp.Navigate(b.base + "/smtp?way=in"))
		b.await(`document.querySelector("#said .who")`)
		b.await(`!document.querySelector(".doors")`)
		b.do(chromedp.Click(`#mails`))
		b.await(`document.querySelector(".doors a").textContent === "Rendered" && document.querySelector(".doors").closest("li").textContent.includes("(a mail of")`)
		b.await(`(location.href = document.querySelector(".doors a").href, true)`)
		b.await(`location.pathname.endsWith("/rendered") && document.querySelector("iframe.letter") && document.body.textContent.includes("Café <news@shop.test>")`)
	})
	b.run("narrow and without a mouse", func() {
		b.do(chromedp.EmulateViewport(360, 800))
		for _, path := range []string{"/smtp", "/smtp?domain=" + "x", "/smtp?ip=nonsense"} {
			b.do(chromedp.Navigate(b.base + path))
			b.await(`document.documentElement.scrollWidth <= 360 && document.querySelector("#live[data-state=on]")`)
		}
		b.await(`document.querySelector("#e-ip").textContent.startsWith("This is no address")`)
	})
	require.Empty(t, told(), "what the browser complains about")
}
