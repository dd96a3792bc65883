package sheets_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
)

// hostile are texts that try to be more than that.
func hostile() []string {
	return []string{`"><script>alert(1)</script>`, "<img src=x onerror=alert(1)>", "'--{{.}}${7*7}", "\u202egnp.exe\u2066",
		strings.Repeat("ä", 5000), "javascript:alert(1)", `</textarea></title><svg onload=alert(1)>`}
}

// TestHostileRows puts such texts into every column that takes them, and looks at each page that shows them.
func TestHostileRows(t *testing.T) {
	o := newOffice(t, nil)
	shown := 0
	for _, s := range allSheets() {
		table, err := o.Admin.Table(s.table)
		require.NoError(t, err)
		for i, evil := range hostile() {
			values := admin.Values{"enabled": false}
			if !table.Enabled {
				values = admin.Values{}
			}
			form := examples()[s.path]
			for k := 0; k < len(form); k += 2 {
				if name, named := strings.CutPrefix(form[k], fieldPrefix); named && name != "cluster" {
					values[name] = form[k+1]
				}
			}
			for _, f := range table.Fields {
				if f.Type == admin.Text && f.Name != "type" && f.Name != "protocol" {
					values[f.Name] = evil
					if len(evil) > 300 && (f.Name == "value" || f.Name == "name") {
						values[f.Name] = evil[:200] + strconv.Itoa(i)
					}
				}
			}
			if s.table == "dkim_keys" {
				values["privatekey"] = "not a key " + evil
			}
			row, err := o.Admin.Create(t.Context(), s.table, values)
			if err != nil {
				continue // what cannot be stored cannot be shown
			}
			shown++
			for _, path := range []string{s.rowPath(row.ID), s.rowPath(row.ID) + "/delete"} {
				a := o.Get(path)
				require.Equal(t, 200, a.StatusCode, "%s %q", path, human.Cut(evil, 30))
				o.harmless(a.Body, path)
			}
		}
		o.harmless(o.checkPage(s.path), s.path)
		o.harmless(o.Get(s.path+"?q="+url.QueryEscape(hostile()[0])+"&sort=%3Cscript%3E&from=-7").Body, s.path)
		o.harmless(o.Get(s.path+"/new?name="+url.QueryEscape(hostile()[0])).Body, s.path)
	}
	require.Greater(t, shown, 60)
}

// harmless sees that nothing of what was stored became a part of the page.
func (o *office) harmless(page, where string) {
	o.T.Helper()
	for _, bad := range []string{"<script>alert", "<img src=x", "<svg onload", "not a key ", `href="javascript:`, "%!",
		"ZgotmplZ"} {
		require.NotContains(o.T, page, bad, where)
	}
}

func TestErrorsBesideFields(t *testing.T) {
	o := newOffice(t, nil)
	for _, tc := range []struct{ path, column, given, expected string }{
		{"/throttles", "maxmessages", "a lot",
			"Expected nothing (not set), 0 (unlimited) or a whole number, not &#34;a lot&#34;."},
		{"/throttles", "name", "", "Expected a text of one line."},
		{"/floods", "pause", "-5", "Expected an integer from 0"},
		{"/pauses", "localip", "300.1.1.1", "Expected an IP address"},
		{"/pauses", "expire", "tomorrow", "Expected a time as"},
		{"/pauses", "pool", "nobody", "Expected the name of a pool that exists"},
		{"/forced-errors", "code", "99", "Expected an integer from 400 to 599"},
		{"/forced-errors", "extended", "5.x", "Expected an enhanced status code such as 5.1.1"},
		{"/external-mtas", "connect_port", "70000", "Expected an integer from 1 to 65535"},
		{"/dkim", "privatekey", "-----BEGIN CERTIFICATE-----", "Expected"},
		{"/responses", "type", "magic", "Expected one of exact, regex, fnmatch, substr"},
		{"/dns", "ip", "localhost", "Expected an IP address"},
	} {
		form := url.Values{"csrf": {o.CSRF()}}
		pairs := examples()[tc.path]
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		form.Set(fieldPrefix+tc.column, tc.given)
		form.Set("make", "paste")
		a := o.Do("POST", tc.path+"/new", form)
		if a.StatusCode == 200 { // it has told what will change
			form.Set("seen", field(t, a.Body, "seen"))
			a = o.Do("POST", tc.path+"/new", form)
		}
		require.Equal(t, http.StatusBadRequest, a.StatusCode, "%s %s", tc.path, tc.column)
		beside := a.Body[strings.Index(a.Body, `id="f-`+tc.column+`"`):]
		beside = beside[:strings.Index(beside, "</div>")]
		require.Contains(t, beside, `id="f-`+tc.column+`-wrong"`, tc.column)
		require.Contains(t, beside, tc.expected, tc.column)
		require.Contains(t, beside, `aria-invalid="true"`)
		require.Contains(t, a.Body, "Nothing was saved")
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] != fieldPrefix+tc.column && strings.HasPrefix(pairs[i], fieldPrefix) && pairs[i] != "v.cluster" &&
				pairs[i] != "v.type" && pairs[i] != "v.protocol" {
				require.Contains(t, a.Body, `value="`+pairs[i+1]+`"`, "what was typed stays")
			}
		}
		if tc.column == "privatekey" {
			require.NotContains(t, a.Body, "BEGIN CERTIFICATE")
		}
	}
}

// TestTwoPeople has two people change the same row.
func TestTwoPeople(t *testing.T) {
	o := newOffice(t, nil)
	row := o.Add("capacity", admin.Values{"name": "Gmail", "maxmessages": 100})
	path := "/throttles/" + strconv.FormatInt(row.ID, 10)
	version := field(t, o.Get(path).Body, "version")
	require.Equal(t, http.StatusSeeOther, o.Post(path, "version", version, "v.name", "Gmail", "v.maxmessages",
		"200").StatusCode)

	a := o.Post(path, "version", version, "v.name", "Gmail", "v.maxmessages", "300")
	require.Equal(t, http.StatusConflict, a.StatusCode)
	require.Contains(t, a.Body, "was changed by somebody else")
	require.Contains(t, a.Body, `<bdi>200</bdi></td><td class="said"><bdi>300</bdi>`)
	require.Contains(t, a.Body, `name="v.maxmessages" value="300"`)
	require.EqualValues(t, 200, o.Row("capacity", row.ID)["maxmessages"])
	require.Equal(t, http.StatusSeeOther, o.Post(path, "version", field(t, a.Body, "version"), "v.name", "Gmail",
		"v.maxmessages", "300").StatusCode, "again, knowingly")
	require.EqualValues(t, 300, o.Row("capacity", row.ID)["maxmessages"])

	a = o.Post(path+"/delete", "version", version)
	require.Equal(t, http.StatusConflict, a.StatusCode)
	require.Contains(t, a.Body, "Somebody has changed it in the meantime")
	require.Equal(t, http.StatusSeeOther, o.Post(path+"/delete", "version", field(t, a.Body, "version")).StatusCode)
	a = o.Post(path, "version", version, "v.name", "Gmail")
	require.Equal(t, http.StatusConflict, a.StatusCode)
	require.Contains(t, a.Body, "has deleted this throttle")

	first := o.Add("suppressions", admin.Values{"value": "a@example.com", "type": "address", "code": 550})
	a = o.Post("/suppressions/new", "v.value", "A@example.com", "v.type", "address", "v.code", "550")
	require.Equal(t, http.StatusConflict, a.StatusCode)
	require.Contains(t, a.Body, "another row has the same value")
	require.NotZero(t, first.ID)
}

// TestDatabaseDown sees that pages still show what is in force.
func TestDatabaseDown(t *testing.T) {
	dir := t.TempDir()
	o := openOffice(t, dir, false, nil)
	row := o.Add("capacity", admin.Values{"name": "Gmail", "maxmessages": 1200})
	o.Add("capacity_rules", admin.Values{"capacity": row.ID, "domain": "gmail.com"})
	_, _, err := o.Admin.AddToken(t.Context(), "billing")
	require.NoError(t, err)
	path := "/throttles/" + strconv.FormatInt(row.ID, 10)
	require.NoError(t, settings.SaveCache(filepath.Join(dir, "cache"), o.Settings.Current().Rows))
	o = openOffice(t, dir, true, nil)

	for _, where := range []string{"/throttles", "/throttles?q=gmail", path, "/tokens", "/names", "/suppressions"} {
		a := o.Get(where)
		require.Equal(t, 200, a.StatusCode, where)
		require.Contains(t, a.Body, "Nothing can be changed now", where)
		require.NotContains(t, a.Body, "/throttles/new")
	}
	require.Contains(t, o.Get("/throttles").Body, "Gmail")
	require.Contains(t, o.Get("/throttles").Body, "mail to gmail.com")
	require.Contains(t, o.Get(path).Body, `value="1200"`)
	require.Contains(t, o.Get(path).Body, `value="gmail.com"`)
	require.Contains(t, o.Get("/tokens").Body, "billing")

	a := o.Post("/throttles/new", "v.name", "Mine", "v.maxmessages", "77")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Contains(t, a.Body, "What you typed is still below")
	require.Contains(t, a.Body, `name="v.maxmessages" value="77"`)
	a = o.Post(path, "v.name", "Mine", "v.maxmessages", "77")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.Contains(t, a.Body, `name="v.maxmessages" value="77"`)
	require.Equal(t, http.StatusServiceUnavailable, o.Post(path+"/enable", "on", "0").StatusCode)
}

func TestBrokenRows(t *testing.T) {
	o := newOffice(t, nil)
	row := o.Add("flood_responses", admin.Values{"name": "Bad", "pattern": "(", "type": "regex", "enabled": false})
	require.Equal(t, http.StatusBadRequest, o.Post(fmt.Sprintf("/floods/%d/enable", row.ID), "on", "1").StatusCode)
	require.NoError(t, o.Settings.Change(t.Context(), breakFlood(row.ID)))
	require.Contains(t, o.Get("/floods").Body, "k-broken")
	a := o.Get(fmt.Sprintf("/floods/%d", row.ID))
	require.Contains(t, a.Body, "Not in force: ")
}

func TestWrongAddresses(t *testing.T) {
	o := newOffice(t, nil)
	for _, path := range []string{"/throttles/0", "/throttles/-1", "/throttles/x", "/throttles/99",
		"/throttles/99999999999999999999", "/throttles/99/delete", "/tokens/delete?name=nobody"} {
		require.Equal(t, http.StatusNotFound, o.Get(path).StatusCode, path)
	}
	require.Equal(t, 200, o.Get("/throttles?from=99999999999999999999&sort=-name&q="+strings.Repeat("x", 3000)).StatusCode)
	row := o.Add("capacity", admin.Values{"name": "Gmail"})
	other := o.Add("capacity", admin.Values{"name": "Other"})
	rule := o.Add("capacity_rules", admin.Values{"capacity": other.ID, "domain": "gmail.com"})
	require.Equal(t, http.StatusNotFound, o.Post(fmt.Sprintf("/throttles/%d/capacity_rules/%d", row.ID, rule.ID), "do",
		"remove").StatusCode, "it belongs to another")
	require.Equal(t, 1, o.Count("capacity_rules"))
	for _, path := range []string{"/throttles/new", "/tokens", "/names", "/floods/resume",
		fmt.Sprintf("/throttles/%d/move", row.ID), fmt.Sprintf("/throttles/%d/capacity_rules/new", row.ID)} {
		require.Equal(t, http.StatusForbidden, o.Do("POST", path, url.Values{"v.name": {"x"}}).StatusCode, path)
	}
	require.Equal(t, 2, o.Count("capacity"))
}
