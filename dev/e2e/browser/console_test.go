package browser

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
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

	s.Step(t, "graph", func() {
		const line = `document.querySelector("polyline.c-delivered").getAttribute("points")`
		s.Await(`(window.first ||= ` + line + `, ` + line + ` !== window.first)`)
		s.Await(`Number(document.querySelector(".counter[data-key=delivered] b").textContent.replaceAll(",", "")) > 20`)
		require.Positive(s.T, s.sink.count("fast.test", time.Time{}))
	})
	s.Step(t, "pause", s.pauses)
	s.Step(t, "throttle", s.slowsDown)
	s.Step(t, "session", func() {
		s.Open("/smtp?address=fast.test")
		s.live("/smtp")
		s.Await(`document.querySelectorAll("#sessions li").length > 0`)
		s.Await(`/RCPT TO:<s\d+@fast\.test>/.test(document.getElementById("said").innerText)`)
		s.press("#pause")
		s.Await(`document.getElementById("pause").getAttribute("aria-pressed") === "true"`)
	})
	s.Step(t, "log", func() {
		s.Open("/logs?domain=fast.test&outcome=delivered")
		s.Await(`document.querySelectorAll("table.log tbody tr").length > 5`)
		s.Await(`[...document.querySelectorAll("table.log tbody tr")].every(tr => tr.innerText.includes("@fast.test"))`)
		s.Open("/")
		s.press(".counter[data-key=delivered] .log-link")
		s.Await(`location.pathname === "/logs" && document.querySelectorAll("table.log tbody tr").length > 5`)
	})
	s.Step(t, "keyboard", s.byKeyboard)
	s.Step(t, "narrow", s.narrow)
}

// pauses stops a domain's delivery on its page, sees at the sink that nothing comes, and resumes it.
func (s *station) pauses() {
	s.Open("/domains/fast.test")
	s.live("/domains/fast.test")
	s.press("#pill summary")
	s.press("#pill button.danger")
	s.Await(`document.querySelector("#pill[data-state=paused]")`)
	var came int
	mtatest.Eventually(s.T, "what was under way has arrived", func() bool {
		before := came
		came = s.sink.count("fast.test", time.Time{})
		return came == before
	})
	s.sink.more(s.T, "slow.test")
	require.Never(s.T, func() bool { return s.sink.count("fast.test", time.Time{}) > came }, time.Second,
		20*time.Millisecond, "mail during the pause")
	s.says("paused")
	s.Open("/pauses")
	s.says("fast.test")
	s.Open("/domains/fast.test")
	s.live("/domains/fast.test")
	s.Await(`document.querySelector("[data-part=messages] tbody tr a[href^='/messages/']")`) // what waits is listed
	s.press("#pill summary")
	s.press("#pill[open] button.primary")
	s.sink.more(s.T, "fast.test")
	s.Await(`document.querySelector("#pill[data-state=running]")`)
}

// slowsDown changes a limit in its form, and counts at the sink what comes then.
func (s *station) slowsDown() {
	s.sink.more(s.T, "slow.test")
	s.Open("/throttles")
	s.press(`main tbody a`)
	s.Await(`document.querySelector("[name='v.maxmessages']")?.value === "6000"`)
	s.Do(chromedp.SetValue(`[name="v.maxmessages"]`, "120"), chromedp.Submit("#row"))
	s.Await(`document.querySelector(".banner.good")`)
	mtatest.Eventually(s.T, "two a second, instead of twenty", func() bool {
		n := s.sink.count("slow.test", time.Now().Add(-3*time.Second))
		return n >= 5 && n <= 8
	})
	s.Open("/domains/slow.test")
	s.live("/domains/slow.test")
	s.says("“Slow” allows 120 msg/min")
	s.Await(`document.querySelector("tr.binding").innerText.includes("120")`)
}

// byKeyboard finds a domain without the mouse.
func (s *station) byKeyboard() {
	s.Open("/domains")
	s.live("/domains")
	s.Await(`document.querySelectorAll("tbody tr[data-name]").length >= 2`)
	s.Keys("\t")
	s.Await(`document.activeElement.className === "skip"`) // the first stop leads past the side bar
	s.Keys("\r")
	s.Await(`location.hash === "#content"`)
	s.Keys("/")
	s.Await(`document.activeElement.id === "search"`)
	// the protocol types the slash although the page has taken it
	s.Await(`(document.getElementById("search").value = "", true)`)
	s.Keys("slow")
	s.Await(`document.querySelector("[data-total]").textContent === "1"`)
	s.Keys("\r")
	s.Await(`document.activeElement.textContent === "slow.test"`)
	s.Keys("\r")
	s.Await(`location.pathname === "/domains/slow.test"`)
}

// narrow looks at every page on a phone: nothing is wider than the screen.
func (s *station) narrow() {
	paths,
		err := chromedp.Run(s.Context,
		chromedp.Evaluate[[]string](`[...document.querySelectorAll("nav.side li a")].map(a => a.getAttribute("href"))`))
	require.NoError(s.T, err)
	require.Greater(s.T, len(paths), 15, "pages in the side bar")
	s.Do(chromedp.EmulateViewport(360, 740))
	for _, path := range append(paths, "/domains/slow.test", "/throttles/new") {
		s.Open(path)
		s.Await(`document.readyState !== "loading" && document.querySelector("h1")`)
		wide, err := chromedp.Run(s.Context, chromedp.Evaluate[int](`document.documentElement.scrollWidth`))
		require.NoError(s.T, err)
		require.LessOrEqual(s.T, wide, 360, path)
	}
	s.Await(`getComputedStyle(document.getElementById("side")).visibility === "hidden"`)
	s.press(".menu")
	s.Await(`getComputedStyle(document.getElementById("side")).visibility === "visible"`)
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
	s.Await(`document.querySelector("tbody a[href^='/messages/']")`)
	s.press("tbody a[href^='/messages/']")
	s.Await(`location.pathname.startsWith("/messages/") && document.querySelector("table.header")`)
	s.says("<script>window.hacked=1</script>") // it is read, not run
	s.Await(`document.querySelector("a[href$='/rendered']")`)
	for _, page := range []string{"", "/rendered", "/frame", "/text", "/source"} {
		path,
			err := chromedp.Run(s.Context,
			chromedp.Evaluate[string](`(window.top.at ||= location.pathname.replace(/\/(rendered|frame|text|source)$/, ""))`))
		require.NoError(t, err)
		s.Open(path + page)
		s.Await(`document.readyState === "complete" && location.pathname === "` + path + page + `"`)
		s.Await(`window.hacked === undefined && !document.querySelector("main script, main svg[onload]")`)
	}
	s.Open("/")
	s.live("/") // nobody was logged out, nothing was paused
	s.Await(`document.querySelector("#pill[data-state=running]")`)
}
