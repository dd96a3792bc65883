package live_test

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
)

func TestTables(t *testing.T) {
	w := consoletest.New(t, nil)
	w.Live.Now = w.Clock.Now
	for i, name := range []string{"b.test", "a.test", "c.test"} {
		for range i + 1 {
			w.Live.Observe(&monitor.Event{Kind: monitor.Picked, Domain: name})
		}
	}
	w.Clock.Forward(2 * time.Second)
	w.LogIn()
	names := func(sort, search string) (list []string) {
		for _, row := range rowsOf(w, "/domains?"+url.Values{"sort": {sort}, "q": {search}}.Encode()) {
			list = append(list, row.name)
		}
		return list
	}
	require.Equal(t, []string{"c.test", "a.test", "b.test"}, names("-processed", ""))
	require.Equal(t, []string{"b.test", "a.test", "c.test"}, names("processed", ""))
	require.Equal(t, []string{"a.test", "b.test", "c.test"}, names("name", ""))
	require.Equal(t, []string{"c.test", "b.test", "a.test"}, names("-name", ""))
	require.Equal(t, []string{"a.test", "b.test", "c.test"}, names("-errors", ""), "equal ones by name")
	require.Equal(t, []string{"c.test"}, names("-nonsense", "C.T"))
	require.Empty(t, names("", "nothing"))
	require.Contains(t, w.Get("/domains?q=zzz").Body, "Nothing matches “zzz”")
	require.Contains(t, w.Get("/tags").Body, "Give messages tags")
}

// TestClasses counts why attempts failed, and leads to the log of them.
func TestClasses(t *testing.T) {
	w := consoletest.New(t, nil)
	w.Live.Now = w.Clock.Now
	w.LogIn()
	require.Contains(t, w.Get("/classes").Body, "No attempt failed in the last 60 s.")
	for i, class := range []string{"mailbox-full", "address-unknown", "greylisted"} {
		for range i + 1 {
			w.Live.Observe(&monitor.Event{Kind: monitor.Failed, Domain: "a.test", Class: class})
		}
	}
	w.Live.Observe(&monitor.Event{Kind: monitor.Delivered, Domain: "a.test"})
	w.Clock.Forward(2 * time.Second)
	require.Equal(t, []row{{name: "greylisted"}, {name: "address-unknown"}, {name: "mailbox-full"}}, rowsOf(w, "/classes"))
	require.Equal(t, []row{{name: "mailbox-full"}}, rowsOf(w, "/classes?q=full"))
	body := w.Get("/classes").Body
	require.NotContains(t, body, "Delivered")
	require.Contains(t, body, `href="/classes/greylisted"`)
	require.Equal(t, "/logs?class=mailbox-full", w.Get("/classes/mailbox-full").Header.Get("Location"))
}

// TestExport has a table as comma separated values, in its order, whatever names are like.
func TestExport(t *testing.T) {
	w := consoletest.New(t, nil)
	w.Live.Now = w.Clock.Now
	for n, name := range []string{"=cmd()", "b.test", "a,\"b"} {
		for range n + 1 {
			w.Live.Observe(&monitor.Event{Kind: monitor.Delivered, Domain: name})
		}
	}
	w.Clock.Forward(2 * time.Second)
	a := w.LogIn().Get("/domains?format=csv&sort=-delivered")
	require.Equal(t, "text/csv; charset=utf-8", a.Header.Get("Content-Type"))
	rows, err := csv.NewReader(strings.NewReader(a.Body)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"name", "status", "queue", "processed", "attempts", "delivered"}, rows[0][:6])
	require.Equal(t, [][]string{{"a,\"b", "ok", "0", "0", "0", "3"}, {"b.test", "ok", "0", "0", "0", "2"},
		{"'=cmd()", "ok", "0", "0", "0", "1"}}, [][]string{rows[1][:6], rows[2][:6], rows[3][:6]})
	require.Len(t, rows, 4)
	require.Regexp(t, `href="\?format=csv[^"]*" data-export`, w.Get("/domains").Body)
}

func TestManyDomains(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	w := consoletest.New(t, func(c *console.Console) { c.Live = &monitor.Live{MaxDomains: 200_000} })
	w.Live.Now = w.Clock.Now
	for i := range 100_000 {
		w.Live.Observe(&monitor.Event{Kind: monitor.Picked, Domain: fmt.Sprintf("domain%06d.example", i)})
	}
	w.Clock.Forward(2 * time.Second)
	w.LogIn()
	began := time.Now()
	a := w.Get("/domains?sort=-processed")
	took := time.Since(began)
	require.Contains(t, a.Body, "100,000")
	require.Less(t, len(a.Body), 100_000)
	require.Less(t, took, 10*time.Second, "under the race detector too")
	t.Log("first answer with 100,000 domains took", took)
	began = time.Now()
	w.Get("/domains?sort=-delivered&q=9")
	t.Log("another order took", time.Since(began))
}

// row is one of a table: its name, and the word of its status.
type row struct{ name, status string }

// rowsOf reads the table of a page.
func rowsOf(w *consoletest.World, path string) (rows []row) {
	w.T.Helper()
	body := w.Get(path).Body
	for _, m := range regexp.MustCompile(`(?s)<tr>\s*<th scope="row"><a href="[^"]+" title="([^"]+)".*?</tr>`).FindAllStringSubmatch(body, -1) {
		one := row{name: m[1]}
		if kind := regexp.MustCompile(`class="kind k-(\w+)"`).FindStringSubmatch(m[0]); kind != nil {
			one.status = kind[1]
		}
		rows = append(rows, one)
	}
	return rows
}
