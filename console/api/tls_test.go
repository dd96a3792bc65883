package api_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/admin"
)

// secured knows three domains, and four reports.
type secured struct{}

func (secured) TLSPolicies() []admin.TLSPolicy {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	return []admin.TLSPolicy{
		{Domain: "a.example", Policy: "none", Good: 3},
		{Domain: "b.example", Policy: "dane", Mode: "enforce", MX: []string{"mx.b.example"}, Good: 7, Failed: 1,
			Failure: "validation-failure", Reason: "no TLSA record describes a certificate that the host showed", FailedAt: at},
		{Domain: "c.test", Policy: "sts", Mode: "testing", MX: []string{"*.c.test"}, ID: "42", Fetched: at, Expires: at.AddDate(0, 0, 7)},
	}
}

func (secured) TLSReports() []admin.TLSReport {
	return []admin.TLSReport{
		{Domain: "a.example", Day: "2026-11-30", State: "waiting", Policies: []string{"no-policy-found"}, Good: 3},
		{Domain: "a.example", Day: "2026-11-29", State: "sent", To: "mailto:r@a.example", Good: 5},
		{Domain: "b.example", Day: "2026-11-29", State: "failed", To: "https://b.example/r", Failed: 2, Problem: "HTTP status 500"},
		{Domain: "b.example", Day: "2026-10-31", State: "given-up", Failed: 2},
	}
}

// TestTLS lists policies and reports, some and all, page by page.
func TestTLS(t *testing.T) {
	w := newWorld(t)
	list := func(path string, q url.Values) (names []string) {
		for {
			got := w.send("GET", path+"?"+q.Encode(), "")
			require.Equal(t, 200, got.status, got.body)
			var page struct {
				Policies []admin.TLSPolicy
				Reports  []admin.TLSReport
				Next     string
			}
			require.NoError(t, json.Unmarshal([]byte(got.body), &page))
			for _, p := range page.Policies {
				names = append(names, p.Domain)
			}
			for _, r := range page.Reports {
				names = append(names, r.Day+" "+r.Domain)
			}
			if page.Next == "" {
				return names
			}
			q.Set("cursor", page.Next)
		}
	}
	for q, want := range map[string][]string{"": {"a.example", "b.example", "c.test"}, "limit=1": {"a.example", "b.example", "c.test"},
		"domain=EXAMPLE": {"a.example", "b.example"}, "policy=sts": {"c.test"}, "failing=true": {"b.example"},
		"failing=false&limit=1": {"a.example", "c.test"}, "domain=nobody": nil} {
		asked, err := url.ParseQuery(q)
		require.NoError(t, err)
		require.Equal(t, want, list("/v1/tls/policies", asked), q)
	}
	for q, want := range map[string][]string{"limit=1": {"2026-11-29 a.example", "2026-11-29 b.example", "2026-10-31 b.example"},
		"state=waiting": {"2026-11-30 a.example"}, "state=failed": {"2026-11-29 b.example"}, "domain=b.ex": {"2026-11-29 b.example", "2026-10-31 b.example"}} {
		asked, err := url.ParseQuery(q)
		require.NoError(t, err)
		require.Equal(t, want, list("/v1/tls/reports", asked), q)
	}
	for path, want := range map[string]string{"policies?policy=tls": "policy", "reports?state=lost": "state", "policies?limit=0": "limit",
		"policies?failing=perhaps": "failing"} {
		got := w.send("GET", "/v1/tls/"+path, "")
		require.Equal(t, 400, got.status, path)
		require.Contains(t, got.body, want)
	}
	require.JSONEq(t, `{"policies":[{"domain":"c.test","policy":"sts","mode":"testing","mx":["*.c.test"],"id":"42",
		"fetched":"2026-11-30T12:00:00Z","expires":"2026-12-07T12:00:00Z","good":0,"failed":0}]}`,
		w.send("GET", "/v1/tls/policies?domain=c.test", "").body)
	w.admin.TLS = nil
	for _, path := range []string{"/v1/tls/policies", "/v1/tls/reports"} {
		got := w.send("GET", path, "")
		require.Equal(t, 501, got.status, fmt.Sprint(path, got.body))
		require.Contains(t, got.body, "tls-policy is off")
	}
}
