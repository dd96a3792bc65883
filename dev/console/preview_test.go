package console_test

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// TestPreviewInBrowser has a mail of blocks shown before it is injected: in a frame that its scripts cannot leave,
// without a complaint of the browser, and with what is wrong beside the text.
func TestPreviewInBrowser(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	q := new(memory.Queue)
	defer q.Close()
	maker := new(render.Renderer)
	w := consoletest.New(t, func(c *console.Console) {
		consoletest.WithQueue(q)(c)
		c.Preview = func(ctx context.Context, m *queue.Message) (queue.Body, error) { return maker.Render(ctx, m, m.Body) }
	})
	b := chromium.Start(t, w.Server.URL)
	told := b.Complaints()
	b.LogIn("/queues/inject", "admin", "secret")
	b.Await(`document.querySelector("button[name=preview]")`)
	fill := func(text string) {
		b.Await(`(f => { f.to.value = "ann@b.test"; f.kind.value = "object"; f.data.value = '{"name": "Ann"}'; f.text.value = ` +
			"`" + text + "`" + `; return true })(document.querySelector("form[action='/queues/inject']"))`)
		b.Do(chromedp.Click(`button[name=preview]`))
	}
	fill(`{"from": "me@a.test", "subject": "Hello {$name}", "content": {"blocks": [
		{"type": "heading", "content": "Dear {$name}"}, {"type": "button", "label": "Go", "link": "https://example.com/"}]}}`)
	b.Await(`document.querySelector("#preview .letter") && document.querySelector("#preview").textContent.includes("Hello Ann")`)
	b.Await(`document.querySelector("#preview .letter").contentDocument === null && window.length === 1`)
	b.Await(`document.documentElement.scrollWidth <= innerWidth`)
	require.Empty(t, told(), "what the browser complains about")

	fill(`{"content": {"blocks": [{"type": "marquee"}]}}`)
	b.Await(`document.querySelector("#e-text").textContent.includes("/content/blocks/0/type") && !document.querySelector("#preview")`)
}
