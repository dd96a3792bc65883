package console_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// trust knows policies, and no reports.
type trust struct {
	mu  sync.Mutex
	all []admin.TLSPolicy
}

func (k *trust) add(p admin.TLSPolicy) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, p)
}

func (k *trust) TLSPolicies() []admin.TLSPolicy {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]admin.TLSPolicy{}, k.all...)
}

func (k *trust) TLSReports() []admin.TLSReport {
	return []admin.TLSReport{{Domain: "a.example", Day: "2026-11-29", State: "sent", To: "mailto:tls@a.example", Good: 3,
		At: time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)}}
}

// TestTLSInBrowser sees a policy come in while the page is open, sorts and filters, goes to the domain and back, and
// tests an address.
func TestTLSInBrowser(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	known := new(trust)
	known.add(admin.TLSPolicy{Domain: "a.example", Policy: "dane", Mode: "enforce", MX: []string{"mx.a.example"}, Good: 3})
	with := consoletest.WithSettings(t)
	w := consoletest.New(t, func(c *console.Console) {
		with(c)
		c.Now = nil
		c.Admin.TLS = known
		c.Admin.Probe = func(_ context.Context, address string, _ bool) ([]admin.ProbeStep, error) {
			return []admin.ProbeStep{{Step: "verdict", Host: "mx.a.example", Good: true,
				Text: "Mail goes over TLS, as the DANE policy demands. " + consoletest.Attack}}, nil
		}
	})
	b := chromium.Start(t, w.Server.URL)
	told := b.Complaints()
	b.LogIn("/tls", "admin", "secret")
	b.Await(`document.querySelector("#live[data-state=on]")`)

	const rows = `document.querySelectorAll("table.policies tbody tr")`
	b.Step(t, "a policy comes in", func() {
		b.Await(rows + `.length === 1 && document.querySelector("table.sent-reports").innerText.includes("tls@a.example")`)
		known.add(admin.TLSPolicy{Domain: "b.example", Policy: "sts", Mode: "testing", MX: []string{consoletest.Attack}, ID: "7",
			Good: 12, Failed: 2, Failure: "certificate-expired", Reason: consoletest.Attack, FailedAt: time.Now()})
		b.Await(rows + `.length === 2 && ` + rows + `[0].innerText.includes("certificate-expired")`)
	})
	b.Step(t, "numbers are aligned on the right", func() {
		b.Await(`[...document.querySelectorAll("table.policies .n")].every((e) => getComputedStyle(e).textAlign === "right")`)
	})
	b.Step(t, "sorted and filtered", func() {
		b.Do(chromedp.Click(`table.policies thead th:first-child a`))
		b.Await(`location.search === "?sort=domain" && ` + rows + `[0].innerText.includes("a.example")`)
		b.Do(chromedp.SetValue(`select[name=policy]`, "sts"), chromedp.Click(`.filters button.primary`))
		b.Await(`location.search.includes("policy=sts") && ` + rows + `.length === 1`)
	})
	b.Step(t, "to the domain and back", func() {
		b.Do(chromedp.Click(`table.policies tbody th a`))
		b.Await(`location.pathname === "/domains/b.example"`)
		b.Do(chromedp.Click(`a[href="/tls?domain=b.example"]`))
		b.Await(`location.pathname === "/tls" && ` + rows + `.length === 1`)
	})
	b.Step(t, "an address is tested", func() {
		b.Do(chromedp.Click(`table.policies tbody td:last-child a`))
		b.Await(`location.pathname === "/tls/test" && document.querySelector("input[name=address]").value === "postmaster@b.example"`)
		b.Do(chromedp.Click(`.filters button.primary`))
		b.Await(`document.querySelector(".sentence")?.innerText.includes("as the DANE policy demands") && document.querySelectorAll("table.steps tbody tr").length === 1`)
	})
	require.Empty(t, told())
}
