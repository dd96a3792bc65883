package rest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/queue"
)

// page returns a page of the console, to somebody who is logged in.
func (w *world) page(path string) string {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	browser := &http.Client{Jar: jar}
	form := regexp.MustCompile(`name="([^"]+)" value="([^"]*)"`)
	login := url.Values{}
	for _, hidden := range form.FindAllStringSubmatch(w.fetch(browser.Get(w.url+"/login")), -1) {
		login.Set(hidden[1], hidden[2])
	}
	login.Set("username", "ann")
	login.Set("password", "secret")
	w.fetch(browser.PostForm(w.url+"/login", login))
	return w.fetch(browser.Get(w.url + path))
}

// fetch reads an answer.
func (w *world) fetch(answer *http.Response, err error) string {
	w.t.Helper()
	require.NoError(w.t, err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	require.NoError(w.t, err)
	return string(data)
}

// TestClass follows what a server says about a mailbox, in words of its own, through everything that tells of it: the
// result, the log and its search, the figures, and the pages.
func TestClass(t *testing.T) {
	k := mtatest.NewKeeper(t, &smtptest.Sink{Rules: []smtptest.Rule{{Stage: smtptest.Rcpt, Pattern: "full@*",
		Action: smtptest.Action{Act: smtptest.Reply, Code: 552, Text: "5.2.2 Over quota"}}}})
	log, logging := mtatest.SendLog(t)
	w := newWorld(t, k.Settings().With(logging).With(mtatest.Settings{"rabbitmq-results": "results"}))
	w.Submit(t, "a@client.test", "full@sink.test", "Subject: x\r\n\r\nx\r\n")
	w.Submit(t, "a@client.test", "joe@sink.test", "Subject: x\r\n\r\nx\r\n")
	require.Contains(t, mtatest.AwaitAttempts(t, log, "full@sink.test", 1)[0].Line, `"class":"mailbox-full"`)
	require.NotContains(t, mtatest.AwaitAttempts(t, log, "joe@sink.test", 1)[0].Line, `"class"`)

	require.Regexp(t, "full@sink.test", w.mustCtl("logs", "--class", "mailbox-full"))
	require.NotContains(t, w.mustCtl("logs", "--class", "mailbox-full"), "joe@sink.test")
	var found struct{ Entries []json.RawMessage }
	w.must("GET", "/v1/logs?class=mailbox-full", "", &found)
	require.Len(t, found.Entries, 1)
	w.must("GET", "/v1/logs?class=address-unknown", "", &found)
	require.Empty(t, found.Entries)
	mtatest.Eventually(t, "it is counted", func() bool {
		_, text := w.send("GET", "/v1/stats/classes", "")
		return regexp.MustCompile(`"mailbox-full"`).MatchString(text)
	})
	require.Contains(t, w.page("/classes"), `href="/classes/mailbox-full"`)
	require.Contains(t, w.page("/logs?class=mailbox-full"), "full@sink.test")
	require.NotContains(t, w.page("/logs?class=mailbox-full"), "joe@sink.test")

	q := w.Stopped(t)
	for _, m := range mtatest.Stored(t, q, "results", 2) {
		want := queue.Class("")
		if m.Recipient == "full@sink.test" {
			want = queue.ClassMailboxFull
		}
		require.Equal(t, want, m.Results[0].Class)
	}
}
