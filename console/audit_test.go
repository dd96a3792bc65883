package console_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// sheetColours reads the style sheet: the light and the dark value of each colour token.
func sheetColours(t *testing.T) map[string][2]string {
	text, err := os.ReadFile("frame/style.css")
	require.NoError(t, err)
	all := map[string][2]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);`).FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = [2]string{m[2], m[3]}
	}
	return all
}

// luminance is that of WCAG 2.2, of a colour such as #0b6bcb.
func luminance(t *testing.T, colour string) float64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
	require.NoError(t, err, colour)
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(n>>(16-8*i)&255) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// TestContrast holds the colours against WCAG 2.2: 4.5 to 1 for text (1.4.3), 3 to 1 for lines of the graph, the edges
// of controls and the mark of focus (1.4.11).
func TestContrast(t *testing.T) {
	colours := sheetColours(t)
	check := func(least float64, ink string, grounds ...string) {
		for _, ground := range grounds {
			for theme, name := range []string{"light", "dark"} {
				require.NotEmpty(t, colours[ink][theme], ink)
				require.NotEmpty(t, colours[ground][theme], ground)
				a, b := luminance(t, colours[ink][theme]), luminance(t, colours[ground][theme])
				ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05)
				require.GreaterOrEqual(t, ratio, least, "%s on %s, %s", ink, ground, name)
			}
		}
	}
	check(4.5, "text", "bg", "panel", "sunk", "accent-soft", "good-soft", "warn-soft", "bad-soft")
	check(4.5, "soft", "bg", "panel", "sunk")
	for _, ink := range []string{"accent", "good", "warn", "bad"} {
		check(4.5, ink, "bg", "panel", ink+"-soft")
	}
	check(4.5, "bad", "sunk")
	check(4.5, "accent-ink", "accent")
	for _, line := range []string{"accent", "good", "warn", "bad", "violet", "grey", "teal", "pink", "olive"} {
		check(3, line, "panel")
	}
	check(3, "edge", "panel")
}

// fullHouse is a console all of whose pages have something to show, and whose parts are away when down is set.
func fullHouse(t *testing.T, down bool) *consoletest.Office {
	away := func() error {
		if down {
			return errors.New("nobody is there")
		}
		return nil
	}
	dir := t.TempDir()
	if down {
		require.NoError(t, settings.SaveCache(path.Join(dir, "cache"), &settings.Rows{}))
	}
	var q queue.Queue = new(memory.Queue)
	if down {
		q = new(consoletest.BrokenQueue)
	}
	t.Cleanup(func() { _ = q.(interface{ Close() error }).Close() })
	return consoletest.OpenOffice(t, dir, down, func(c *console.Console) {
		a := c.Admin
		a.Queue, a.Inbox, a.Hostname = q, "inbox", "mta1.test"
		a.Paths = func(context.Context, string, netip.Addr) ([]admin.Path, error) { return nil, away() }
		a.Held = func(context.Context) ([]admin.Held, error) { return nil, away() }
		a.SearchLogs = func(context.Context, logsearch.Query) (*logsearch.Page, error) { return &logsearch.Page{}, away() }
		a.Services = func(context.Context) []admin.Service {
			return []admin.Service{{Name: "delivery", Up: !down, Controllable: true}}
		}
		c.Instances = func() ([]console.Instance, error) {
			return []console.Instance{{Host: "mta2.test", URL: "https://mta2.test:8485/", Seen: time.Now()}}, away()
		}
	})
}

// everyPage lists the addresses that the side bar and the pages' own routes have, without those that name a thing.
func everyPage(c *console.Console) []string {
	all := map[string]bool{}
	for _, p := range c.Pages() {
		for route := range p.Routes {
			method, where, _ := strings.Cut(route, " ")
			where = strings.TrimSuffix(where, "{$}")
			if method == "GET" && !strings.Contains(where, "{") {
				all[where] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// TestPagesAreListed holds the addresses against the list that tests in a browser follow.
func TestPagesAreListed(t *testing.T) {
	text, err := os.ReadFile("testdata/pages.txt")
	require.NoError(t, err)
	require.Equal(t, strings.Fields(string(text)), everyPage(consoletest.New(t, nil).Console), "testdata/pages.txt lists every page")
}

// TestEveryPageIsUsable visits all pages as a browser without scripts does: each has a title, a label for every
// control, a name for every button and link, and forms that carry the session's token.
func TestEveryPageIsUsable(t *testing.T) {
	o := fullHouse(t, false)
	weights := newWeigher(t)
	visited := 0
	for _, where := range everyPage(o.Console) {
		a := o.Get(where)
		// a part for scripts, a download, or the way elsewhere
		if a.StatusCode != 200 || !strings.HasPrefix(a.Body, "<!doctype html>") {
			require.Less(t, a.StatusCode, 500, where)
			continue
		}
		visited++
		o.World.CheckPage(where, 200)
		usable(t, where, a.Body)
		require.Less(t, len(a.Body)+weights.of(a.Body, where), 100<<10, "%s with its style sheet and scripts", where)
	}
	require.Greater(t, visited, 25, "pages")
	for _, title := range []string{"Overview", "Domains", "MTA IPs", "Tags", "Queues", "SMTP monitor", "Log",
		"Email throttling", "Flood patterns", "Throttle schedules",
		"Paused deliveries", "Redirected deliveries", "Forced errors", "Suppression list", "Rewrite rules",
		"Response patterns", "IP pools", "External MTAs", "DKIM keys",
		"Local addresses", "DNS overrides", "Routes", "Incoming block list", "REST tokens", "Services", "Cluster"} {
		require.True(t, slices.ContainsFunc(o.Pages(),
			func(p frame.Page) bool { return p.Title == title || strings.HasPrefix(p.Title, title) }), title)
	}
}

// usable looks at a page's controls, as far as that can be told from its text.
func usable(t *testing.T, where, body string) {
	require.Equal(t, 1, strings.Count(body, "<h1"), "%s: one title", where)
	require.Regexp(t, `<html lang="en"`, body, where)
	labelled := map[string]bool{}
	for _, m := range regexp.MustCompile(`<label[^>]* for="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		labelled[m[1]] = true
	}
	inside := regexp.MustCompile(`(?s)<label[^>]*>.*?</label>`).FindAllStringIndex(body, -1)
	id := regexp.MustCompile(`\sid="([^"]+)"`)
	for _, at := range regexp.MustCompile(`<(input|select|textarea)\s[^>]*>`).FindAllStringIndex(body, -1) {
		control := body[at[0]:at[1]]
		m := id.FindStringSubmatch(control)
		named := strings.Contains(control, `type="hidden"`) || strings.Contains(control, "aria-label=") ||
			m != nil && labelled[m[1]] ||
			slices.ContainsFunc(inside, func(l []int) bool { return l[0] < at[0] && at[1] <= l[1] })
		require.True(t, named, "%s: %s has no label", where, control)
	}
	for _, m := range regexp.MustCompile(`(?s)<(?:button|a)((?:\s[^>]*)?)>(.*?)</(?:button|a)>`).FindAllStringSubmatch(body, -1) {
		text := strings.TrimSpace(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[2], ""))
		require.True(t, text != "" || strings.Contains(m[1], "aria-label="), "%s: %s has no name", where, m[0])
	}
	for _, form := range regexp.MustCompile(`(?s)<form[^>]*method="post".*?</form>`).FindAllString(body, -1) {
		if !strings.Contains(form, `action="/theme"`) {
			require.Contains(t, form, `name="csrf"`, where)
		}
	}
	seen := map[string]bool{}
	for _, m := range id.FindAllStringSubmatch(body, -1) {
		require.False(t, seen[m[1]], "%s: two elements are called %s", where, m[1])
		seen[m[1]] = true
	}
}

// weigher knows how much a page makes a browser fetch.
type weigher struct {
	sizes   map[string]int
	imports map[string][]string
}

// staticFiles are the style sheet, scripts and pictures, each beside the page that it is for.
func staticFiles(t *testing.T) []string {
	var all []string
	for _, kind := range []string{"js", "css", "svg"} {
		for _, where := range []string{"*.", "*/*."} {
			found, err := filepath.Glob(where + kind)
			require.NoError(t, err)
			all = append(all, found...)
		}
	}
	require.Greater(t, len(all), 10)
	return all
}

func newWeigher(t *testing.T) *weigher {
	w := &weigher{sizes: map[string]int{}, imports: map[string][]string{}}
	for _, f := range staticFiles(t) {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		w.sizes[filepath.Base(f)] = len(text)
		for _, m := range regexp.MustCompile(`from "\./([a-z]+\.js)"`).FindAllStringSubmatch(string(text), -1) {
			w.imports[filepath.Base(f)] = append(w.imports[filepath.Base(f)], m[1])
		}
	}
	return w
}

// of sums up the style sheet, the mark, the shell's modules, and the module that the page is most likely to load: the
// largest whose name is in it.
func (w *weigher) of(body, where string) int {
	need := map[string]bool{"style.css": true, "mark.svg": true}
	var add func(name string)
	add = func(name string) {
		if !need[name] {
			need[name] = true
			for _, other := range w.imports[name] {
				add(other)
			}
		}
	}
	add("app.js")
	for name := range w.sizes {
		if module, ok := strings.CutSuffix(name, ".js"); ok &&
			(strings.Contains(body, `data-page="`+module+`"`) || strings.HasPrefix(where, "/"+module)) {
			add(name)
		}
	}
	sum := 0
	for name := range need {
		sum += w.sizes[name]
	}
	return sum
}

// TestEveryPageWithoutTheRest sees that pages say what is away, and still show what they can.
func TestEveryPageWithoutTheRest(t *testing.T) {
	o := fullHouse(t, true)
	for _, where := range everyPage(o.Console) {
		a := o.Get(where)
		require.NotEqual(t, http.StatusInternalServerError, a.StatusCode, where)
		if strings.HasPrefix(a.Body, "<!doctype html>") {
			require.Contains(t, a.Body, "The settings database cannot be reached since", where)
			require.Contains(t, a.Body, `aria-label="Pages"`, where)
		}
	}
	for where, told := range map[string]string{"/": "not known now", "/services": "delivery", "/cluster": "not known now",
		"/queues": "Not available now"} {
		require.Contains(t, o.Get(where).Body, told, where)
	}
}

func TestPathTricks(t *testing.T) {
	w := consoletest.New(t, nil)
	for _, where := range []string{"/static/../console.go", "/static/%2e%2e/%2e%2e/etc/passwd",
		"/static/x/..%2f..%2fetc%2fpasswd", "/static/x/%5c..%5cstyle.css", "/static/x//etc/passwd",
		"/static/x/style.css%00", "/static/", "/static/x/"} {
		a := w.Get(where)
		require.NotEqual(t, 200, a.StatusCode, where)
		require.Less(t, a.StatusCode, 500, where)
		require.NotContains(t, a.Body, "root:", where)
	}
	w.LogIn()
	for _, where := range []string{"/domains/..%2f..%2f", "/domains/%00", "/domains/" + strings.Repeat("a", 300),
		"/mtas/%ff", "/messages/%2e%2e/x", "/%2e%2e/%2e%2e/etc/passwd",
		"/tags/" + url.PathEscape("\u202e<b>"), "/throttles/-1", "/throttles/99999999999999999999"} {
		a := w.Get(where)
		require.NotEqual(t, http.StatusInternalServerError, a.StatusCode, where)
		require.NotContains(t, a.Body, "root:", where)
		require.NotContains(t, a.Body, "<b></a>", where)
	}
}
