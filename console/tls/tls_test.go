package tls_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// trust knows policies and reports.
type trust struct {
	policies []admin.TLSPolicy
	reports  []admin.TLSReport
}

func (t *trust) TLSPolicies() []admin.TLSPolicy { return t.policies }
func (t *trust) TLSReports() []admin.TLSReport  { return t.reports }

// desk has read these reports.
type desk []feedback.Record

func (d desk) Records(feedback.Query) []feedback.Record { return d }
func (desk) Counts(time.Time) feedback.Counts           { return feedback.Counts{} }

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, k *trust, d desk) *consoletest.World {
	return consoletest.New(t, func(c *console.Console) {
		c.Admin = &admin.Admin{TLS: k}
		if d != nil {
			c.Admin.Feedback = d
		}
	}).LogIn()
}

// TestPage shows policies with what went wrong last, reports with what became of them, and reports of others, and finds
// some of them.
func TestPage(t *testing.T) {
	k := &trust{
		policies: []admin.TLSPolicy{
			{Domain: "a.example", Policy: "none", Good: 1234},
			{Domain: "b.example", Policy: "dane", Mode: "enforce", MX: []string{"mx.b.example"}, Good: 7, Failed: 5,
				Failure: "validation-failure", Reason: "no TLSA record describes it", FailedAt: now},
			{Domain: "c.test", Policy: "sts", Mode: "testing", MX: strings.Fields("m1.c.test m2.c.test m3.c.test m4.c.test m5.c.test m6.c.test"),
				ID: "20261101", Fetched: now, Expires: now.AddDate(0, 0, 7)},
		},
		reports: []admin.TLSReport{
			{Domain: "a.example", Day: "2026-11-30", State: "waiting", Good: 3, Next: now},
			{Domain: "a.example", Day: "2026-11-29", State: "sent", To: "mailto:tls@a.example", At: now, Good: 4321},
			{Domain: "b.example", Day: "2026-11-29", State: "failed", To: "https://b.example/report", At: now, Next: now.Add(time.Hour),
				Failed: 2, Types: []string{"certificate-expired"}, Problem: "HTTP status 500"},
			{Domain: "c.test", Day: "2026-11-01", State: "given-up", To: "mailto:x@c.test", Problem: "the queue is closed"},
		},
	}
	begin := now.AddDate(0, 0, -1)
	d := desk{{Time: now, Kind: feedback.TLS, Source: "Receiver Inc.", Domain: "ours.example", Begin: &begin, Messages: 1000, Failed: 30,
		Diagnostic: "starttls-not-supported"}}
	w := open(t, k, d)
	page := w.CheckPage("/tls", 200)
	for _, text := range []string{"3 of 3 domains", "1 DANE", "1 MTA-STS", "1 neither", "1 failing today", `href="/domains/b.example"`,
		"mx.b.example", "validation-failure", "no TLSA record describes it", "20261101", "and 1 more", `<td class="n">1,234</td>`,
		"tls@a.example", `<td class="n">4,321</td>`, "tried again", "HTTP status 500", "certificate-expired", "given up",
		"Receiver Inc.", "ours.example", "2026-11-29", `<td class="n">970</td><td class="n">30</td>`, "starttls-not-supported",
		`href="/tls/test?address=postmaster%40c.test"`} {
		require.Contains(t, page, text)
	}
	require.NotContains(t, page, "2026-11-30<", "what is not due is not shown unless asked for")
	require.Less(t, strings.Index(page, ">b.example<"), strings.Index(page, ">a.example<"), "failures first")
	order := func(query string, want ...string) {
		t.Helper()
		page, at := w.CheckPage("/tls?"+query, 200), 0
		for _, text := range want {
			i := strings.Index(page[at:], text)
			require.GreaterOrEqual(t, i, 0, "%s in %s", text, query)
			at += i
		}
	}
	order("sort=domain", `aria-sort="ascending"`, ">a.example<", ">b.example<", ">c.test<")
	order("sort=-domain", `aria-sort="descending"`, ">c.test<", ">b.example<", ">a.example<")
	order("sort=-good", ">a.example<", ">b.example<", ">c.test<")
	order("sort=expires", ">a.example<", ">b.example<", ">c.test<")
	order("sort=nonsense", ">b.example<", ">a.example<")
	order("domain=C.T&from=700", "1 of 3 domains", ">c.test<", "No report came in about such a domain")
	order("state=waiting", "2026-11-30")
	order("policy=dane", "1 of 3", ">b.example<")
	order("failing=false", "2 of 3", ">a.example<")
	order("domain=nobody", "No domain is as you said", "No report is as you said")
	require.Contains(t, w.Get("/tls/part?policy=sts").Body, "1 of 3")
	require.Equal(t, http.StatusBadRequest, w.Get("/tls?policy=tls").StatusCode)
	require.Equal(t, http.StatusBadRequest, w.Get("/tls?state=lost&format=csv").StatusCode)

	a := w.Get("/tls?format=csv&table=policies&sort=domain&domain=example")
	require.Equal(t, "text/csv; charset=utf-8", a.Header.Get("Content-Type"))
	rows, err := csv.NewReader(strings.NewReader(a.Body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Equal(t, []string{"b.example", "dane", "enforce", "mx.b.example", "", "", "", "7", "5", "validation-failure",
		"no TLSA record describes it", "2026-11-30T12:00:00Z"}, rows[2])
	rows, err = csv.NewReader(strings.NewReader(w.Get("/tls?format=csv&table=reports").Body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 4)
	require.Equal(t, "mailto:tls@a.example", rows[1][7])
	require.Contains(t, w.CheckPage("/domains/b.example", 200), `href="/tls?domain=b.example"`)
}

// TestEmpty says what to do where there is nothing.
func TestEmpty(t *testing.T) {
	page := open(t, new(trust), nil).CheckPage("/tls", 200)
	for _, text := range []string{"policies appear here with the first mail", "tls-report-from", "v=TLSRPTv1"} {
		require.Contains(t, page, text)
	}
	w := consoletest.New(t, nil).LogIn()
	require.Contains(t, w.CheckPage("/tls", 200), "Set <code>tls-policy</code>")
	require.NotEqual(t, "text/csv; charset=utf-8", w.Get("/tls?format=csv").Header.Get("Content-Type"))
}

// TestHostile shows what strangers write into policies, records and reports, and none of it acts.
func TestHostile(t *testing.T) {
	const evil = consoletest.Attack
	k := &trust{
		policies: []admin.TLSPolicy{{Domain: evil, Policy: "sts", Mode: "enforce", MX: []string{evil, strings.Repeat("m", 1<<16)},
			ID: "1", Failure: "sts-policy-invalid", Reason: evil, FailedAt: now, Failed: 1}},
		reports: []admin.TLSReport{{Domain: evil, Day: "2026-11-29", State: "failed", To: "https://" + evil, Problem: evil, Types: []string{evil}},
			{Domain: "=cmd()", Day: "2026-11-28", State: "sent", To: "mailto:" + evil}},
	}
	w := open(t, k, desk{{Time: now, Kind: feedback.TLS, Source: evil, Domain: evil, Diagnostic: evil, Messages: -5, Failed: 7}})
	page := w.CheckPage("/tls", 200)
	require.Less(t, len(page), 64<<10)
	rows, err := csv.NewReader(strings.NewReader(w.Get("/tls?format=csv&table=reports").Body)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "'=cmd()", rows[2][1])
	w.CheckPage("/tls?domain="+url.QueryEscape(evil), 200)
}

// TestMany has 100,000 policies and as many reports: a page has 100, and the next one goes on.
func TestMany(t *testing.T) {
	k := new(trust)
	for i := range 100_000 {
		domain := fmt.Sprintf("domain%06d.example", i)
		k.policies = append(k.policies, admin.TLSPolicy{Domain: domain, Policy: "sts", Mode: "enforce", MX: []string{"*." + domain}, Good: int64(i)})
		k.reports = append(k.reports, admin.TLSReport{Domain: domain, Day: "2026-11-29", State: "sent", To: "mailto:r@" + domain, At: now})
	}
	w := open(t, k, nil)
	began := time.Now()
	page := w.Get("/tls?sort=-good").Body
	took := time.Since(began)
	t.Log("a page of 100,000 policies and reports took", took)
	require.Less(t, took, 10*time.Second, "under the race detector too")
	require.Contains(t, page, "100,000 of 100,000 domains")
	require.Contains(t, page, "99,950 more")
	require.Less(t, len(page), 200<<10)
	require.Contains(t, page, ">domain099999.example<")
	require.NotContains(t, page, ">domain099899.example<")
	require.Contains(t, page, `href="/tls?from=100&amp;sort=-good"`)
	page = w.Get("/tls?sort=-good&from=99900").Body
	require.Contains(t, page, ">domain000000.example<")
	require.Contains(t, page, `href="/tls?from=99800&amp;sort=-good"`)
}

// TestAddress tests an address: every step in words, the verdict on top, and what keeps it from that above the form.
func TestAddress(t *testing.T) {
	asked := ""
	w := consoletest.New(t, func(c *console.Console) {
		c.Admin = &admin.Admin{Probe: func(_ context.Context, address string, requireTLS bool) ([]admin.ProbeStep, error) {
			asked = fmt.Sprint(address, " ", requireTLS)
			switch address {
			case "busy@example.org":
				return nil, fmt.Errorf("%w: it was tested a moment ago", admin.ErrUnavailable)
			case "gone@example.org":
				return nil, admin.ErrUnsupported
			}
			return []admin.ProbeStep{{Step: "route", Good: true, Text: "mail goes to mx.example.org (10)"},
				{Step: "connection", Host: "mx.example.org", Text: "192.0.2.1:25 " + consoletest.Attack},
				{Step: "verdict", Host: "mx.example.org", Text: "Mail waits: there is no conversation with the host."}}, nil
		}}
	}).LogIn()
	require.Contains(t, w.CheckPage("/tls/test?address=jo@example.org%E2%80%AE", 200), `value="jo@example.org"`)
	test := func(address, requireTLS string) (int, string) {
		a := w.Do("POST", "/tls/test", url.Values{"csrf": {w.CSRF()}, "address": {address}, "requiretls": {requireTLS}})
		return a.StatusCode, a.Body
	}
	status, page := test("jo@example.org", "yes")
	require.Equal(t, 200, status)
	require.Equal(t, "jo@example.org true", asked)
	for _, text := range []string{"Where mail goes", "mail goes to mx.example.org (10)", "Connection", "does not go", `value="yes" selected`} {
		require.Contains(t, page, text)
	}
	require.NotContains(t, page, "<script>alert")
	require.Equal(t, 2, strings.Count(page, "Mail waits: there is no conversation with the host."))
	for address, want := range map[string]struct {
		status int
		text   string
	}{"busy@example.org": {503, "it was tested a moment ago"}, "gone@example.org": {501, "Not possible here"}, "": {400, "a mail address"},
		"jo": {400, "a mail address"}} {
		status, page := test(address, "")
		require.Equal(t, want.status, status, address)
		require.Contains(t, page, want.text)
		require.Contains(t, page, `role="alert"`)
	}
	require.Equal(t, 403, w.Do("POST", "/tls/test", url.Values{"address": {"jo@example.org"}}).StatusCode)
}
