package mailview_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/mailview"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/webtest"
)

const htmlMail = "From: =?utf-8?q?Caf=C3=A9?= <news@shop.test>\r\nTo: to@gmail.test\r\nSubject: <script>alert('subject')</script>\u202e hello\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nthe <b>text</b>\r\n" +
	"--b\r\nContent-Type: text/html\r\n\r\n<p onclick=alert(1)>Hi <script>alert(2)</script><img src=https://track.test/pixel.gif></p>\r\n" +
	"--b\r\nContent-Type: text/html; name=\"in\u202elmth.exe\"\r\nContent-Disposition: attachment; filename=\"../../a b\u202elmth.html\"\r\nContent-Transfer-Encoding: base64\r\n\r\nPHNjcmlwdD4=\r\n--b--\r\n"

func TestRenderedMail(t *testing.T) {
	w := consoletest.WithMails(t, map[string]string{"m1": htmlMail}, nil).LogIn()
	a := w.Get("/messages/m1/rendered")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Contains(t, a.Body, "&lt;script&gt;alert(&#39;subject&#39;)&lt;/script&gt;⟨U&#43;202E⟩ hello")
	require.Contains(t, a.Body, "Café &lt;news@shop.test&gt;")
	require.Contains(t, a.Body, "Show remote content")
	require.Regexp(t,
		`<iframe class="letter" sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer" src="/messages/m1/frame"`, a.Body)
	require.Equal(t, w.Get("/login").Header.Get("Content-Security-Policy"), a.Header.Get("Content-Security-Policy"))

	a = w.Get("/messages/m1/frame")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Contains(t, a.Body, "<body><p>Hi </p>")
	for name, value := range map[string]string{"Content-Security-Policy": mailview.PagePolicy(false),
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"} {
		require.Equal(t, value, a.Header.Get(name), name)
	}

	a = w.Get("/messages/m1/text")
	require.Contains(t, a.Body, "the &lt;b&gt;text&lt;/b&gt;")
	require.NotContains(t, a.Body, "<script>alert")
	a = w.Get("/messages/m1/source")
	require.Contains(t, a.Body, "&lt;p onclick=alert(1)&gt;Hi &lt;script&gt;alert(2)&lt;/script&gt;")
	require.NotContains(t, a.Body, "\u202e")

	a = w.Get("/messages/m1/parts/3")
	require.Equal(t, "<script>", a.Body)
	require.Equal(t, "application/octet-stream", a.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="a_b_U_202E_lmth.html"`, a.Header.Get("Content-Disposition"))
	require.Equal(t, "default-src 'none'; sandbox", a.Header.Get("Content-Security-Policy"))
	require.Equal(t, "the <b>text</b>", w.Get("/messages/m1/parts/1").Body)
	for _, number := range []string{"0", "4", "1.1", "x", "%20"} {
		require.Equal(t, http.StatusNotFound, w.Get("/messages/m1/parts/"+number).StatusCode, number)
	}
}

// TestInsecureImages promises no images that the policy of the page refuses.
func TestInsecureImages(t *testing.T) {
	mail := func(sources ...string) string {
		return "Content-Type: text/html\r\n\r\n<p>Hi <img src=" + strings.Join(sources, "> <img src=") + "></p>\r\n"
	}
	w := consoletest.WithMails(t, map[string]string{"plain": mail("http://track.test/a.gif"),
		"both": mail("http://track.test/a.gif", "https://track.test/b.gif")}, nil).LogIn()
	page := w.Get("/messages/plain/rendered").Body
	require.NotContains(t, page, "Show remote content")
	require.Contains(t, page, "http:// are never loaded")
	page = w.Get("/messages/both/rendered").Body
	require.Contains(t, page, "Show remote content")
	require.Contains(t, page, "http:// are never loaded")
}

// TestRemoteContent asks for it: with a form, each time.
func TestRemoteContent(t *testing.T) {
	w := consoletest.WithMails(t, map[string]string{"m1": htmlMail, "m2": htmlMail}, nil).LogIn()
	for _, link := range []string{"/messages/m1/rendered?remote=1", "/messages/m1/frame"} {
		require.NotContains(t, w.Get(link).Body, "track.test", link)
	}
	require.Contains(t, w.Get("/messages/m1/rendered?remote=1").Body, `src="/messages/m1/frame"`,
		"no link leads to remote content")
	require.Equal(t, http.StatusForbidden, w.Get("/messages/m1/frame?remote=1").StatusCode)
	require.Equal(t, http.StatusForbidden, w.Do("POST", "/messages/m1/rendered",
		url.Values{"remote": {"1"}, "csrf": {"forged"}}).StatusCode)
	a := w.Do("POST", "/messages/m1/rendered", url.Values{"remote": {"1"}, "csrf": {w.CSRF()}})
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Contains(t, a.Body, "shown, this once")
	frame := regexp.MustCompile(`src="(/messages/m1/frame\?remote=[0-9a-f]+)"`).FindStringSubmatch(a.Body)
	require.NotNil(t, frame)
	a = w.Get(frame[1])
	require.Contains(t, a.Body, `src="https://track.test/pixel.gif"`)
	require.Equal(t, mailview.PagePolicy(true), a.Header.Get("Content-Security-Policy"))
	require.Equal(t, http.StatusForbidden, w.Get(strings.Replace(frame[1], "m1", "m2", 1)).StatusCode, "of this mail only")
	require.Contains(t, w.Get("/messages/m1/rendered").Body, `src="/messages/m1/frame"`, "it is not remembered")
	w.Client = webtest.NewClient(t)
	require.Equal(t, http.StatusForbidden, w.LogIn().Get(frame[1]).StatusCode, "in this session only")
}

func TestRenderingNeedsTheRightBrowser(t *testing.T) {
	w := consoletest.WithMails(t, map[string]string{"m1": htmlMail}, func(c *console.Console) { c.RenderUserAgent = "Safe/1.0" }).LogIn()
	for _, path := range []string{"/messages/m1/rendered", "/messages/m1/frame"} {
		for _, agent := range []string{"Evil/6.6<script>", "Safe/1.0.1", "safe/1.0", ""} {
			a := w.Get(path, "User-Agent", agent)
			require.Equal(t, http.StatusForbidden, a.StatusCode, agent)
			require.Contains(t, a.Body, "render-useragent allows only one kind of browser")
			require.NotContains(t, a.Body, "6.6<script>")
		}
		require.Equal(t, http.StatusOK, w.Get(path, "User-Agent", "Safe/1.0").StatusCode)
	}
	require.Equal(t, http.StatusForbidden, w.Do("POST", "/messages/m1/rendered",
		url.Values{"remote": {"1"}, "csrf": {w.CSRF()}}, "User-Agent", "Evil").StatusCode)
	require.Equal(t, http.StatusOK, w.Get("/messages/m1/text", "User-Agent", "Evil").StatusCode, "text harms nobody")
}

func TestMailThatIsNotThere(t *testing.T) {
	w := consoletest.WithMails(t, map[string]string{"stored": "", "plain": "Subject: x\r\n\r\nonly text"}, nil).LogIn()
	for _, view := range []string{"rendered", "frame", "text", "source", "parts/1"} {
		a := w.Get("/messages/gone/" + view)
		require.Equal(t, http.StatusNotFound, a.StatusCode)
		require.Contains(t, a.Body, "the log tells")
		a = w.Get("/messages/stored/" + view)
		require.Equal(t, http.StatusNotFound, a.StatusCode)
		require.Contains(t, a.Body, "in the message store")
	}
	require.Contains(t, w.Get("/messages/plain/rendered").Body, "The mail has no HTML")
	require.Contains(t, w.Get("/messages/plain/rendered").Body, "only text")
	require.Equal(t, http.StatusNotFound, w.Get("/messages/plain/frame").StatusCode)
}

// TestHostileMailOnPages shows all of them in every way: pages are whole, bounded, and without what came from the mail
// as more than text.
func TestHostileMailOnPages(t *testing.T) {
	mails := consoletest.HostileMails(t, "testdata/hostile")
	w := consoletest.WithMails(t, mails, nil).LogIn()
	for id := range mails {
		for _, view := range []string{"rendered", "text", "source"} {
			a := w.Get("/messages/" + id + "/" + view)
			require.Equal(t, http.StatusOK, a.StatusCode, "%s %s", id, view)
			require.Less(t, len(a.Body), 4<<20, "%s %s", id, view)
			require.True(t, strings.HasSuffix(strings.TrimSpace(a.Body), "</html>"), "%s %s", id, view)
			require.Equal(t, 1, strings.Count(a.Body, "<script"), "%s %s: only our own", id, view)
			require.NotContains(t, a.Body, "<img")
			require.NotContains(t, a.Body, "\u202e")
		}
		a := w.Get("/messages/" + id + "/frame")
		require.Contains(t, []int{http.StatusOK, http.StatusNotFound}, a.StatusCode)
		require.NotContains(t, strings.ToLower(a.Body), "<iframe")
		for _, number := range []string{"1", "2", "3"} {
			a := w.Get("/messages/" + id + "/parts/" + number)
			if a.StatusCode == http.StatusOK {
				require.Regexp(t, `^attachment; filename="[0-9A-Za-z_.-]{1,100}"$`, a.Header.Get("Content-Disposition"))
				require.Empty(t, a.Cookies())
			}
		}
	}
}
