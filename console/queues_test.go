package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// withQueue gives a console a queue in memory.
func withQueue(q queue.Queue) func(*Console) {
	return func(c *Console) {
		c.Admin = &admin.Admin{Live: c.Live, Queue: q, Inbox: "inbox", Logger: c.Logger, Hostname: "mta1.test"}
	}
}

// waiting publishes messages to the outbox.
func waiting(t *testing.T, q queue.Queue, all ...*queue.Message) {
	t.Helper()
	for _, m := range all {
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
	}
}

func mailTo(id, to string) *queue.Message {
	return &queue.Message{ID: id, Envelope: "sender@a.test", Recipient: to,
		Body: strings.NewReader("Subject: hello\r\n\r\nA text.\r\n")}
}

// checkPage looks at a page for what the policy of the console would block, for its size, and for what a template left
// out.
func (w *world) checkPage(path string, status int) string {
	w.T.Helper()
	values := regexp.MustCompile(`="[^"]*"`)
	inline := regexp.MustCompile(`(?i)<[^>]*\s(style|on[a-z]+)\s*=|<style|<script(\s+type="" src="")?>[^<]`)
	a := w.Get(path)
	require.Equal(w.T, status, a.StatusCode, path)
	require.Contains(w.T, a.Body, "</html>", path)
	require.Empty(w.T, inline.FindString(values.ReplaceAllString(a.Body, `=""`)), path)
	require.NotRegexp(w.T, `(?i)(href|src|action)="?\s*(javascript|data):`, a.Body, path)
	require.NotContains(w.T, a.Body, "ZgotmplZ", path)
	require.NotContains(w.T, a.Body, "<script>alert", path)
	if at := strings.IndexAny(a.Body, "\u202e\x1b\x00"); at >= 0 {
		require.Fail(w.T, "something invisible", "%s: %q", path, a.Body[max(at-200, 0):at+1])
	}
	require.Less(w.T, len(a.Body), 100_000, path)
	return a.Body
}

func TestQueuesPage(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	w := newWorld(t, withQueue(q)).logIn()
	require.Contains(t, w.checkPage("/queues", 200), "No queue holds anything yet")
	later := mailTo("2", "b@b.test")
	later.NextAttempt = time.Now().Add(time.Hour)
	waiting(t, q, mailTo("1", "a@b.test"), later)
	w.Live.Observe(&monitor.Event{Kind: monitor.Picked, Domain: "b.test"})
	w.Clock.Forward(3 * time.Second)
	w.Get("/queues") // has the queues asked again
	require.Eventually(t, func() bool {
		return strings.Contains(w.Get("/queues").Body, `<a href="/messages?queue=outbox">outbox</a>`)
	}, 10*time.Second, 10*time.Millisecond)
	page := w.checkPage("/queues", 200)
	require.Regexp(t,
		`outbox</a></th><td class="n">1</td><td class="n">1</td><td class="n">0</td><td class="n">0</td><td class="n"><b>2</b></td>`, page)
	require.Contains(t, page, "Temporary queues")
	socket := w.Watch("queues")
	socket.Until("queues", func(m consoletest.Message) bool {
		var n queueNews
		require.NoError(t, json.Unmarshal(m.Data, &n))
		return len(n.Queues) == 1 && n.Queues[0].Delayed == 1 && len(n.Counters) == 7
	})
}

func TestParkedMessages(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	waiting(t, q, mailTo("1", "a@b.test"), mailTo("2", "a@c.test"), mailTo("3", "a@d.test"))
	keys := []string{"b.test", "tag:<b>news", "pause:7"}
	ctx, stop := context.WithCancel(t.Context())
	parked := make(chan error, 3)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n := 0
		_ = q.Consume(ctx, "outbox", queue.ConsumeOptions{Prefetch: 10}, func(d *queue.Delivery) {
			key := keys[n]
			n++
			go func() { parked <- q.Park(ctx, d, key) }()
		})
	}()
	for range keys {
		require.NoError(t, <-parked)
	}
	w := newWorld(t, withQueue(q)).logIn()
	page := w.checkPage("/queues", 200)
	stop()
	<-ended
	require.Contains(t, page, "mail to b.test")
	require.Contains(t, page, "tag “&lt;b&gt;news”")
	require.Contains(t, page, "held by a pause")
	require.Contains(t, page, `href="/messages?domain=b.test&amp;queue=outbox&amp;state=parked"`)
	require.Regexp(t, `data-counter="temporary">3<`, page)
	require.Contains(t, w.Get("/messages?state=parked").Body, "Set-aside messages")
}

// blind is a queue that cannot be looked into.
type blind struct{ queue.Queue }

// broken is a queue whose broker is away.
type broken struct{ memory.Queue }

func (b *broken) Queues(context.Context) ([]queue.Stats, error) {
	return nil, fmt.Errorf("%w: dial tcp: connection refused", queue.ErrUnavailable)
}

func (b *broken) List(context.Context, queue.Filter, string, int) ([]queue.Entry, string, error) {
	return nil, "", fmt.Errorf("%w: dial tcp: connection refused", queue.ErrUnavailable)
}

func TestQueuesThatCannotBeSeen(t *testing.T) {
	for name, c := range map[string]struct {
		queue  queue.Queue
		says   string
		status int
	}{
		"blind":  {blind{}, "Not possible here: the queue in use cannot be looked into.", 501},
		"broken": {&broken{}, "Not available now: the queue cannot be used now", 503},
		"none":   {nil, "Not available now: there is no queue", 503},
	} {
		w := newWorld(t, withQueue(c.queue)).logIn()
		page := w.checkPage("/queues", 200)
		require.Contains(t, page, c.says, name)
		require.Contains(t, page, "From the queue", "%s: what is known is shown", name)
		require.Contains(t, w.checkPage("/messages", c.status), c.says, name)
		require.Contains(t, w.checkPage("/messages/x", c.status), c.says, name)
		require.Equal(t, c.status, w.Get("/messages/x/raw").StatusCode, name)
		a := w.Do("POST", "/messages/act", url.Values{"csrf": {w.CSRF()}, "action": {"drop"}, "domain": {"a.test"}})
		require.Equal(t, c.status, a.StatusCode, name)
		require.Contains(t, a.Body, c.says, name)
	}
	w := newWorld(t, func(c *Console) { c.Admin = nil }).logIn()
	w.checkPage("/queues", 200)
	require.Equal(t, 501, w.Get("/messages").StatusCode)
	require.Equal(t, 501, w.Get("/messages/1").StatusCode)
}

func TestDepthHistory(t *testing.T) {
	var h depthHistory
	at := time.Now()
	var change float64
	var trend string
	for i := range 100 {
		change, trend = h.of("q", 100+i*20, at.Add(time.Duration(i)*2*time.Second), at.Add(time.Duration(i)*2*time.Second))
	}
	require.InDelta(t, 10, change, 0.01, "20 more every two seconds")
	require.Len(t, strings.Fields(trend), maxReadings)
	again, _ := h.of("q", 5, at.Add(99*2*time.Second), at.Add(200*time.Second))
	require.InDelta(t, change, again, 0.01, "the same reading for another browser")
	change, trend = h.of("q", 7, at.Add(time.Hour), at.Add(time.Hour))
	require.Zero(t, change, "old readings are forgotten")
	require.Equal(t, "59,8.0", trend)
	for i := range 3 * maxHistory {
		h.of(fmt.Sprint(i), 1, at, at)
	}
	require.LessOrEqual(t, len(h.readings), maxHistory)
	require.Equal(t, "+1.5", queueLine{Change: 1.5}.Growth())
	require.Equal(t, "-12", queueLine{Change: -12.3}.Growth())
	require.Equal(t, "0", queueLine{Change: 0.01}.Growth())
}

func TestInject(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	w := newWorld(t, withQueue(q)).logIn()
	require.Contains(t, w.checkPage("/queues/inject?to=x@y.test", 200), `value="x@y.test"`)
	token := w.CSRF()
	send := func(change map[string]string) consoletest.Answer {
		form := url.Values{"csrf": {token}, "from": {"me@a.test"}, "to": {"you@b.test"},
			"subject": {"Grüße\r\nBcc: x@y.test"}, "text": {"one\nzwölf\r\n.\n" + strings.Repeat("ä", 3000)},
			"tags": {" red, blue ,"}}
		for k, v := range change {
			form.Set(k, v)
		}
		return w.Do("POST", "/queues/inject", form)
	}
	a := send(nil)
	require.Equal(t, http.StatusSeeOther, a.StatusCode, a.Body)
	id, err := url.PathUnescape(strings.TrimPrefix(a.Header.Get("Location"), "/messages/"))
	require.NoError(t, err)
	m, err := q.Peek(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "me@a.test", m.Envelope)
	require.Equal(t, []string{"red", "blue"}, m.Tags)
	require.Equal(t, "admin", m.HTTP.Authentication)
	mail, err := io.ReadAll(io.NewSectionReader(m.Body, 0, m.Body.Size()))
	require.NoError(t, err)
	require.NotContains(t, string(mail), "\nBcc:", "a field is one line")
	for line := range strings.SplitSeq(string(mail), "\r\n") {
		require.NotContains(t, line, "\n")
		require.Less(t, len(line), 999)
	}
	page := w.checkPage(a.Header.Get("Location"), 200)
	require.Contains(t, page, "Its id is "+id)
	require.Contains(t, page, "Grüße Bcc: x@y.test")
	require.Contains(t, page, "Received over HTTP")
	require.Contains(t, page, "zwölf")

	for name, c := range map[string]struct {
		field, value, says string
	}{
		"no recipient": {"to", "", "Expected an address such as"},
		"no domain":    {"to", "x@", "Expected an address such as"},
		"two lines":    {"to", "a@b.test\r\nX: y", "An address stands on one line"},
		"bad sender":   {"from", "nobody", "or nothing for a bounce"},
		"bad address":  {"ip", "300.1.1.1", "Expected"},
	} {
		a := send(map[string]string{c.field: c.value})
		if c.field == "ip" && a.StatusCode == http.StatusSeeOther {
			continue // the engine decides what addresses there are
		}
		require.Equal(t, http.StatusBadRequest, a.StatusCode, name)
		require.Contains(t, a.Body, c.says, name)
		require.Contains(t, a.Body, "zwölf", "%s: nothing typed is lost", name)
	}
	require.Equal(t, http.StatusForbidden, w.Do("POST", "/queues/inject", url.Values{"to": {"a@b.test"}}).StatusCode,
		"without the token")
	require.Equal(t, http.StatusSeeOther, send(map[string]string{"from": ""}).StatusCode, "a bounce")
}

func TestInjectWithoutBroker(t *testing.T) {
	w := newWorld(t, withQueue(closedQueue())).logIn()
	a := w.Do("POST", "/queues/inject", url.Values{"csrf": {w.CSRF()}, "to": {"a@b.test"}})
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Contains(t, a.Body, "Try again in a minute")
}

func closedQueue() queue.Queue {
	q := new(memory.Queue)
	_ = q.Close()
	return q
}

func TestAsideOf(t *testing.T) {
	var words []string
	for _, key := range []string{"b.test", "tag:x", "pause:1"} {
		words = append(words, asideOf("q", key, 1).What)
	}
	require.True(t, slices.Equal([]string{"mail to b.test", "tag “x”", "held by a pause"}, words), words)
	require.False(t, isGone(errors.New("x")))
}

// fickle is a queue that can go away.
type fickle struct {
	*memory.Queue
	away atomic.Bool
}

func (f *fickle) Queues(ctx context.Context) ([]queue.Stats, error) {
	if f.away.Load() {
		return nil, fmt.Errorf("broker: %w: nobody answers (since 2026-01-02 03:04:05 UTC)", queue.ErrUnavailable)
	}
	return f.Queue.Queues(ctx)
}

// TestQueuesWhoseBrokerIsAway shows since when, and no numbers of before.
func TestQueuesWhoseBrokerIsAway(t *testing.T) {
	q := &fickle{Queue: memory.New()}
	defer q.Close()
	w := newWorld(t, withQueue(q)).logIn()
	waiting(t, q, mailTo("1", "a@b.test"), mailTo("2", "c@b.test"))
	shown := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(w.Get("/queues").Body, text) }, 10*time.Second,
			10*time.Millisecond, text)
	}
	w.Clock.Forward(3 * time.Second)
	shown(`<td class="n">2</td>`)
	q.away.Store(true)
	w.Clock.Forward(3 * time.Second)
	shown("nobody answers (since 2026-01-02 03:04:05 UTC)")
	page := w.checkPage("/queues", 200)
	require.Contains(t, page, "What the queues hold is not known since ")
	require.Contains(t, page, "outbox</a></th><td class=\"n\">–</td>")
	require.NotContains(t, page, `<td class="n">2</td>`)
	overview := w.checkPage("/", 200)
	for _, gauge := range []string{"waiting", "deferred", "parked"} {
		require.Regexp(t, `data-gauge="`+gauge+`"><span>\w+</span><svg.*?</svg><b title="not known since [^"]+ UTC">–</b>`,
			overview)
	}
	w.Watch("figures").Until("figures", func(m consoletest.Message) bool {
		return strings.Count(string(m.Data), `"value":0,"unknown":"not known since `) == 3
	})
	news := w.Console.queueNews()
	require.True(t, news.Queues[0].Unknown)
	require.Zero(t, news.Queues[0].Depth())
	q.away.Store(false)
	w.Clock.Forward(3 * time.Second)
	shown(`<td class="n">2</td>`)
	require.Contains(t, w.checkPage("/", 200), "<b>2</b>")
}
