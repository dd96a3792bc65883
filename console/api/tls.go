package api

import (
	"cmp"
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
)

// tlsRoutes tell of policies on TLS, and of reports about how they were kept. Reports of others about one's own domains
// are at /v1/feedback?kind=tls.
func tlsRoutes() []*route {
	page := []admin.Field{
		{Name: "limit", Type: admin.Integer, Min: 1, Max: 1000, Default: int64(tlsOnPage), Meaning: "rows on a page"},
		{Name: "cursor", Type: admin.Text, Meaning: "where the page begins: next of the page before"}}
	next := textSchema("cursor of the next page; absent: this was the last")
	return []*route{
		{method: http.MethodGet, path: "/v1/tls/policies",
			summary: "what recipients' domains publish on TLS (DANE, MTA-STS), and how connections to them turned out today",
			fields:  append(admin.TLSPolicyFields(), page...),
			answer:  object(map[string]any{"policies": arrayOf(schemaOf(admin.TLSPolicy{})), "next": next}),
			local:   true, errors: []int{http.StatusNotImplemented},
			do: func(c *call) (any, error) {
				all, err := c.admin.TLSPolicies(c.request.Context())
				return pageOf(c, "policies", all, admin.MatchTLSPolicy(c.values),
					func(p *admin.TLSPolicy) string { return p.Domain }), err
			}},
		{method: http.MethodGet, path: "/v1/tls/reports",
			summary: "reports on TLS (RFC 8460) that go to the owners of domains, and what became of them, the newest day first",
			fields:  append(admin.TLSReportFields(), page...),
			answer:  object(map[string]any{"reports": arrayOf(schemaOf(admin.TLSReport{})), "next": next}),
			local:   true, errors: []int{http.StatusNotImplemented},
			do: func(c *call) (any, error) {
				all, err := c.admin.TLSReports(c.request.Context())
				return pageOf(c, "reports", all, admin.MatchTLSReport(c.values), keyOf), err
			}},
	}
}

// tlsOnPage is how many rows a page has unless it is told.
const tlsOnPage = 100

// keyOf sorts reports as they are listed: the newest day first.
func keyOf(r *admin.TLSReport) string {
	day := []byte(r.Day)
	for i, c := range day {
		if c >= '0' && c <= '9' {
			day[i] = '0' + '9' - c
		}
	}
	return string(day) + " " + r.Domain
}

// pageOf returns the rows behind the cursor of a call that match. They are sorted by their keys; the cursor is a key.
func pageOf[T any](c *call, name string, all []T, matches func(*T) bool, key func(*T) string) map[string]any {
	limit, _ := c.values["limit"].(int64)
	cursor, _ := c.values["cursor"].(string)
	page, out := make([]T, 0, cmp.Or(int(limit), tlsOnPage)), map[string]any{}
	for i := range all {
		row := &all[i]
		if !matches(row) || cursor != "" && key(row) <= cursor {
			continue
		}
		if len(page) == cap(page) {
			out["next"] = key(&page[len(page)-1])
			break
		}
		page = append(page, *row)
	}
	out[name] = page
	return out
}
