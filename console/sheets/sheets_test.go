package sheets_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/sheets"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// office is one whose sheets are tested.
type office struct{ *consoletest.Office }

func newOffice(t *testing.T, set func(*console.Console)) *office {
	return &office{consoletest.NewOffice(t, set)}
}

// openOffice has its database in a directory, which may be down.
func openOffice(t *testing.T, dir string, down bool, set func(*console.Console)) *office {
	return &office{consoletest.OpenOffice(t, dir, down, set)}
}

// examples has a row of each sheet, as a form sends it.
func examples() map[string][]string {
	return map[string][]string{
		"/throttles": {"v.name", "Gmail", "v.maxmessages", "1200"},
		"/floods": {"v.name", "Slow", "v.pattern", "too many", "v.type", "substr", "v.pause", "60", "v.duration",
			"600"},
		"/schedules":        {"v.name", "Warm-up"},
		"/pauses":           {"v.target", "gmail.com", "v.cluster", "1"},
		"/redirects":        {"v.localip", "192.0.2.1", "v.newip", "192.0.2.2"},
		"/forced-errors":    {"v.domain", "gmail.com", "v.code", "550", "v.extended", "5.7.1", "v.cluster", "1"},
		"/suppressions":     {"v.value", "someone@example.com", "v.code", "550"},
		"/feedback-rules":   {"v.kind", "bounce", "v.threshold", "2", "v.days", "30"},
		"/feedback-senders": {"v.domain", "loop.example.com"},
		"/rewrites":         {"v.name", "Tag news", "v.domain", "example.com"},
		"/responses":        {"v.name", "Unknown user", "v.pattern", "no such user", "v.type", "substr"},
		"/pools":            {"v.name", "warm", "v.description", "new ones"},
		"/external-mtas": {"v.public_ip", "198.51.100.1", "v.local_ip", "192.0.2.1", "v.connect_ip", "192.0.2.9",
			"v.connect_port", "1080", "v.protocol", "socks"},
		"/dkim":             {"v.domain", "example.com", "v.selector", "s1", "make", "ed25519"},
		"/locals":           {"v.address", "bounces@example.com", "v.type", "exact"},
		"/dns":              {"v.hostname", "mx.example.com", "v.ip", "192.0.2.3"},
		"/blocklist":        {"v.value", "192.0.2.0/24", "v.description", "go away"},
		"/routes":           {"v.domain", "example.org", "v.relay", "relay.example.net", "v.port", "25"},
		"/response-actions": {"v.name", "give up", "v.type", "fail", "v.value", "550 5.7.1 unwanted"},
	}
}

// tested is what tests know of the pages of a table.
type tested struct {
	path    string
	table   settings.TableName
	preview bool   // what it concerns is shown before it is saved
	empty   string // how the words of an empty list begin
}

func (s *tested) rowPath(id int64) string { return fmt.Sprintf("%s/%d", s.path, id) }

// fieldPrefix begins the names of the fields of a form.
const fieldPrefix = "v."

func allSheets() []*tested {
	return []*tested{
		{"/throttles", "capacity", false, "There are no throttles:"},
		{"/floods", "flood_responses", false, "There are no flood"},
		{"/schedules", "schedules", false, "There are no schedules. A"},
		{"/pauses", "paused", true, "Nothing is paused by hand."},
		{"/redirects", "delegates", false, "Nothing is redirected. A"},
		{"/forced-errors", "errors", true, "No errors are forced. A"},
		{"/suppressions", "suppressions", false, "The list is empty. Mail"},
		{"/feedback-rules", "feedback_rules", false, "There are no rules: whatever"},
		{"/feedback-senders", "feedback_senders", false, "There are none: complaints"},
		{"/rewrites", "rewrite_triggers", false, "There are no rewrite"},
		{"/responses", "response_patterns", false, "There are no response"},
		{"/response-actions", "response_actions", false, "There are no actions."},
		{"/pools", "pools", false, "There are no pools."},
		{"/external-mtas", "externalmtas", false, "There are none. An"},
		{"/locals", "locals", false, "There are none: mail is"},
		{"/dns", "dns", false, "There are none. An"},
		{"/blocklist", "blocklist", false, "Nobody is blocked. An"},
		{"/routes", "routes", false, "There are none in the"},
		{"/dkim", "dkim_keys", false, "There are no keys: mail"},
	}
}

// TestEverySheetIsTested compares the list with the pages that there are.
func TestEverySheetIsTested(t *testing.T) {
	var listed, present []string
	for _, s := range allSheets() {
		listed = append(listed, s.path)
	}
	for _, p := range new(sheets.Sheets).Pages() {
		for route := range p.Routes {
			if path, row := strings.CutSuffix(route, "/{id}/enable"); row {
				present = append(present, strings.TrimPrefix(path, "POST "))
			}
		}
	}
	require.ElementsMatch(t, present, listed)
}

// TestSheets makes, changes, switches and deletes a row of every table by its pages alone.
func TestSheets(t *testing.T) {
	o := newOffice(t, nil)
	for _, s := range allSheets() {
		t.Run(strings.Trim(s.path, "/"), func(t *testing.T) {
			o.T = t
			o.checkPage(s.path)
			require.Contains(t, o.Get(s.path).Body, s.empty)
			o.checkPage(s.path + "/new")
			form, ok := examples()[s.path]
			require.True(t, ok, "an example of %s", s.path)
			id := o.create(s, form)
			path := s.rowPath(id)
			page := o.checkPage(path)
			for i := 0; i < len(form); i += 2 {
				if strings.HasPrefix(form[i], fieldPrefix) && form[i] != "v.cluster" && form[i] != "v.type" && form[i] != "v.kind" &&
					form[i] != "v.protocol" {
					require.Contains(t, page, `name="`+form[i]+`" value="`+form[i+1]+`"`)
				}
			}
			o.checkPage(s.path)
			require.Contains(t, o.Get(s.path).Body, path)
			o.switches(s, id)
			o.checkPage(path + "/delete")
			version := field(t, o.Get(path+"/delete").Body, "version")
			require.Equal(t, http.StatusForbidden, o.Do("POST", path+"/delete", url.Values{"version": {version}}).StatusCode,
				"without the token of the session")
			require.Equal(t, http.StatusSeeOther, o.Post(path+"/delete", "version", version).StatusCode)
			require.Equal(t, http.StatusNotFound, o.Get(path).StatusCode)
			require.Zero(t, o.Count(s.table))
		})
	}
}

// TestExport downloads all rows of a table, not only those of a page, without what is secret.
func TestExport(t *testing.T) {
	o := newOffice(t, nil)
	for i := range 120 {
		o.Add("suppressions", admin.Values{"value": fmt.Sprintf("u%03d@a.test", i), "type": "address", "code": 550,
			"description": "=1+1"})
	}
	key, err := admin.NewPrivateKey("ed25519")
	require.NoError(t, err)
	o.Add("dkim_keys", admin.Values{"domain": "example.com", "selector": "s1", "privatekey": key})
	table := func(path string) [][]string {
		a := o.Get(path)
		require.Equal(t, "text/csv; charset=utf-8", a.Header.Get("Content-Type"), path)
		rows, err := csv.NewReader(strings.NewReader(a.Body)).ReadAll()
		require.NoError(t, err)
		return rows
	}
	require.Contains(t, o.Get("/suppressions?q=u01").Body, `href="/suppressions?format=csv&amp;q=u01" download`)
	rows := table("/suppressions?format=csv")
	require.Len(t, rows, 121)
	line := map[string]string{}
	for i, head := range rows[0] {
		line[head] = rows[120][i]
	}
	require.Equal(t, []string{"u119@a.test", "550", "'=1+1", "in force"}, []string{line["value"], line["code"], line["description"], line["state"]})
	require.Len(t, table("/suppressions?format=csv&q=u01"), 11)
	require.NotContains(t, o.Get("/dkim?format=csv").Body, "PRIVATE KEY")
	for _, s := range allSheets() {
		require.Equal(t, "id", table(s.path + "?format=csv")[0][0], s.path)
	}
}

// create sends a form, twice where it first tells what will change.
func (o *office) create(s *tested, form []string) int64 {
	o.T.Helper()
	a := o.Post(s.path+"/new", form...)
	if s.preview {
		require.Equal(o.T, 200, a.StatusCode)
		require.Contains(o.T, a.Body, "What will change")
		require.Zero(o.T, o.Count(s.table))
		a = o.Post(s.path+"/new", append([]string{"seen", field(o.T, a.Body, "seen")}, form...)...)
	}
	require.Equal(o.T, http.StatusSeeOther, a.StatusCode, a.Body)
	list, err := o.Admin.List(o.T.Context(), s.table, admin.Query{})
	require.NoError(o.T, err)
	require.Len(o.T, list.Rows, 1)
	return list.Rows[0].ID
}

func (o *office) switches(s *tested, id int64) {
	o.T.Helper()
	table, err := o.Admin.Table(s.table)
	require.NoError(o.T, err)
	if !table.Enabled {
		return
	}
	require.Equal(o.T, http.StatusSeeOther, o.Post(s.rowPath(id)+"/enable", "on", "0").StatusCode)
	require.Equal(o.T, false, o.Row(s.table, id)["enabled"])
	require.Contains(o.T, o.Get(s.path).Body, "k-off")
	require.Equal(o.T, http.StatusSeeOther, o.Post(s.rowPath(id)+"/enable", "on", "1").StatusCode)
	require.Equal(o.T, true, o.Row(s.table, id)["enabled"])
}

// checkPage gets a page and sees that it is one: small, whole, with a label for every field.
func (o *office) checkPage(path string) string {
	o.T.Helper()
	a := o.Get(path)
	require.Equal(o.T, 200, a.StatusCode, path+a.Body)
	require.Less(o.T, len(a.Body), 100_000, path)
	require.Contains(o.T, a.Body, "</html>")
	require.NotContains(o.T, a.Body, "PRIVATE KEY-----\n")
	require.NotContains(o.T, a.Body, "%!")
	require.NotContains(o.T, a.Body, "ZgotmplZ")
	for _, id := range regexp.MustCompile(`<(?:input|select|textarea) id="(f-[^"]+)" name`).FindAllStringSubmatch(a.Body,
		-1) {
		if !strings.Contains(a.Body, `type="checkbox" id="`+id[1]) {
			require.Contains(o.T, a.Body, `for="`+id[1]+`"`)
		}
	}
	return a.Body
}

// field returns the value of a hidden field.
func field(t *testing.T, page, name string) string {
	t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
	require.NotNil(t, found, "a field %s", name)
	return found[1]
}
