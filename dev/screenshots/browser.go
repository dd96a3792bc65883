package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser is a tab.
type browser struct {
	tab    context.Context
	cancel func()
}

func startBrowser(ctx context.Context, profile string) (*browser, error) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("%w; scripts/install-servers.sh installs it", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.UserDataDir(profile), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("hide-scrollbars", true))
	allocator, cancelAllocator := chromedp.NewExecAllocator(ctx, options...)
	tab, cancelTab := chromedp.NewContext(allocator)
	b := &browser{tab, func() { _ = chromedp.Cancel(tab); cancelTab(); cancelAllocator() }}
	if err := chromedp.Do(tab); err != nil {
		b.close()
		return nil, fmt.Errorf("the browser does not start: %w", err)
	}
	return b, nil
}

func (b *browser) close() { b.cancel() }

// await asks until an expression of the page is true, whichever page that is by then.
func (b *browser) await(expression string) error {
	ctx, cancel := context.WithTimeout(b.tab, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", expression, cmp.Or(err, ctx.Err()))
		}
	}
}

func (b *browser) logIn(d *demo) error {
	err := chromedp.Do(b.tab, chromedp.Navigate(d.url+"/login"), chromedp.SendKeys("input[name=username]", d.user),
		chromedp.SendKeys("input[name=password]", d.password+"\r"))
	if err != nil {
		return err
	}
	return b.await(`location.pathname === "/" && document.readyState === "complete"`)
}

// screen is what a page is looked at on.
type screen struct {
	name          string
	width, height int64
	dark          bool
}

func screens() []screen {
	return []screen{{"light", 1400, 900, false}, {"dark", 1400, 900, true}, {"narrow", 390, 844, false}}
}

func (b *browser) put(s screen) error {
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme",
		Value: scheme}}}
	if _, err := chromedp.Call(b.tab, emulation.SetEmulatedMedia, media); err != nil {
		return err
	}
	return chromedp.Do(b.tab, chromedp.EmulateViewport(s.width, s.height))
}

// open shows a page and waits until it is drawn and live, where it can be.
func (b *browser) open(url string) error {
	if err := chromedp.Do(b.tab, chromedp.Navigate(url)); err != nil {
		return err
	}
	if err := b.await(`document.readyState === "complete" && (!document.querySelector("#live") || document.querySelector("#live[data-state=on]"))`); err != nil {
		return err
	}
	return chromedp.Do(b.tab, chromedp.Sleep(400*time.Millisecond)) // for the first figures
}

// paths are the pages of the side bar.
func (b *browser) paths() ([]string, error) {
	return chromedp.Run(b.tab,
		chromedp.Evaluate[[]string](`[...document.querySelectorAll("nav.side li a")].map(a => a.getAttribute("href"))`))
}

// beneath returns the first link of the page that leads to one of its rows, or else to the form for a new one; "" for
// none.
func (b *browser) beneath(path string) (string, error) {
	return chromedp.Run(b.tab, chromedp.Evaluate[string](fmt.Sprintf(
		`(l => l.find(h => !h.endsWith("/new")) || l[0] || "")([...document.querySelectorAll("main a")].map(a => a.getAttribute("href")).filter(h => h.startsWith(%q + "/") && !/delete|download|raw|inject/.test(h)))`,
		strings.TrimSuffix(path, "/"))))
}

// shown is a page, and the name of its pictures.
type shown struct{ name, path string }

// pages are those of the side bar, what their tables lead to, and a few more.
func (b *browser) pages(d *demo, o *options) ([]shown, error) {
	paths, err := b.paths()
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("the side bar of %s is empty", d.url)
	}
	var all []shown
	add := func(path string) {
		one := shown{nameOf(path), path}
		known := slices.ContainsFunc(all, func(other shown) bool { return other.name == one.name })
		if !known && strings.HasPrefix(one.name, o.Only) {
			all = append(all, one)
		}
	}
	for _, path := range paths {
		add(path)
		if path == "/" {
			continue
		}
		if err := b.open(d.url + path); err != nil {
			return nil, err
		}
		row, err := b.beneath(path)
		if err != nil {
			return nil, err
		}
		if row != "" {
			add(row)
		}
	}
	for _, path := range []string{"/domains/outlook.example", "/domains/holiday.example", "/mtas/203.0.113.21",
		"/tags/newsletter", "/?domain=gmail.example",
		"/queues/inject", "/throttles/new", "/floods/new"} {
		add(path)
	}
	return all, nil
}

// album takes a picture of every page on every screen.
func (b *browser) album(d *demo, o *options) error {
	return b.tour(d, o, screens(), func(page shown, s screen) error {
		return b.picture(filepath.Join(o.Out, page.name+"-"+s.name+".png"), true)
	})
}

// tour shows every page on each of the screens.
func (b *browser) tour(d *demo, o *options, on []screen, look func(shown, screen) error) error {
	pages, err := b.pages(d, o)
	if err != nil {
		return err
	}
	for _, s := range on {
		if err := b.put(s); err != nil {
			return err
		}
		for _, page := range pages {
			if err := b.open(d.url + page.path); err != nil {
				fmt.Fprintln(os.Stderr, page.name, err)
				continue
			}
			if err := look(page, s); err != nil {
				return err
			}
		}
		fmt.Printf("%d pages, %s\n", len(pages), s.name)
	}
	return nil
}

// nameOf makes a file's name of an address. What changes from run to run is left out of it.
func nameOf(path string) string {
	if path == "/" {
		return "overview"
	}
	page, rest, _ := strings.Cut(strings.Trim(path, "/?"), "/")
	switch {
	case rest == "":
	case page == "domains" || page == "mtas" || page == "tags" || rest == "new" || rest == "inject":
		page += "-" + rest
	default:
		page += "-one"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, page)
}

// picture writes what is seen, or all of the page.
func (b *browser) picture(file string, whole bool) error {
	take := chromedp.CaptureScreenshot()
	if whole {
		take = chromedp.FullScreenshot(100) // 100: PNG
	}
	image, err := chromedp.Run(b.tab, take)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, image, 0o644)
}

// images are those of the README: the first page by day, and a domain's by night.
func (b *browser) images(d *demo, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, one := range []struct {
		file, path string
		dark       bool
	}{{"overview.png", "/", false}, {"domain.png", "/domains/outlook.example", true}} {
		if err := b.put(screen{"", 1400, 900, one.dark}); err != nil {
			return err
		}
		if err := b.open(d.url + one.path); err != nil {
			return err
		}
		if err := b.picture(filepath.Join(dir, one.file), false); err != nil {
			return err
		}
	}
	return nil
}
