package console_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// nameServer has Knot serve example.com, with what was published last.
type nameServer struct{ address atomic.Pointer[string] }

// publish serves these lines of a zone file, beside what a zone has to have.
func (n *nameServer) publish(t *testing.T, lines ...string) {
	t.Helper()
	zone := "@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n" + strings.Join(lines, "\n")
	knot := testserver.Knot(t, map[string]string{"example.com": zone})
	n.address.Store(&knot.Address)
}

func (n *nameServer) lookupTXT(ctx context.Context, name string) ([]string, error) {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, *n.address.Load())
	}}
	return resolver.LookupTXT(ctx, name+".")
}

// TestRotationInBrowser goes through the life of a key, each step one click, with the records that its pages show in a
// name server.
func TestRotationInBrowser(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	dns := new(nameServer)
	dns.publish(t)
	o := consoletest.NewOffice(t, func(c *console.Console) {
		c.Now = nil
		c.Admin.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		c.Admin.LookupTXT = dns.lookupTXT
		c.Admin.Key = func(text string) (admin.KeyFacts, error) {
			key, err := sign.ParseKey(text)
			if err != nil {
				return admin.KeyFacts{}, err
			}
			return admin.KeyFacts{Algorithm: "rsa", Record: sign.Record(key)}, nil
		}
	})
	b := chromium.Start(t, o.Server.URL)
	told := b.Complaints()
	record := func() string {
		line, err := chromedp.Run(b.Context, chromedp.Evaluate[string](`document.querySelector('[data-copy="the line"]').textContent`))
		require.NoError(b.T, err)
		return line
	}
	shows := func(text string) { b.T.Helper(); b.Await(`document.body.textContent.includes("` + text + `")`) }
	askAgain := func() { b.T.Helper(); b.Do(chromedp.Click(`a[href*="check=dns"]`)) }
	b.LogIn("/dkim/new", "admin", "secret")
	b.Await(`location.pathname === "/dkim/new" && document.querySelector("#f-domain")`)

	var first, second string
	b.Step(t, "made", func() {
		b.Do(chromedp.SendKeys("#f-domain", "example.com"), chromedp.SendKeys("#f-selector", "old"), chromedp.Click(".save button"))
		b.Await(`document.querySelector("#rotation")`)
		shows("not published")
		first = record()
		dns.publish(t, first)
		askAgain()
		shows("The DNS has this key.")
	})
	b.Step(t, "succeeded", func() {
		b.Do(chromedp.SendKeys("#selector", "new"), chromedp.Click(`form[action$="/successor"] button`))
		shows("It can take over once it is published.")
		second = record()
		require.Contains(t, second, "new._domainkey.example.com. IN TXT")
		require.NotContains(t, second, strings.TrimPrefix(first, "old"), "another key")
		askAgain()
		b.Await(`location.search === "?check=dns" && !document.querySelector('form[action$="/use"]')`)
		dns.publish(t, first, second)
		askAgain()
		shows("It is published, and can take over.")
	})
	b.Step(t, "used", func() {
		b.Do(chromedp.Click(`form[action$="/use"] button`))
		shows("It has taken over")
		b.Open("/dkim")
		b.Do(chromedp.Click(`//a[contains(., "old") or contains(., "example.com")]`))
		shows("mail that it signed may still be on its way")
		b.Await(`!document.querySelector('form[action$="/withdraw"]')`)
	})
	b.Step(t, "withdrawn", func() {
		ahead.Store(int64(admin.Lingering))
		b.Do(chromedp.Reload())
		b.Await(`document.querySelector('form[action$="/withdraw"]')`)
		b.Do(chromedp.Click(`form[action$="/withdraw"] button`))
		b.Await(`location.pathname === "/dkim"`)
		require.Equal(t, 1, o.Count("dkim_keys"))
		dns.publish(t, second)
	})
	require.Empty(t, told(), "what the browser complains about")
	require.NotContains(t, o.Logged.String(), "PRIVATE KEY")
}
