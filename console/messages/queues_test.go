package messages_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/messages"
	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/webtest"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

func TestQueuesPage(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	w := consoletest.New(t, consoletest.WithQueue(q)).LogIn()
	require.Contains(t, w.CheckPage("/queues", 200), "No queue holds anything yet")
	later := consoletest.MailTo("2", "b@b.test")
	later.NextAttempt = time.Now().Add(time.Hour)
	consoletest.Waiting(t, q, consoletest.MailTo("1", "a@b.test"), later)
	w.Live.Observe(&monitor.Event{Kind: monitor.Picked, Domain: "b.test"})
	w.Clock.Forward(3 * time.Second)
	w.Get("/queues") // has the queues asked again
	require.Eventually(t, func() bool {
		return strings.Contains(w.Get("/queues").Body, `<a href="/messages?queue=outbox">outbox</a>`)
	}, 10*time.Second, 10*time.Millisecond)
	page := w.CheckPage("/queues", 200)
	require.Regexp(t,
		`outbox</a></th><td class="n">1</td><td class="n">1</td><td class="n">0</td><td class="n">0</td><td class="n"><b>2</b></td>`, page)
	require.Contains(t, page, "Temporary queues")
	socket := w.Watch("queues")
	socket.Until("queues", func(m webtest.Message) bool {
		var n messages.News
		require.NoError(t, json.Unmarshal(m.Data, &n))
		return len(n.Queues) == 1 && n.Queues[0].Delayed == 1 && len(n.Counters) == 7
	})
}

func TestParkedMessages(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	consoletest.Waiting(t, q, consoletest.MailTo("1", "a@b.test"), consoletest.MailTo("2", "a@c.test"), consoletest.MailTo("3", "a@d.test"))
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
	w := consoletest.New(t, consoletest.WithQueue(q)).LogIn()
	page := w.CheckPage("/queues", 200)
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

func TestQueuesThatCannotBeSeen(t *testing.T) {
	for name, c := range map[string]struct {
		queue  queue.Queue
		says   string
		status int
	}{
		"blind":  {blind{}, "Not possible here: the queue in use cannot be looked into.", 501},
		"broken": {new(consoletest.BrokenQueue), "Not available now: the queue cannot be used now", 503},
		"none":   {nil, "Not available now: there is no queue", 503},
	} {
		w := consoletest.New(t, consoletest.WithQueue(c.queue)).LogIn()
		page := w.CheckPage("/queues", 200)
		require.Contains(t, page, c.says, name)
		require.Contains(t, page, "From the queue", "%s: what is known is shown", name)
		require.Contains(t, w.CheckPage("/messages", c.status), c.says, name)
		require.Contains(t, w.CheckPage("/messages/x", c.status), c.says, name)
		require.Equal(t, c.status, w.Get("/messages/x/raw").StatusCode, name)
		a := w.Do("POST", "/messages/act", url.Values{"csrf": {w.CSRF()}, "action": {"drop"}, "domain": {"a.test"}})
		require.Equal(t, c.status, a.StatusCode, name)
		require.Contains(t, a.Body, c.says, name)
	}
	w := consoletest.New(t, func(c *console.Console) { c.Admin = nil }).LogIn()
	w.CheckPage("/queues", 200)
	require.Equal(t, 501, w.Get("/messages").StatusCode)
	require.Equal(t, 501, w.Get("/messages/1").StatusCode)
}

func TestInject(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	w := consoletest.New(t, consoletest.WithQueue(q)).LogIn()
	require.Contains(t, w.CheckPage("/queues/inject?to=x@y.test", 200), `value="x@y.test"`)
	token := w.CSRF()
	send := func(change map[string]string) webtest.Answer {
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
	page := w.CheckPage(a.Header.Get("Location"), 200)
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

// TestPreview shows what would be sent, and puts nothing into the inbox.
func TestPreview(t *testing.T) {
	q := new(memory.Queue)
	defer q.Close()
	maker := new(render.Renderer)
	w := consoletest.New(t, func(c *console.Console) {
		consoletest.WithQueue(q)(c)
		c.Preview = func(ctx context.Context, m *queue.Message) (queue.Body, error) {
			if !render.Needed(m) {
				return m.Body, nil
			}
			return maker.Render(ctx, m, m.Body)
		}
	}).LogIn()
	require.Contains(t, w.CheckPage("/queues/inject", 200), `name="preview"`)
	token := w.CSRF()
	look := func(kind, text, data string) webtest.Answer {
		return w.Do("POST", "/queues/inject", url.Values{"csrf": {token}, "to": {"ann@b.test"}, "subject": {"Hello {$name}"},
			"kind": {kind}, "text": {text}, "data": {data}, "preview": {"1"}})
	}
	a := look("text", "Dear {$name}\n", `{"name": "Ann <3"}`)
	require.Equal(t, 200, a.StatusCode)
	require.Contains(t, a.Body, "Dear Ann &lt;3")
	require.Contains(t, a.Body, "<bdi>Hello Ann &lt;3</bdi>")
	require.Contains(t, a.Body, "Dear {$name}", "what was typed stays")

	for kind, text := range map[string]string{"html": "<p>Dear {$name}</p><script>alert(1)</script>",
		"object": `{"subject": "s", "content": {"blocks": [{"type": "heading", "content": "Dear {$name}"}]}}`} {
		a = look(kind, text, `{"name": "Ann"}`)
		require.Equal(t, 200, a.StatusCode, a.Body)
		found := regexp.MustCompile(`<iframe class="letter" sandbox="[^"]*" referrerpolicy="no-referrer" src="([^"]+)"`).FindStringSubmatch(a.Body)
		require.NotNil(t, found, a.Body)
		f := w.Get(found[1])
		require.Contains(t, f.Body, "Dear Ann")
		require.NotContains(t, f.Body, "<script")
		require.Contains(t, f.Header.Get("Content-Security-Policy"), "sandbox")
		require.Contains(t, w.CheckPage(strings.TrimSuffix(found[1], "frame")+"source", 200), "Content-Type")
	}
	for _, c := range [][4]string{
		{"text", "Dear {$name", `{"name": "Ann"}`, "the tag is not closed"},
		{"text", "Dear", `[]`, "Expected an object in JSON, such as {&#34;name"},
		{"object", "Dear", "", "Expected an object in JSON, such as {&#34;subject"},
		{"object", `{"content": {"blocks": [{"type": "marquee"}]}}`, "", "/content/blocks/0/type: expected one of"},
		{"object", `{"attachments": [{"url": "http://127.0.0.1/"}]}`, "", "downloads are not allowed"},
	} {
		a = look(c[0], c[1], c[2])
		require.Equal(t, http.StatusBadRequest, a.StatusCode, c)
		require.Contains(t, a.Body, c[3])
		require.Contains(t, a.Body, `aria-invalid="true"`)
	}
	require.Equal(t, http.StatusNotFound, w.Get("/queues/inject/previews/nobody/frame").StatusCode)
	stats, err := q.Queues(t.Context())
	require.NoError(t, err)
	for _, s := range stats {
		require.Zero(t, s.Ready+s.Delayed+s.Parked+s.Out, s.Queue)
	}
}

func TestInjectWithoutBroker(t *testing.T) {
	w := consoletest.New(t, consoletest.WithQueue(closedQueue())).LogIn()
	a := w.Do("POST", "/queues/inject", url.Values{"csrf": {w.CSRF()}, "to": {"a@b.test"}})
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Contains(t, a.Body, "Try again in a minute")
}

func closedQueue() queue.Queue {
	q := new(memory.Queue)
	_ = q.Close()
	return q
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
	w := consoletest.New(t, consoletest.WithQueue(q)).LogIn()
	consoletest.Waiting(t, q, consoletest.MailTo("1", "a@b.test"), consoletest.MailTo("2", "c@b.test"))
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
	page := w.CheckPage("/queues", 200)
	require.Contains(t, page, "What the queues hold is not known since ")
	require.Contains(t, page, "outbox</a></th><td class=\"n\">–</td>")
	require.NotContains(t, page, `<td class="n">2</td>`)
	overview := w.CheckPage("/", 200)
	for _, gauge := range []string{"waiting", "deferred", "parked"} {
		require.Regexp(t, `data-gauge="`+gauge+`"><span>\w+</span><i></i><b title="not known since [^"]+ UTC">–</b>`,
			overview)
	}
	w.Watch("figures").Until("figures", func(m webtest.Message) bool {
		return strings.Count(string(m.Data), `"value":0,"unknown":"not known since `) == 3
	})
	w.Watch("queues").Until("queues", func(m webtest.Message) bool {
		var n messages.News
		require.NoError(t, json.Unmarshal(m.Data, &n))
		require.True(t, n.Queues[0].Unknown)
		require.Zero(t, n.Queues[0].Depth())
		return true
	})
	q.away.Store(false)
	w.Clock.Forward(3 * time.Second)
	shown(`<td class="n">2</td>`)
	require.Contains(t, w.CheckPage("/", 200), "<b>2</b>")
}
