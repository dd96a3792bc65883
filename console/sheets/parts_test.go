package sheets_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/console/sheets"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

func breakFlood(id int64) func(settings.Store) error {
	return func(s settings.Store) error {
		row, err := settings.Get[settings.FloodResponse](context.Background(), s, id)
		if err != nil {
			return err
		}
		row.Enabled = true
		return settings.Update(context.Background(), s, &row)
	}
}

func TestOrder(t *testing.T) {
	o := newOffice(t, nil)
	var ids []int64
	for _, name := range []string{"one", "two", "three"} {
		ids = append(ids, o.Add("rewrite_triggers", admin.Values{"name": name}).ID)
	}
	order := func() string {
		var names []string
		for _, found := range regexp.MustCompile(`<bdi>(one|two|three)</bdi></a>`).FindAllStringSubmatch(o.Get("/rewrites").Body, -1) {
			names = append(names, found[1])
		}
		return strings.Join(names, " ")
	}
	require.Equal(t, "one two three", order())
	require.Equal(t, http.StatusSeeOther, o.Post(fmt.Sprintf("/rewrites/%d/move", ids[2]), "to", "up").StatusCode)
	require.Equal(t, "one three two", order())
	require.Equal(t, http.StatusSeeOther, o.Post(fmt.Sprintf("/rewrites/%d/move", ids[0]), "to", "down", "next",
		"/rewrites?x=1").StatusCode)
	require.Equal(t, "three one two", order())
	require.Contains(t, o.Get("/rewrites").Body, `value="up" aria-label="Move three up" title="Move up" disabled`)
}

// TestRowsBelow edits the rules of a throttle on its page.
func TestRowsBelow(t *testing.T) {
	o := newOffice(t, nil)
	row := o.Add("capacity", admin.Values{"name": "Gmail"})
	path := "/throttles/" + strconv.FormatInt(row.ID, 10)
	require.Contains(t, o.Get(path).Body, "It holds for nothing yet")
	a := o.Post(path+"/capacity_rules/new", "do", "save", "v.domain", "gmail.com", "v.localip", "nonsense", "v.enabled",
		"1")
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Contains(t, a.Body, `id="s-capacity_rules-new-localip-wrong">Expected an IP address, not &#34;nonsense&#34;.`)
	require.Contains(t, a.Body, `value="gmail.com"`)
	require.Equal(t, http.StatusSeeOther, o.Post(path+"/capacity_rules/new", "do", "save", "v.domain", "gmail.com",
		"v.enabled", "1").StatusCode)
	require.Contains(t, o.Get("/throttles").Body, "mail to gmail.com")

	rule := o.first("capacity_rules")
	one := path + "/capacity_rules/" + strconv.FormatInt(rule.ID, 10)
	require.Equal(t, http.StatusSeeOther, o.Post(one, "do", "save", "version", rule.Version, "v.domain", "*.gmail.com",
		"v.enabled", "1").StatusCode)
	a = o.Post(one, "do", "save", "version", rule.Version, "v.domain", "late.com", "v.enabled", "1")
	require.Equal(t, http.StatusConflict, a.StatusCode)
	require.Contains(t, a.Body, "Now it says: Recipient domain: *.gmail.com")
	require.Contains(t, a.Body, `value="late.com"`)
	require.Contains(t, o.Get(path+"/delete").Body, "With it goes 1 rule.")
	require.Equal(t, http.StatusSeeOther, o.Post(one, "do", "remove").StatusCode)
	require.Zero(t, o.Count("capacity_rules"))
}

func (o *office) first(table settings.TableName) admin.Row {
	o.T.Helper()
	list, err := o.Admin.List(o.T.Context(), table, admin.Query{})
	require.NoError(o.T, err)
	require.NotEmpty(o.T, list.Rows)
	return list.Rows[0]
}

func TestPoolAddresses(t *testing.T) {
	o := newOffice(t, nil)
	warm, bulk := o.Add("pools", admin.Values{"name": "warm"}), o.Add("pools", admin.Values{"name": "bulk"})
	at := func(r admin.Row) string { return "/pools/" + strconv.FormatInt(r.ID, 10) }
	require.Equal(t, http.StatusSeeOther, o.Post(at(warm)+"/poolips/new", "do", "save", "v.ip", "192.0.2.1").StatusCode)
	require.Equal(t, http.StatusSeeOther, o.Post(at(bulk)+"/poolips/new", "do", "save", "v.ip", "192.0.2.1").StatusCode)
	require.Contains(t, o.Get(at(bulk)).Body, "192.0.2.1 has moved here from the pool “warm”.")
	require.Equal(t, 1, o.Count("poolips"))
	require.Contains(t, o.Get(at(warm)).Body, "It has no address yet")
	o.Post(at(bulk), "v.name", "renamed", "v.description", "x")
	require.Equal(t, "bulk", o.Row("pools", bulk.ID)["name"], "its name is how others know it")
	page := o.Get(at(bulk) + "/delete")
	require.Contains(t, page.Body, "With it goes 1 address.")
	require.Equal(t, http.StatusSeeOther, o.Post(at(bulk)+"/delete", "version", field(t, page.Body, "version")).StatusCode)
	require.Zero(t, o.Count("poolips"))
}

func TestKeys(t *testing.T) {
	published := map[string][]string{}
	o := newOffice(t, func(c *console.Console) {
		c.Admin.Key = func(text string) (admin.KeyFacts, error) {
			block, _ := pem.Decode([]byte(text))
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return admin.KeyFacts{}, err
			}
			facts := admin.KeyFacts{Record: "v=DKIM1; k=ed25519; p=MCowBQYDK2VwAyEA+w=="}
			if _, is := key.(*rsa.PrivateKey); is {
				facts.Weakness = "it is short"
			}
			return facts, nil
		}
		c.Admin.LookupTXT = func(_ context.Context, name string) ([]string, error) {
			if published[name] == nil {
				return nil, &net.DNSError{IsNotFound: true}
			}
			return published[name], nil
		}
	})
	for _, kind := range []string{"rsa", "ed25519"} {
		a := o.Post("/dkim/new", "v.domain", "example.com", "v.selector", kind, "make", kind)
		require.Equal(t, http.StatusSeeOther, a.StatusCode)
		page := o.checkPage(a.Header.Get("Location"))
		require.Contains(t, page, kind+"._domainkey.example.com")
		require.Contains(t, page, "k=ed25519; p=MCowBQYDK2VwAyEA")
		require.NotContains(t, page, "PRIVATE KEY-----\n")
		require.Equal(t, kind == "rsa", strings.Contains(page, "Make a new key soon: it is short"))
		check := a.Header.Get("Location") + "?check=dns"
		require.Contains(t, o.Get(check).Body, "The DNS has no record of this name")
		published[kind+"._domainkey.example.com"] = []string{"v=DKIM1; p=AAAA"}
		require.Contains(t, o.Get(check).Body, "The DNS has another key under this name")
		published[kind+"._domainkey.example.com"] = []string{"v=DKIM1; k=ed25519; p=MCowBQYDK2V wAyEA+w=="}
		require.Contains(t, o.Get(check).Body, "The DNS has this key.")
		published[kind+"._domainkey.example.com"] = []string{"v=DKIM1; h=sha1; k=ed25519; p=MCowBQYDK2VwAyEA+w=="}
		require.Contains(t, o.Get(check).Body, "forbids sha256")
	}
	key := o.Settings.Current().Rows.DKIMKeys[1]
	path := "/dkim/" + strconv.FormatInt(key.ID, 10)
	require.Equal(t, http.StatusSeeOther, o.Post(path, "v.domain", "example.com", "v.selector", "renamed", "v.privatekey",
		"").StatusCode)
	require.Equal(t, key.PrivateKey, o.Settings.Current().Rows.DKIMKeys[1].PrivateKey, "an empty field keeps the key")
	require.Equal(t, "renamed", o.Settings.Current().Rows.DKIMKeys[1].Selector)
	a := o.Post("/dkim/new", "v.domain", "example.com", "v.selector", "s", "make", "paste", "v.privatekey", "hush-hush")
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.NotContains(t, a.Body, "hush-hush")
	require.NotContains(t, o.Logged.String(), "PRIVATE KEY")
}

func TestRelayPasswords(t *testing.T) {
	o := newOffice(t, func(c *console.Console) {
		c.Tools.Actions = []sheets.Action{{Name: "smarthost", Meaning: "sends to a relay", Rewrite: true, Response: true}}
	})
	rule := o.Add("rewrite_triggers", admin.Values{"name": "relay"})
	path := "/rewrites/" + strconv.FormatInt(rule.ID, 10)
	require.Equal(t, http.StatusSeeOther, o.Post(path+"/rewrite_actions/new", "do", "save", "v.type", "smarthost",
		"v.value", "user:hunter22@relay.example.net:587").StatusCode)
	for _, where := range []string{"/rewrites", path, path + "/delete"} {
		require.NotContains(t, o.Get(where).Body, "hunter22", where)
	}
	require.Contains(t, o.Get(path).Body, "user:••••••••@relay.example.net:587")
	action := o.first("rewrite_actions")
	a := o.Post(path+"/rewrite_actions/"+strconv.FormatInt(action.ID, 10), "do", "save", "version", action.Version,
		"v.type", "smarthost", "v.value", "user:••••••••@other.example.net:25")
	require.Equal(t, http.StatusSeeOther, a.StatusCode)
	require.Equal(t, "user:hunter22@other.example.net:25", o.first("rewrite_actions").Values["value"])
}

func TestTokens(t *testing.T) {
	o := newOffice(t, nil)
	require.Contains(t, o.Get("/tokens").Body, "There are no tokens")
	a := o.Post("/tokens", "name", "billing")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	secret := regexp.MustCompile(`<code class="wrap secret"[^>]*>([^<]+)</code>`).FindStringSubmatch(a.Body)
	require.NotNil(t, secret)
	name, ok := o.Admin.CheckToken(t.Context(), secret[1])
	require.True(t, ok)
	require.Equal(t, "billing", name)
	require.NotContains(t, o.Get("/tokens").Body, secret[1], "once")
	require.NotContains(t, o.Get("/tokens").Body, "sha256:")
	require.Equal(t, http.StatusConflict, o.Post("/tokens", "name", "billing").StatusCode)
	require.Equal(t, http.StatusBadRequest, o.Post("/tokens", "name", " ").StatusCode)
	require.Equal(t, http.StatusSeeOther, o.Post("/tokens/enable", "name", "billing", "on", "0").StatusCode)
	_, ok = o.Admin.CheckToken(t.Context(), secret[1])
	require.False(t, ok)
	page := o.Get("/tokens/delete?name=billing")
	require.Contains(t, page.Body, "are refused from then on")
	require.Equal(t, http.StatusSeeOther, o.Post("/tokens/delete", "version", field(t, page.Body, "version")).StatusCode)
	require.Zero(t, o.Count("tokens"))
	require.NotContains(t, o.Logged.String()+o.Accessed.String(), secret[1])
}

func TestNames(t *testing.T) {
	o := newOffice(t, nil)
	require.Equal(t, http.StatusSeeOther, o.Post("/names", "ip", "192.0.2.1", "name", "mta1.example.net", "label",
		"Frankfurt <b>", "new", "1").StatusCode)
	page := o.checkPage("/names")
	require.Contains(t, page, `value="mta1.example.net"`)
	require.Contains(t, page, "Frankfurt &lt;b&gt;")
	a := o.Post("/names", "ip", "192.0.2", "name", "x", "new", "1")
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.Contains(t, a.Body, "Expected an IP address, not “192.0.2”.")
	require.Equal(t, http.StatusSeeOther, o.Post("/names", "ip", "192.0.2.1").StatusCode)
	require.Zero(t, o.Count("mtanames")+o.Count("mtalabels"))
}

func TestTryOut(t *testing.T) {
	match := func(typ, pattern, with string) (bool, error) {
		if typ == "regex" {
			return false, errors.New("pattern: missing closing )")
		}
		return strings.Contains(with, pattern), nil
	}
	o := newOffice(t, func(c *console.Console) {
		c.Tools.Flood, c.Tools.Reply, c.Tools.Text = match, match, match
		c.Tools.Conditions = func(all []sheets.Condition, message []byte) ([]bool, error) {
			return []bool{strings.Contains(string(message), all[0].Value), true}[:len(all)], nil
		}
	})
	for _, tc := range []struct{ typ, with, said string }{
		{"substr", "451 slow down", "it matches"}, {"substr", "<b>550</b>", "it does not match"},
		{"regex", "451", "cannot be tried: pattern: missing closing )"},
	} {
		a := o.Post("/floods/new", "do", "try", "v.name", "Mine", "v.type", tc.typ, "v.pattern", "slow", "try", tc.with)
		require.Equal(t, 200, a.StatusCode)
		require.Contains(t, a.Body, tc.said)
		require.Contains(t, a.Body, `name="v.name" value="Mine"`)
		require.Zero(t, o.Count("flood_responses"), "trying saves nothing")
		part := o.Do("POST", "/floods/new/part",
			url.Values{"part": {"try"}, "v.type": {tc.typ}, "v.pattern": {"slow"}, "try": {tc.with}}, "X-CSRF-Token", o.CSRF())
		require.Equal(t, 200, part.StatusCode)
		require.Contains(t, part.Body, tc.said)
		require.NotContains(t, part.Body, "<html")
	}
	require.Equal(t, http.StatusForbidden, o.Do("POST", "/floods/new/part", url.Values{"part": {"try"}}).StatusCode)
	rule := o.Add("rewrite_triggers", admin.Values{"name": "r"})
	path := "/rewrites/" + strconv.FormatInt(rule.ID, 10)
	require.Contains(t, o.Post(path, "do", "try", "v.name", "r", "try", "{}").Body, "it has no conditions")
	o.Add("rewrite_conditions", admin.Values{"trigger": rule.ID, "property": "Subject", "type": "substr",
		"value": "hello"})
	require.Contains(t, o.Post(path, "do", "try", "v.name", "r", "try", `{"a": "hello"}`).Body, "it acts")
	require.Contains(t, o.Post(path, "do", "try", "v.name", "r", "try", `{}`).Body, "Subject contains “hello”")
}

// TestWhatWillChange counts the mail that a pause would hold, and saves only what was shown.
func TestWhatWillChange(t *testing.T) {
	q := memory.New()
	for i := range 3 {
		m := &queue.Message{ID: fmt.Sprint("m", i), Recipient: "a@gmail.com", Envelope: "b@example.com",
			Body: queue.Bytes([]byte("Subject: x\r\n\r\n"))}
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
	}
	o := newOffice(t, func(c *console.Console) { c.Admin.Queue = q })
	a := o.Post("/pauses/new", "v.target", "gmail.com", "v.expire", "2h")
	require.Equal(t, 200, a.StatusCode)
	require.Contains(t, a.Body, "What will change: mail to gmail.com is held back. 3 messages wait now.")
	require.Contains(t, a.Body, "Pause delivery to gmail.com")
	seen := field(t, a.Body, "seen")
	expire := regexp.MustCompile(`name="v.expire" value="([^"]*)"`).FindStringSubmatch(a.Body)[1]
	require.Equal(t, "2h", expire)
	a = o.Post("/pauses/new", "v.target", "outlook.com", "v.expire", "2h", "seen", seen)
	require.Equal(t, 200, a.StatusCode, "it is another pause now, and is shown first")
	require.Zero(t, o.Count("paused"))
	part := o.Do("POST", "/pauses/new/part", url.Values{"part": {"touch"}, "v.target": {"gmail.com"}, "v.tag": {"news"}},
		"X-CSRF-Token", o.CSRF())
	require.Contains(t, part.Body, "mail to gmail.com with the tag “news” is held back. None of it waits now.")

	require.Equal(t, http.StatusSeeOther, o.Post("/pauses/new", "v.target", "gmail.com", "v.expire", "2h", "seen",
		seen).StatusCode)
	row := o.first("paused")
	until, err := settings.ParseTime(row.Values["expire"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, o.Clock.Now().Add(2*time.Hour), until, 2*time.Second)
	ask := o.Get(fmt.Sprintf("/pauses/%d/delete", row.ID)).Body
	require.Contains(t, ask, "Resume delivery to gmail.com")
	require.Contains(t, ask, "3 messages that wait now are concerned.")
}

func TestActiveFloods(t *testing.T) {
	resumed := ""
	o := newOffice(t, func(c *console.Console) {
		c.Admin.Floods = func() []admin.Flood {
			return []admin.Flood{{Name: "Slow <i>", Source: "192.0.2.1", Site: "gmail.com", Phase: "paused",
				Until: time.Now().Add(time.Hour), Text: "<script>alert(1)</script>"}}
		}
		c.Admin.ResumeFlood = func(source netip.Addr, site,
			name string) int {
			resumed = source.String() + site + name
			return 1
		}
	})
	for _, path := range []string{"/floods", "/pauses"} {
		page := o.checkPage(path)
		require.Contains(t, page, "Resume delivery to gmail.com")
		o.harmless(page, path)
	}
	require.Equal(t, http.StatusSeeOther, o.Post("/floods/resume", "source", "192.0.2.1", "site", "gmail.com", "name",
		"Slow <i>").StatusCode)
	require.Equal(t, "192.0.2.1gmail.comSlow <i>", resumed)
}

// TestFallbacks shows what holds where a throttle sets nothing.
func TestFallbacks(t *testing.T) {
	o := newOffice(t, func(c *console.Console) {
		c.Admin.Paths = func(_ context.Context, domain string, _ netip.Addr) ([]admin.Path, error) {
			return []admin.Path{{Site: domain, Limits: []admin.LimitValue{{Limit: "maxconnections", Value: 20,
					Rule: "All <mail>"}, {Limit: "security", Value: 2, Rule: "configuration"},
					{Limit: "maxmessages", Rule: "Gmail"}}}},
				nil
		}
	})
	row := o.Add("capacity", admin.Values{"name": "Gmail", "maxmessages": 10})
	page := o.checkPage("/throttles/" + strconv.FormatInt(row.ID, 10))
	require.Contains(t, page, `placeholder="not set: 20 from “All &lt;mail&gt;”"`)
	require.Contains(t, page, `not set: TLS required from the configuration file`)
	require.NotContains(t, page, "from “Gmail”")
}

// TestManySuppressions goes through a long list by pages, and searches it.
func TestManySuppressions(t *testing.T) {
	o := newOffice(t, nil)
	require.NoError(t, o.Settings.Change(t.Context(), func(s settings.Store) error {
		for i := range 6000 {
			if err := settings.Insert(t.Context(), s,
				&settings.Suppression{Value: fmt.Sprintf("p%05d@example.com", i), Type: "address", Code: 550,
					Enabled: true}); err != nil {
				return err
			}
		}
		return nil
	}))
	page := o.checkPage("/suppressions")
	require.Contains(t, page, "0 to 50 of 6,000 suppressions")
	require.Equal(t, 50, strings.Count(page, "@example.com</bdi>"))
	require.NotContains(t, page, "aria-sort", "too many to sort here")
	require.Contains(t, o.checkPage("/suppressions?from=5950"), "p05999@example.com")
	page = o.checkPage("/suppressions?q=p0123")
	require.Contains(t, page, "10 suppressions")
	require.Contains(t, o.checkPage("/suppressions?q=p0123&sort=-value"), `aria-sort="descending"`)
	require.Contains(t, o.checkPage("/suppressions?q=nobody"), "Nothing has “<bdi>nobody</bdi>” in it")
}

func TestResponseActions(t *testing.T) {
	o := newOffice(t, func(c *console.Console) {
		c.Tools.Actions = []sheets.Action{{Name: "fail", Meaning: "ends the message", Response: true}}
	})
	pattern := o.Add("response_patterns", admin.Values{"name": "p", "pattern": "x", "type": "substr"})
	path := "/responses/" + strconv.FormatInt(pattern.ID, 10)
	require.Contains(t, o.checkPage("/response-actions/new?for="+strconv.FormatInt(pattern.ID, 10)), `name="for" value="`)
	a := o.Post("/response-actions/new", "for", strconv.FormatInt(pattern.ID, 10), "v.name", "give up", "v.type", "fail",
		"v.value", "550")
	require.Equal(t, path, a.Header.Get("Location"))
	require.Contains(t, o.Get(path).Body, "give up: fail 550")
	require.Contains(t, o.Get("/responses").Body, "fail 550")
	action := o.first("response_actions")
	page := o.Get(fmt.Sprintf("/response-actions/%d/delete", action.ID))
	a = o.Post(fmt.Sprintf("/response-actions/%d/delete", action.ID), "version", field(t, page.Body, "version"))
	require.Equal(t, http.StatusConflict, a.StatusCode)
	require.Contains(t, a.Body, "is in use")
}

func TestRoutesOfTheFile(t *testing.T) {
	o := newOffice(t, func(c *console.Console) {
		c.Tools.RoutesFile = "/etc/mtad/routes"
		c.Tools.Routes = func() ([]settings.Route, error) {
			return []settings.Route{{Domain: ".internal.test", Relay: "relay.test", Port: 2525}, {Relay: "last.test"},
				{Domain: "direct.test"}}, nil
		}
	})
	page := o.checkPage("/routes")
	for _, said := range []string{"smtp-routes: /etc/mtad/routes, read only", ".internal.test", "relay.test:2525",
		"every other", "last.test:25", "by MX"} {
		require.Contains(t, page, said)
	}
}

// TestRowsOfOthers shows what a row comes to that another program wrote with only some columns.
func TestRowsOfOthers(t *testing.T) {
	dir := t.TempDir()
	o := openOffice(t, dir, false, func(c *console.Console) { c.Admin.Instance = 7 })
	db, err := sql.Open("sqlite", filepath.Join(dir, "settings.db"))
	require.NoError(t, err)
	defer db.Close()
	for _, statement := range []string{
		"INSERT INTO paused (target) VALUES ('script.test')", "INSERT INTO errors (domain) VALUES ('script.test')",
		"INSERT INTO capacity (id, name, maxmessages) VALUES (5, 'script', 60)",
	} {
		_, err := db.Exec(statement)
		require.NoError(t, err)
	}
	require.NoError(t, o.Settings.Reload(t.Context()))
	for _, page := range []string{"/pauses", "/forced-errors"} {
		require.Contains(t, o.Get(page).Body, "in force on every instance that reads it", page)
	}
	require.EqualValues(t, settings.FallBack, o.Row("capacity", 5)["security"], "as a form shows what is left open")
	for _, resource := range []string{"pauses", "errors"} {
		var domains []any
		for entry, err := range o.Admin.WalkResource(t.Context(), resource, nil) {
			require.NoError(t, err)
			domains = append(domains, entry["domain"])
		}
		require.Equal(t, []any{"script.test"}, domains)
		n, err := o.Admin.DeleteResource(t.Context(), resource, admin.Values{"domain": "script.test"})
		require.NoError(t, err)
		require.Equal(t, 1, n, resource)
	}
}

// TestRotation goes through the life of a key by the buttons of its page.
func TestRotation(t *testing.T) {
	published := map[string][]string{}
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	o := newOffice(t, func(c *console.Console) {
		c.Admin.Now = func() time.Time { return now }
		c.Admin.Key = func(string) (admin.KeyFacts, error) {
			return admin.KeyFacts{Algorithm: "ed25519", Record: "v=DKIM1; k=ed25519; p=AAAA"}, nil
		}
		c.Admin.LookupTXT = func(_ context.Context, name string) ([]string, error) { return published[name], nil }
	})
	old := o.Post("/dkim/new", "v.domain", "example.com", "v.selector", "old", "make", "ed25519").Header.Get("Location")
	require.Contains(t, o.checkPage(old), "Make a new key")
	next := o.Post(old+"/successor", "selector", "new").Header.Get("Location")
	require.NotEqual(t, old, next)
	require.Equal(t, old, o.Post(old+"/successor", "selector", "NEW").Header.Get("Location"), "the name is taken")
	page := o.checkPage(next)
	require.Contains(t, page, "It can take over once it is published.")
	require.NotContains(t, page, "Let it take over")
	published["new._domainkey.example.com"] = []string{"v=DKIM1; k=ed25519; p=AAAA"}
	require.Contains(t, o.checkPage(next), "Let it take over")
	require.Equal(t, next, o.Post(next+"/use").Header.Get("Location"))
	page = o.checkPage(old)
	require.Contains(t, page, "It signs no more since <b>2026-11-30 12:00:00</b>")
	require.Contains(t, page, "in the DNS until <b>2026-12-07 12:00:00</b>")
	require.NotContains(t, page, "Withdraw it")
	require.Equal(t, old, o.Post(old+"/withdraw").Header.Get("Location"))
	require.Len(t, o.Settings.Current().Rows.DKIMKeys, 2, "its mail may be on its way")
	now = now.Add(admin.Lingering)
	require.Contains(t, o.checkPage(old), "Withdraw it")
	require.Equal(t, "/dkim", o.Post(old+"/withdraw").Header.Get("Location"))
	require.Len(t, o.Settings.Current().Rows.DKIMKeys, 1)
	require.NotContains(t, o.Logged.String(), "PRIVATE KEY")
}
