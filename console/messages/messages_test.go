package messages_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/webtest"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

func TestMessagesList(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	for i := range 230 {
		m := consoletest.MailTo(fmt.Sprintf("id-%03d", i), fmt.Sprintf("u%03d@d%d.test", i, i%3))
		if i%2 == 0 {
			m.Tags = []string{"even"}
		}
		consoletest.Waiting(t, q, m)
	}
	w := consoletest.New(t, consoletest.WithQueue(q)).LogIn()
	page := w.CheckPage("/messages?queue=outbox", 200)
	require.Contains(t, page, "Messages in outbox")
	require.Contains(t, page, `href="/messages/id-000"`)
	require.NotContains(t, page, "id-100")
	require.Contains(t, page, "Next 100")
	next := consoletest.Between(t, page, `<a class="button" href="`, `" rel="next">`)
	page = w.CheckPage(strings.ReplaceAll(next, "&amp;", "&"), 200)
	require.Contains(t, page, `href="/messages/id-100"`)
	require.Contains(t, page, "First page")

	for query, want := range map[string]int{
		"domain=d1.test": 77, "tag=even&limit=5": 100, "recipient=U001@d1.test": 1, "sender=sender@a.test&domain=d1.test": 77,
		"text=id-22": 10,
		"older=1h":   0, "newer=1h&domain=d2.test": 76, "state=delayed": 0, "state=ready&text=id-22": 10, "id=id-007": 1,
		"queue=other": 0,
	} {
		page := w.CheckPage("/messages?"+query, 200)
		require.Equal(t, want, strings.Count(page, `<tr><th scope="row"><a href="/messages/`), query)
	}
	page = w.CheckPage("/messages?domain=d1.test&older=5&sender=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", 200)
	require.Contains(t, page, `value="&#34;&gt;&lt;script&gt;`, "the form keeps what was typed")
	require.Contains(t, w.Get("/messages?older=soon").Body, "an age such as 90s, 15m, 2h or 3d")
	require.Contains(t, w.Get("/messages?state=lost").Body, "one of ready, delayed, parked, out")
	require.Equal(t, http.StatusBadRequest, w.Get("/messages?cursor=nonsense").StatusCode)
	require.Contains(t, w.Get("/messages?id=gone").Body, `href="/logs?id=gone"`)
}

// TestExports downloads queues and messages, all of them and whatever stands in their texts.
func TestExports(t *testing.T) {
	q := memory.New()
	defer q.Close()
	for i := range 150 {
		consoletest.Waiting(t, q, consoletest.MailTo(fmt.Sprintf("id-%03d", i), "a,\"b@b.test"))
	}
	m := consoletest.MailTo("=id", "a@c.test")
	m.Tags = []string{"one", "two"}
	consoletest.Waiting(t, q, m)
	w := consoletest.New(t, consoletest.WithQueue(q)).LogIn()
	table := func(path string) [][]string {
		a := w.Get(path)
		require.Equal(t, "text/csv; charset=utf-8", a.Header.Get("Content-Type"))
		rows, err := csv.NewReader(strings.NewReader(a.Body)).ReadAll()
		require.NoError(t, err)
		return rows
	}
	all := table("/messages?format=csv")
	require.Len(t, all, 152)
	require.Equal(t, []string{"id-000", "sender@a.test", "a,\"b@b.test", "outbox", "ready"}, all[1][:5])
	one := table("/messages?format=csv&domain=c.test")
	require.Len(t, one, 2)
	require.Equal(t, []string{"'=id", "one two"}, []string{one[1][0], one[1][10]})
	require.Contains(t, w.Get("/messages?domain=c.test").Body, `href="/messages?domain=c.test&amp;format=csv" download`)
	require.Equal(t, http.StatusBadRequest, w.Get("/messages?format=csv&older=soon").StatusCode)
	w.Get("/queues") // has the queues asked
	require.Eventually(t, func() bool { return len(table("/queues?format=csv")) == 2 }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, []string{"outbox", "151", "0", "0", "0", "151"}, table("/queues?format=csv")[1][:6])
}

func TestBulkActionsAskFirst(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	w := consoletest.New(t, consoletest.WithQueue(q)).LogIn()
	token := w.CSRF()
	for i := range 5 {
		m := consoletest.MailTo(fmt.Sprint("m", i), "a@gone.test")
		m.NextAttempt = time.Now().Add(time.Hour)
		consoletest.Waiting(t, q, m, consoletest.MailTo(fmt.Sprint("n", i), "a@stays.test"))
	}
	count := func(f queue.Filter) int {
		all, _, err := q.List(t.Context(), f, "", 100)
		require.NoError(t, err)
		return len(all)
	}
	do := func(pairs ...string) webtest.Answer {
		form := url.Values{"csrf": {token}, "domain": {"gone.test"}, "queue": {"outbox"}}
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return w.Do("POST", "/messages/act", form)
	}
	for _, action := range []string{"retry", "drop"} {
		a := do("action", action)
		require.Equal(t, 200, a.StatusCode)
		require.Contains(t, a.Body, "5 messages would be concerned", action)
		require.Contains(t, a.Body, "Nothing was done yet", action)
		require.Equal(t, 5, count(queue.Filter{Domain: "gone.test", State: queue.Delayed}), action)
	}
	a := do("action", "move")
	require.Contains(t, a.Body, "Where to?")
	a = do("action", "move", "to", "<b>elsewhere")
	require.Contains(t, a.Body, "Move 5 messages to &lt;b&gt;elsewhere")
	require.Equal(t, 0, count(queue.Filter{Queue: "<b>elsewhere"}), "a dry run")

	require.Equal(t, http.StatusForbidden, w.Do("POST", "/messages/act",
		url.Values{"action": {"drop"}, "domain": {"gone.test"}, "confirmed": {"5"}}).StatusCode)
	require.Equal(t, http.StatusBadRequest, do("action", "explode").StatusCode)
	require.Equal(t, http.StatusBadRequest, do("action", "explode", "confirmed", "5").StatusCode)
	require.Equal(t, 10, count(queue.Filter{}))

	require.NoError(t, errOf(q.Purge(t.Context(), queue.Filter{ID: "m4"})))
	a = do("action", "retry", "confirmed", "5")
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	require.Equal(t, "/messages?domain=gone.test&queue=outbox", a.Header.Get("Location"))
	require.Contains(t, w.Get(a.Header.Get("Location")).Body,
		"4 messages are due now. 5 were counted before: mail came and went meanwhile.")
	require.Equal(t, 4, count(queue.Filter{Domain: "gone.test", State: queue.Ready}))

	require.Equal(t, http.StatusSeeOther, do("action", "move", "to", "aside", "confirmed", "4", "back",
		"https://evil.test/").StatusCode)
	require.Equal(t, 4, count(queue.Filter{Queue: "aside"}))
	a = do("queue", "aside", "action", "drop", "confirmed", "4", "back", "/queues")
	require.Equal(t, "/queues", a.Header.Get("Location"))
	require.Contains(t, w.Get("/queues").Body, "4 messages were removed.")
	require.Equal(t, 5, count(queue.Filter{}), "others stay")
	require.Contains(t, do("action", "drop").Body, "Nothing would happen")

	a = w.Do("POST", "/messages/act", url.Values{"csrf": {token}, "action": {"drop"}})
	require.Contains(t, a.Body, "all messages in all queues", "that is said")
	require.Equal(t, http.StatusBadRequest,
		w.Do("POST", "/messages/act", url.Values{"csrf": {token}, "action": {"drop"}, "state": {"any"}}).StatusCode)
	require.Contains(t, w.Logged.String(), "who=admin")
}

func errOf(_ int, err error) error { return err }

func TestHostileMessage(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	m := &queue.Message{ID: "evil/../" + consoletest.Attack, Envelope: consoletest.Attack + "@a.test", Recipient: consoletest.Attack + "@b.test",
		Tags: []string{consoletest.Attack, strings.Repeat("t", 5000)}, Hostname: consoletest.Attack,
		Connection: &queue.Connection{LocalIP: consoletest.Attack, RemoteIP: consoletest.Attack, User: consoletest.Attack, Secure: true},
		Smarthost:  &queue.Smarthost{Hostname: "relay.test", Username: "u", Password: "hunter2"},
		DKIM:       []queue.DKIM{{Domain: "a.test", Selector: "s", Key: "-----BEGIN PRIVATE KEY-----"}},
		Results: []queue.Result{
			{State: queue.StateConnect, Result: queue.Outcome(consoletest.Attack), Time: time.Now().Add(-time.Hour), MTA: consoletest.Attack,
				From: "192.0.2.1", To: consoletest.Attack, Code: 421, Status: consoletest.Attack, Description: strings.Repeat(consoletest.Attack, 200)},
			{State: "message", Result: "accepted", Time: time.Now(), Code: 250,
				Cipher: &queue.Cipher{Name: consoletest.Attack, Version: consoletest.Attack}},
		},
		Checks: []json.RawMessage{json.RawMessage(`{"spf":"fail","domain":"\u202e<script>alert"}`),
			json.RawMessage(`{"dkim":"pass"}`), json.RawMessage(`[1]`)},
		Body: strings.NewReader("Subject: =?utf-8?q?=E2=80=AE=3Cscript=3Ealert(1)?=\r\nX-" + strings.Repeat("long", 20) +
			": " + strings.Repeat("v", 100_000) +
			"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n<script>alert(1)</script>\xff\x1b[2J\u202e\r\n" + strings.Repeat("y", 10<<20) +
			"\r\n--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"\u202e<script>.exe\"\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n")}
	consoletest.Waiting(t, q, m)
	w := consoletest.New(t, consoletest.WithQueue(q)).LogIn()
	list := w.CheckPage("/messages", 200)
	address := consoletest.Between(t, list, `<tr><th scope="row"><a href="`, `"`)
	page := w.CheckPage(address, 200)
	require.NotContains(t, page, "hunter2")
	require.NotContains(t, page, "PRIVATE KEY")
	require.Contains(t, page, "⟨U&#43;202E⟩")
	require.Contains(t, page, "Check: spf fail")
	require.Contains(t, page, "Check: dkim pass")
	require.Contains(t, page, "Attempt 1: connect")
	require.Contains(t, page, "The rest is in the download.")
	require.Contains(t, page, "1 h later")

	a := w.Get(address + "/raw")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "text/plain; charset=utf-8", a.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "default-src 'none'; sandbox", a.Header.Get("Content-Security-Policy"))
	require.Regexp(t, `^attachment; filename=[a-zA-Z0-9_.-]+$`, a.Header.Get("Content-Disposition"))
	require.Equal(t, m.Body.Size(), int64(len(a.Body)))
}

func TestMessagePage(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	next := time.Now().Add(10 * time.Minute)
	m := consoletest.MailTo("waits", "a@b.test")
	m.Received, m.NextAttempt = time.Now().Add(-20*time.Minute), next
	consoletest.Waiting(t, q, m)
	why := admin.Why{Where: "memory", Cause: "limit", Reason: `waits: "Gmail warm" allows 60 messages a minute`,
		Limit: "maxmessages", Rule: "Gmail warm", Source: "192.0.2.1", Site: "b.test", Ahead: 40, Next: next}
	w := consoletest.New(t, func(c *console.Console) {
		consoletest.WithQueue(q)(c)
		c.Admin.WhyWaiting = func(context.Context, *queue.Message, *queue.Entry) (admin.Why, bool) { return why, true }
	}).LogIn()
	page := w.CheckPage("/messages/waits", 200)
	require.Contains(t, page, `It waits: &#34;Gmail warm&#34; allows 60 messages a minute.`)
	require.Contains(t, page, `<span class="kind k-throttle">throttle</span>`)
	require.Contains(t, page, `<a href="/mtas/192.0.2.1">192.0.2.1</a> to <a href="/domains/b.test"`)
	require.Contains(t, page, "40 messages go before it.")
	require.Contains(t, page, "<dt>Sender</dt><dd title=\"sender@a.test\"><bdi>sender@a.test</bdi>")
	require.Contains(t, page, "A text.")
	token := w.CSRF()
	a := w.Do("POST", "/messages/act", url.Values{"csrf": {token}, "id": {"waits"}, "action": {"retry"},
		"confirmed": {"yes"}, "back": {"/messages/waits"}})
	require.Equal(t, "/messages/waits", a.Header.Get("Location"))
	require.Contains(t, w.Get("/messages/waits").Body, "1 message is due now.")
	a = w.Do("POST", "/messages/act", url.Values{"csrf": {token}, "id": {"waits"}, "action": {"drop"},
		"back": {"/messages/waits"}})
	require.Contains(t, a.Body, "Remove 1 message for good")
	a = w.Do("POST", "/messages/act", url.Values{"csrf": {token}, "id": {"waits"}, "action": {"drop"},
		"back": {"/messages/waits"}, "confirmed": {"1"}})
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	page = w.CheckPage("/messages/waits", http.StatusNotFound)
	require.Contains(t, page, "No message with this id waits any more")
	require.Contains(t, page, `href="/logs?id=waits"`)
	require.Equal(t, http.StatusNotFound, w.Get("/messages/waits/raw").StatusCode)
	w.CheckPage("/messages/"+url.PathEscape(consoletest.Attack), http.StatusNotFound)
}

func TestRuleLinks(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	consoletest.Waiting(t, q, consoletest.MailTo("waits", "a@b.test"))
	var why admin.Why
	w := consoletest.New(t, func(c *console.Console) {
		consoletest.WithSettings(t)(c)
		c.Admin.Queue = q
		c.Admin.WhyWaiting = func(context.Context, *queue.Message, *queue.Entry) (admin.Why, bool) { return why, true }
	}).LogIn()
	row, err := w.Admin.Create(t.Context(), "capacity", admin.Values{"name": "Gmail warm", "enabled": true})
	require.NoError(t, err)
	for rule, want := range map[string]string{
		"configuration": "", "started with --paused": "", "pause under Services": "/services",
		"pause 12": "/pauses/12", "flood busy": "/floods?q=busy", "schedule slow, day 3": "/schedules?q=slow",
		"Gmail warm": fmt.Sprintf("/throttles/%d", row.ID), "x": "/throttles?q=x",
	} {
		why = admin.Why{Limit: "pause", Rule: rule}
		held := consoletest.Between(t, w.Get("/messages/waits").Body, "<dt>Held by</dt>", "</dd>")
		if want == "" {
			require.NotContains(t, held, "href", rule)
		} else {
			require.Contains(t, held, `href="`+want+`"`, rule)
		}
	}
}
