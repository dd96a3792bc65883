package logs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/logs"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/webtest"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/queue"
)

// withLogs gives a console logs of these lines, the oldest first.
func withLogs(t *testing.T, lines ...string) func(*console.Console) {
	name := filepath.Join(t.TempDir(), "send.json")
	require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return func(c *console.Console) {
		c.Admin = &admin.Admin{Live: c.Live, SearchLogs: logsearch.Files{Send: name, Received: name}.Search}
		c.Tail = new(logsearch.Tail)
	}
}

// logged is a line of the log: an attempt i seconds after noon.
func logged(i int, code int, to string) string {
	state, result := "message", "accepted"
	if code >= 400 {
		state, result = "rcptto", "error"
	}
	return fmt.Sprintf(`{"message-id":"id-%d","envelope":"s@a.test","recipient":%q,"received":"2026-01-02 12:00:00","tags":["t%d"],"results":[{"state":%q,"result":%q,"time":"2026-01-02 12:%02d:%02d","from":"192.0.2.1","to":"198.51.100.%d","code":%d,"status":"2.0.0","description":"said %d"}]}`,
		i, to, i%2, state, result, i/60, i%60, i%5, code, i)
}

func TestLogSearch(t *testing.T) {
	var lines []string
	for i := range 250 {
		lines = append(lines, logged(i, []int{250, 250, 450, 550}[i%4], fmt.Sprintf("u%d@d%d.test", i, i%3)))
	}
	lines = append(lines,
		`{"message-id":"new","envelope":"s@a.test","recipient":"r@b.test","received":"2026-01-02 13:00:00","connection":{"remote-ip":"203.0.113.9","user":"joe"}}`)
	w := consoletest.New(t, withLogs(t, lines...)).LogIn()
	page := w.CheckPage("/logs", 200)
	require.Contains(t, page, "100 entries, the newest first")
	require.Contains(t, page, "logged in as joe")
	require.Contains(t, page, `href="/messages/id-249"`)
	next := html.UnescapeString(consoletest.Between(t, page, `<a class="button" href="`, `" rel="next">`))
	page = w.CheckPage(next, 200)
	require.Contains(t, page, "said 150")
	require.Contains(t, page, ">Newest</a>")
	for query, want := range map[string]int{
		"outcome=failed": 62, "outcome=deferred": 62, "kind=received": 1, "code=550": 62, "code=4": 62,
		"domain=d1.test&outcome=failed": 21, "id=id-7": 1,
		"ip=203.0.113.9": 1, "ip=198.51.100.3&code=5": 13, "tag=t1&from=2026-01-02+12:04&to=2026-01-02+12:04:05": 2,
		"text=SAID+24": 11, "from=1h": 0, "address=U17%40": 1,
		"from=2026-01-02T13:00": 1, "to=2026-01-02": 0,
	} {
		require.Equal(t, want, strings.Count(w.CheckPage("/logs?"+query, 200), `<th scope="row" class="record-time">`), query)
	}
	require.Contains(t, w.Get("/logs?from=2026-01-02+12:00:00").Body, `value="2026-01-02 12:00:00"`)
	for query, says := range map[string]string{"code=999": "code", "ip=x": "ip", "outcome=lost": "outcome",
		"from=yesterday": "from", "cursor=x": "cursor", "from=2026-01-02&to=2026-01-01": "from"} {
		a := w.Get("/logs?" + query)
		require.Equal(t, http.StatusBadRequest, a.StatusCode, query)
		require.Contains(t, a.Body, "That cannot be", query)
		require.Contains(t, a.Body, says, query)
	}
	record := html.UnescapeString(consoletest.Between(t, w.Get("/logs?id=id-7").Body, `class="record-time"><a href="`, `"`))
	page = w.CheckPage(record, 200)
	require.Contains(t, page, "&#34;description&#34;: &#34;said 7&#34;")
	require.Equal(t, http.StatusNotFound, w.Get("/logs/record?at=2026-01-02+12:00:00&to=nobody").StatusCode)
	require.Equal(t, http.StatusBadRequest, w.Get("/logs/record?at=noon").StatusCode)
}

func TestHostileLog(t *testing.T) {
	bad, _ := json.Marshal(strings.ToValidUTF8(consoletest.Attack, "?"))
	text := strings.Trim(string(bad), `"`)
	w := consoletest.New(t, withLogs(t,
		`{"message-id":"`+text+`","envelope":"`+text+`","recipient":"`+text+`","received":"2026-01-02 12:00:00","tags":["`+
			text+`"],"results":[{"state":"`+text+`","result":"x","time":"2026-01-02 12:00:01","mta":"`+text+`","from":"`+text+
			`","to":"`+text+`","code":550,"description":"`+strings.Repeat(text, 50)+`"}]}`,
		"not json", "\xff\xfe",
		`{"message-id":"long","recipient":"l@b.test","received":"2026-01-02 12:00:02","results":[{"time":"2026-01-02 12:00:02","description":"`+strings.Repeat("x", 5<<20)+`"}]}`, strings.Repeat("z", 10<<20),
		"{\"message-id\":\"utf\",\"recipient\":\"\xff\xfe\u202e@b.test\",\"received\":\"2026-01-02 12:00:03\"}")).LogIn()
	page := w.CheckPage("/logs", 200)
	require.Contains(t, page, "3 entries")
	for _, id := range []string{"long", "utf"} {
		address := html.UnescapeString(consoletest.Between(t, w.Get("/logs?id="+id).Body, `class="record-time"><a href="`, `"`))
		w.CheckPage(address, 200)
	}
	address := html.UnescapeString(consoletest.Between(t, w.Get("/logs?code=550").Body, `class="record-time"><a href="`, `"`))
	w.CheckPage(address, 200)
	w.CheckPage("/logs?"+url.Values{"text": {consoletest.Attack}, "address": {consoletest.Attack}}.Encode(), 200)
	w.CheckPage("/logs?"+url.Values{"text": {`"><script>alert(1)</script>`}}.Encode(), 200)
}

func TestLogDownload(t *testing.T) {
	var lines []string
	for i := range 2500 {
		lines = append(lines, logged(i%3600, 250, fmt.Sprintf("u%d@d.test", i)))
	}
	w := consoletest.New(t, withLogs(t, lines...)).LogIn()
	a := w.Get("/logs/download?domain=d.test")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "application/x-ndjson; charset=utf-8", a.Header.Get("Content-Type"))
	require.Contains(t, a.Header.Get("Content-Disposition"), "attachment")
	require.Equal(t, "default-src 'none'; sandbox", a.Header.Get("Content-Security-Policy"))
	got := 0
	in := bufio.NewScanner(strings.NewReader(a.Body))
	for in.Scan() {
		require.True(t, json.Valid(in.Bytes()))
		require.Equal(t, lines[2499-got], in.Text(), "newest first, as they are")
		got++
	}
	require.Equal(t, 2500, got)
	require.Equal(t, http.StatusBadRequest, w.Get("/logs/download?code=x").StatusCode)

	calls := 0
	w = consoletest.New(t, func(c *console.Console) {
		c.Admin = &admin.Admin{SearchLogs: func(_ context.Context, q logsearch.Query) (*logsearch.Page, error) {
			if calls++; calls > 1 {
				return nil, errors.New("the disk is gone")
			}
			return &logsearch.Page{Entries: []logsearch.Entry{{Line: json.RawMessage(`{"a":1}`)}}, Cursor: "s:1:2"}, nil
		}}
	}).LogIn()
	a = w.Get("/logs/download")
	require.Contains(t, a.Body, `{"a":1}`)
	require.Contains(t, a.Body, `"incomplete":"the search was cut off`, "nobody takes the part for the whole")
}

func TestNoLogs(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) { c.Tail = new(logsearch.Tail) }).LogIn()
	page := w.CheckPage("/logs", 200)
	require.Contains(t, page, "send-bin-log-file")
	require.Contains(t, page, "received-bin-log-file")
	require.Contains(t, page, "Following live works without them")
	require.Equal(t, http.StatusNotImplemented, w.Get("/logs/download").StatusCode)
	w = consoletest.New(t, func(c *console.Console) { c.Admin = &admin.Admin{SearchLogs: logsearch.Files{}.Search} }).LogIn()
	page = w.CheckPage("/logs", 501)
	require.Contains(t, page, "set send-bin-log-file and received-bin-log-file")
	require.NotContains(t, page, "Follow live")
}

// happened makes an event of a message.
func happened(i int, kind monitor.Kind, to string) *monitor.Event {
	m := &queue.Message{ID: fmt.Sprint("live-", i), Envelope: "s@a.test", Recipient: to, Received: time.Now(),
		Results: []queue.Result{{State: "message", Result: "accepted", Time: time.Now(), Code: 250,
			Description: "\u202e<b>taken"}}}
	return &monitor.Event{Kind: kind, Time: time.Now(), Message: m}
}

// piece is what a browser gets at once.
type piece struct {
	Lines []struct{ Kind, To, Said, Record string }
	Lost  int64
}

func TestFollowLog(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) { c.Tail = new(logsearch.Tail) }).LogIn()
	socket := w.Watch("log?domain=b.test")
	first := socket.Until("log?domain=b.test", func(webtest.Message) bool { return true }) // it watches
	require.JSONEq(t, `{"lines":[]}`, string(first.Data))
	w.Tail.Observe(happened(1, monitor.Delivered, "x@other.test"))
	w.Tail.Observe(happened(2, monitor.Delivered, "x@b.test"))
	m := socket.Until("log?domain=b.test", func(webtest.Message) bool { return true })
	var got piece
	require.NoError(t, json.Unmarshal(m.Data, &got))
	require.Len(t, got.Lines, 1)
	require.Equal(t, "delivered", got.Lines[0].Kind)
	require.Equal(t, "x@b.test", got.Lines[0].To)
	require.Equal(t, "⟨U+202E⟩<b>taken", got.Lines[0].Said)
	require.Contains(t, got.Lines[0].Record, "\n  \"recipient\": \"x@b.test\"")
	require.NotContains(t, got.Lines[0].Record, "\u202e")

	const many = 5000
	for i := range many {
		w.Tail.Observe(happened(i, monitor.Delivered, "x@b.test"))
	}
	w.Tail.Observe(happened(0, monitor.Failed, "last@b.test"))
	shown, lost := 0, int64(0)
	for shown+int(lost) < many+1 {
		m := socket.Until("log?domain=b.test", func(webtest.Message) bool { return true })
		got = piece{}
		require.NoError(t, json.Unmarshal(m.Data, &got))
		require.LessOrEqual(t, len(got.Lines), logs.FollowAtOnce+1)
		shown, lost = shown+len(got.Lines), lost+got.Lost
	}
	require.Equal(t, many+1, shown+int(lost), "each is shown or counted")
	require.NotZero(t, lost)
	socket.Ask()
	require.Eventually(t, func() bool { // nobody watches: nothing waits for anybody
		watcher, err := w.Tail.Watch(logsearch.Query{}, 1)
		require.NoError(t, err)
		watcher.Close()
		return true
	}, 5*time.Second, 10*time.Millisecond)
}

func TestFollowNonsense(t *testing.T) {
	w := consoletest.New(t, func(c *console.Console) { c.Tail = new(logsearch.Tail) }).LogIn()
	socket := w.Watch("log?code=x")
	for {
		_, text, err := socket.Read(t.Context())
		require.NoError(t, err)
		if strings.Contains(string(text), `"topic":"log`) {
			require.Contains(t, string(text), `"error":`)
			return
		}
	}
}
