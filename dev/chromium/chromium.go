// Package chromium gives tests a tab of a real browser: [Start] starts it, the methods of [Tab] act on the page that it
// shows and wait for what should become true there.
package chromium

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
)

// patience is how long a test waits for what should come soon; only failing tests wait that long.
const patience = 40 * time.Second

// Tab is a tab of a browser that looks at one site.
type Tab struct {
	context.Context            // for package chromedp
	T               testing.TB // the test or subtest that runs now
	Base            string     // the site, such as http://127.0.0.1:80
}

// Start starts a browser without a window, with a profile of its own that nothing else uses. It is ended with the test.
func Start(t testing.TB, base string) *Tab {
	t.Helper()
	testserver.Need(t, "chromium")
	dir, err := os.MkdirTemp("", "chromium")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(testserver.Find("chromium")),
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.UserDataDir(dir), chromedp.WindowSize(1440, 900),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("no-proxy-server", true), chromedp.Flag("force-color-profile", "srgb"))
	allocator, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	tab, cancelTab := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(tab); err != nil && !errors.Is(err, context.Canceled) {
			t.Log("the browser did not end by itself:", err)
		}
		cancelTab()
		cancelAllocator()
		cancel()
		_ = os.RemoveAll(dir)
	})
	if err := chromedp.Do(tab); err != nil {
		t.Fatal("the browser does not start: ", err)
	}
	return &Tab{Context: tab, T: t, Base: base}
}

// Do takes steps that must succeed.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.T.Helper()
	require.NoError(b.T, chromedp.Do(b.Context, steps...))
}

// Open goes to a page of the site.
func (b *Tab) Open(path string) { b.T.Helper(); b.Do(chromedp.Navigate(b.Base + path)) }

// Keys presses keys, whatever has the focus.
func (b *Tab) Keys(keys string) { b.T.Helper(); b.Do(chromedp.KeyEvent(keys)) }

// Await asks until an expression of the page is true, whichever page that is by then.
func (b *Tab) Await(expression string) {
	b.T.Helper()
	require.Eventually(b.T, func() bool {
		ok, err := chromedp.Run(b.Context, chromedp.Evaluate[bool]("!!("+expression+")"))
		return err == nil && ok
	}, patience, 20*time.Millisecond, "waiting for %s", expression)
}

// LogIn goes to a page of a console and logs in with the keyboard alone: the first field has the focus.
func (b *Tab) LogIn(path, user, password string) {
	b.T.Helper()
	b.Open(path)
	b.Await(`document.activeElement?.name === "username"`)
	b.Keys(user + "\t" + password + "\r")
}

// Step is a subtest of t that goes on where the one before it ended.
func (b *Tab) Step(t *testing.T, name string, steps func()) {
	t.Run(name, func(t *testing.T) {
		whole := b.T
		b.T = t
		defer func() { b.T = whole }()
		steps()
	})
}

// Dialogs has questions of the browser answered by answer, which is told the kind of each: "beforeunload", "confirm",
// "alert".
func (b *Tab) Dialogs(answer func(kind string) (accept bool)) {
	b.T.Helper()
	asked := make(chan string, 10)
	require.NoError(b.T, chromedp.Listen(b.Context, func(event any) {
		if opening, is := event.(*page.EventJavascriptDialogOpening); is {
			asked <- string(opening.Type)
		}
	}))
	go func() {
		for {
			select {
			case kind := <-asked:
				_, _ = chromedp.Call(b.Context, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: answer(kind)})
			case <-b.Context.Done():
				return
			}
		}
	}()
}

// Complaints collects what the page's scripts and the browser complain about from now on.
func (b *Tab) Complaints() (told func() []string) {
	var mu sync.Mutex
	var all []string
	go func() {
		for m, err := range chromedp.Console(b.Context) {
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, m.Text)
			mu.Unlock()
		}
	}()
	return func() []string { mu.Lock(); defer mu.Unlock(); return all }
}
