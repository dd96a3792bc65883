package testserver

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Chromium starts a browser without a window, with a profile of its own that nothing else uses, and returns the context
// of a tab for package chromedp. It is ended with the test.
func Chromium(t testing.TB) context.Context {
	t.Helper()
	Need(t, "chromium")
	dir, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(Find("chromium")), chromedp.NoSandbox,
		chromedp.DisableGPU,
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
	return tab
}
