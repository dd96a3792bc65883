package browser

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/internal/mtatest"
)

// TestOperator is a morning of an operator: looks at the graph, pauses a domain and resumes it, slows another one down,
// follows a session, searches the log, with keyboard and on a phone.
func TestOperator(t *testing.T) {
	s := newStation(t, nil)
	slow := &store.Capacity{Name: "Slow", Limits: store.FallBackLimits(), Enabled: true}
	slow.Limits.Site.MaxMessages = 6000
	require.NoError(t, store.Insert(t.Context(), s.db, slow))
	mtatest.Insert(t, s.db, store.CapacityRule{Capacity: slow.ID, Domain: "slow.test", Enabled: true})
	s.Reload(t)
	s.flow(40, "fast.test", "slow.test")
	s.logIn("/")

	s.step("graph", func() {
		const line = `document.querySelector("polyline.c-delivered").getAttribute("points")`
		s.await(`(window.first ||= ` + line + `, ` + line + ` !== window.first)`)
		s.await(`Number(document.querySelector(".counter[data-key=delivered] b").textContent.replaceAll(",", "")) > 20`)
		require.Positive(s.t, s.sink.count("fast.test", time.Time{}))
	})
	s.step("pause", s.pauses)
	s.step("throttle", s.slowsDown)
	s.step("session", func() {
		s.open("/smtp?address=fast.test")
		s.live("/smtp")
		s.await(`document.querySelectorAll("#sessions li").length > 0`)
		s.await(`/RCPT TO:<s\d+@fast\.test>/.test(document.getElementById("said").innerText)`)
		s.press("#pause")
		s.await(`document.getElementById("pause").getAttribute("aria-pressed") === "true"`)
	})
	s.step("log", func() {
		s.open("/logs?domain=fast.test&outcome=delivered")
		s.await(`document.querySelectorAll("table.log tbody tr").length > 5`)
		s.await(`[...document.querySelectorAll("table.log tbody tr")].every(tr => tr.innerText.includes("@fast.test"))`)
		s.open("/")
		s.press(".counter[data-key=delivered] .log-link")
		s.await(`location.pathname === "/logs" && document.querySelectorAll("table.log tbody tr").length > 5`)
	})
	s.step("keyboard", s.byKeyboard)
	s.step("narrow", s.narrow)
}

// pauses stops a domain's delivery on its page, sees at the sink that nothing comes, and resumes it.
func (s *station) pauses() {
	s.open("/domains/fast.test")
	s.live("/domains/fast.test")
	s.press("#pill summary")
	s.press("#pill button.danger")
	s.await(`document.querySelector("#pill[data-state=paused]")`)
	var came int
	mtatest.Eventually(s.t, "what was under way has arrived", func() bool {
		before := came
		came = s.sink.count("fast.test", time.Time{})
		return came == before
	})
	s.sink.more(s.t, "slow.test")
	require.Never(s.t, func() bool { return s.sink.count("fast.test", time.Time{}) > came }, time.Second,
		20*time.Millisecond, "mail during the pause")
	s.says("paused")
	s.open("/pauses")
	s.says("fast.test")
	s.open("/domains/fast.test")
	s.live("/domains/fast.test")
	s.await(`document.querySelector("[data-part=messages] tbody tr a[href^='/messages/']")`) // what waits is listed
	s.press("#pill summary")
	s.press("#pill[open] button.primary")
	s.sink.more(s.t, "fast.test")
	s.await(`document.querySelector("#pill[data-state=running]")`)
}

// slowsDown changes a limit in its form, and counts at the sink what comes then.
func (s *station) slowsDown() {
	s.sink.more(s.t, "slow.test")
	s.open("/throttles")
	s.press(`main tbody a`)
	s.await(`document.querySelector("[name='v.maxmessages']")?.value === "6000"`)
	s.do(chromedp.SetValue(`[name="v.maxmessages"]`, "120"), chromedp.Submit("#row"))
	s.await(`document.querySelector(".banner.good")`)
	mtatest.Eventually(s.t, "two a second, instead of twenty", func() bool {
		n := s.sink.count("slow.test", time.Now().Add(-3*time.Second))
		return n >= 5 && n <= 8
	})
	s.open("/domains/slow.test")
	s.live("/domains/slow.test")
	s.says("“Slow” allows 120 msg/min")
	s.await(`document.querySelector("tr.binding").innerText.includes("120")`)
}

// byKeyboard finds a domain without the mouse.
func (s *station) byKeyboard() {
	s.open("/domains")
	s.live("/domains")
	s.await(`document.querySelectorAll("tbody tr[data-name]").length >= 2`)
	s.keys("\t")
	s.await(`document.activeElement.className === "skip"`) // the first stop leads past the side bar
	s.keys("\r")
	s.await(`location.hash === "#content"`)
	s.keys("/")
	s.await(`document.activeElement.id === "search"`)
	// the protocol types the slash although the page has taken it
	s.await(`(document.getElementById("search").value = "", true)`)
	s.keys("slow")
	s.await(`document.querySelector("[data-total]").textContent === "1"`)
	s.keys("\r")
	s.await(`document.activeElement.textContent === "slow.test"`)
	s.keys("\r")
	s.await(`location.pathname === "/domains/slow.test"`)
}

// narrow looks at every page on a phone: nothing is wider than the screen.
func (s *station) narrow() {
	paths,
		err := chromedp.Run(s.tab,
		chromedp.Evaluate[[]string](`[...document.querySelectorAll("nav.side li a")].map(a => a.getAttribute("href"))`))
	require.NoError(s.t, err)
	require.Greater(s.t, len(paths), 15, "pages in the side bar")
	s.do(chromedp.EmulateViewport(360, 740))
	for _, path := range append(paths, "/domains/slow.test", "/throttles/new") {
		s.open(path)
		s.await(`document.readyState !== "loading" && document.querySelector("h1")`)
		wide, err := chromedp.Run(s.tab, chromedp.Evaluate[int](`document.documentElement.scrollWidth`))
		require.NoError(s.t, err)
		require.LessOrEqual(s.t, wide, 360, path)
	}
	s.await(`getComputedStyle(document.getElementById("side")).visibility === "hidden"`)
	s.press(".menu")
	s.await(`getComputedStyle(document.getElementById("side")).visibility === "visible"`)
}

// TestHostileMail opens a mail that attacks whoever looks at it.
func TestHostileMail(t *testing.T) {
	s := newStation(t, mtatest.Nowhere)
	const attack = `<script>window.hacked=1</script><img src=x onerror="window.hacked=2">`
	s.Submit(t, "a@client.test", "victim@away.test",
		"x-mq-tag: "+attack+"\r\nFrom: "+attack+" <a@client.test>\r\nSubject: "+attack+
			"\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>"+attack+
			`<svg onload="parent.hacked=3"></svg><meta http-equiv="refresh" content="0;url=/logout"><form action="/pause" method="post"><button>Win</button></form>`)
	s.logIn("/messages")
	s.await(`document.querySelector("tbody a[href^='/messages/']")`)
	s.press("tbody a[href^='/messages/']")
	s.await(`location.pathname.startsWith("/messages/") && document.querySelector("table.header")`)
	s.says("<script>window.hacked=1</script>") // it is read, not run
	s.await(`document.querySelector("a[href$='/rendered']")`)
	for _, page := range []string{"", "/rendered", "/frame", "/text", "/source"} {
		path,
			err := chromedp.Run(s.tab,
			chromedp.Evaluate[string](`(window.top.at ||= location.pathname.replace(/\/(rendered|frame|text|source)$/, ""))`))
		require.NoError(t, err)
		s.open(path + page)
		s.await(`document.readyState === "complete" && location.pathname === "` + path + page + `"`)
		s.await(`window.hacked === undefined && !document.querySelector("main script, main svg[onload]")`)
	}
	s.open("/")
	s.live("/") // nobody was logged out, nothing was paused
	s.await(`document.querySelector("#pill[data-state=running]")`)
}
