package spf_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/checkstest"
	"github.com/sluicemail/sluice/checks/spf"
	"github.com/sluicemail/sluice/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func one(t *testing.T, ctx context.Context, c *spf.Checker, mail *checks.Mail) checks.Result {
	t.Helper()
	results, err := c.Check(ctx, mail)
	require.NoError(t, err)
	require.Len(t, results, 1)
	return results[0]
}

func mail(from string) *checks.Mail {
	return &checks.Mail{Client: netip.MustParseAddr("192.0.2.1"), Hostname: "mail.example.test", Envelope: from}
}

func TestJSON(t *testing.T) {
	address := testserver.DNS(t, testserver.Zone(t, `example.test. TXT "v=spf1 ip4:192.0.2.1 -all"`+"\n"))
	c := &spf.Checker{Resolver: resolverAt(t, address)}
	r := one(t, context.Background(), c, mail("a@example.test"))
	require.Equal(t, `{"spf":"pass","smtp.mailfrom":"a@example.test"}`, string(r.JSON))
	require.Equal(t, []checks.Property{{Name: "smtp.mailfrom", Value: "a@example.test"}}, r.Properties)
	require.Equal(t, spf.Outcome{Domain: "example.test"}, r.Detail)
	r = one(t, context.Background(), c, mail(""))
	require.Equal(t, `{"spf":"none","smtp.helo":"mail.example.test"}`, string(r.JSON))
	require.Equal(t, spf.Outcome{Domain: "mail.example.test", Helo: true}, r.Detail)
}

// TestReasons checks that people learn what was wrong.
func TestReasons(t *testing.T) {
	zone := `typo.test. TXT "v=spf1 ipv4:192.0.2.1 -all"
loop.test. TXT "v=spf1 include:loop.test -all"
void.test. TXT "v=spf1 a:a.void.test a:b.void.test a:c.void.test -all"
ok.test. TXT "v=spf1 ip4:192.0.2.1 -all"
`
	c := &spf.Checker{Resolver: resolverAt(t, testserver.DNS(t, testserver.Zone(t, zone)))}
	for domain, want := range map[string]string{
		"typo.test":   `record of typo.test: "ipv4:192.0.2.1": unknown mechanism`,
		"loop.test":   "lookup limit reached",
		"void.test":   "void lookup limit reached",
		"ok.test":     "matched ip",
		"nosuch.test": "no policy",
		"single":      "no domain to ask",
	} {
		require.Equal(t, want, one(t, context.Background(), c, mail("a@"+domain)).Reason, domain)
	}
}

// TestMute asks a server that never answers: the caller's patience counts, and the mail is not blamed.
func TestMute(t *testing.T) {
	c := &spf.Checker{Resolver: resolverAt(t, testserver.DNS(t, func(dns.ResponseWriter, *dns.Msg) {}))}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	r := one(t, ctx, c, mail("a@example.test"))
	require.Equal(t, checks.TempError, r.Verdict)
	require.Equal(t, "no verdict in time", r.Reason)
}

// TestOwnResolver asks through net.Resolver, as a Checker without a resolver does.
func TestOwnResolver(t *testing.T) {
	address := testserver.DNS(t, testserver.Zone(t, `example.test. TXT "v=spf1 a:host.example.test -all"
host.example.test. A 192.0.2.1
`))
	own := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	require.Equal(t, checks.Pass, one(t, context.Background(), &spf.Checker{Resolver: own},
		mail("a@example.test")).Verdict)
	require.Equal(t, checks.None, one(t, context.Background(), &spf.Checker{Resolver: own}, mail("a@nosuch.test")).Verdict)
}

// TestKnot asks an authoritative server with a signed zone.
func TestKnot(t *testing.T) {
	zone := "@ SOA ns hostmaster 1 3600 900 86400 60\n@ NS ns\nns A 127.0.0.1\n@ MX 10 mx\nmx A 192.0.2.1\nmx AAAA 2001:db8::1\n@ TXT \"v=spf1 mx -all\"\n"
	knot := testserver.Knot(t, map[string]string{"example.test": zone}, "example.test")
	c := &spf.Checker{Resolver: resolverAt(t, knot.Address)}
	for client, want := range map[string]checks.Verdict{"192.0.2.1": checks.Pass, "2001:db8::1": checks.Pass,
		"192.0.2.2": checks.Fail, "2001:db8::2": checks.Fail} {
		m := mail("a@example.test")
		m.Client = netip.MustParseAddr(client)
		require.Equal(t, want, one(t, context.Background(), c, m).Verdict, client)
	}
}

// texts is a resolver with one answer to everything.
type texts []string

func (r texts) LookupTXT(context.Context, string) ([]string, error) { return r, nil }
func (r texts) LookupMX(context.Context, string) ([]*net.MX, error) {
	mxs := make([]*net.MX, 10)
	for i := range mxs {
		mxs[i] = &net.MX{Host: "mx.test."}
	}
	return mxs, nil
}
func (r texts) LookupAddr(context.Context, string) ([]string, error) { return []string{"a.test."}, nil }
func (r texts) LookupIPAddr(context.Context, string) ([]net.IPAddr, error) {
	return []net.IPAddr{{IP: net.IPv4(198, 51, 100, 1)}}, nil
}
func (r texts) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("198.51.100.1")}, nil
}

// TestStorm has a record that wants 10 × 11 look-ups, and a mail that may cost 50.
func TestStorm(t *testing.T) {
	c := &spf.Checker{Resolver: texts{"v=spf1 mx mx mx mx mx mx mx mx mx mx -all"}}
	require.Equal(t, checks.Fail, one(t, context.Background(), c, mail("a@example.test")).Verdict)
	r := one(t, checks.WithLookups(context.Background(), 50), c, mail("a@example.test"))
	require.Equal(t, checks.TempError, r.Verdict)
	require.Equal(t, "too many DNS look-ups for one mail", r.Reason)
}

// TestHuge has records of the length that the DNS can carry at most.
func TestHuge(t *testing.T) {
	for name, record := range map[string]string{
		"terms":  "v=spf1" + strings.Repeat(" ip4:192.0.2.9", 4600) + " -all",
		"spaces": "v=spf1" + strings.Repeat(" ", 65000),
		"macro":  "v=spf1 exists:%{" + strings.Repeat("d", 65000),
		"macros": "v=spf1 exists:" + strings.Repeat("%{d}", 101) + ".test -all",
	} {
		began := time.Now()
		r := one(t, context.Background(), &spf.Checker{Resolver: texts{record}}, mail("a@example.test"))
		require.Equal(t, checks.PermError, r.Verdict, name)
		require.Less(t, len(r.Reason), 200)
		require.Less(t, time.Since(began), 5*time.Second)
	}
	// As much as is allowed, at every one of ten levels.
	record := "v=spf1 include:" + strings.Repeat("%{s}", 100) + ".test -all"
	m := mail(strings.Repeat("a.", 500) + "a@example.test")
	began := time.Now()
	require.Equal(t, checks.PermError, one(t, context.Background(), &spf.Checker{Resolver: texts{record}}, m).Verdict)
	require.Less(t, time.Since(began), 5*time.Second) // it takes a few milliseconds
	many := make(texts, 1000)
	for i := range many {
		many[i] = strings.Repeat("x", 60)
	}
	require.Equal(t, checks.None, one(t, context.Background(), &spf.Checker{Resolver: many},
		mail("a@example.test")).Verdict)
}

func TestExaminer(t *testing.T) {
	c := &spf.Checker{Resolver: texts{"v=spf1 include:%{l}.%{h}.test mx -all"}}
	checkstest.Run(t, func(*testing.T) checks.Checker { return c })
}

// FuzzRecord gives any record, sender and greeting to the check: there is a verdict, and soon.
func FuzzRecord(f *testing.F) {
	for _, seed := range []string{"v=spf1 a:%{d}/24//64 -all", "v=spf1 exists:%{ir}.%{v}.%{l1r+-}.test redirect=x.test",
		"v=spf1 ptr mx:%%%_%-.x ip6:::1/3 exp=a.b"} {
		f.Add(seed, "a@example.test", "mail.example.test")
	}
	f.Fuzz(func(t *testing.T, record, from, helo string) {
		c := &spf.Checker{Resolver: texts{record}}
		m := mail(from)
		m.Hostname = helo
		r := one(t, context.Background(), c, m)
		require.NotContains(t, []checks.Verdict{"", checks.TempError}, r.Verdict)
	})
}

func BenchmarkCheck(b *testing.B) {
	zone := `example.test. TXT "v=spf1 mx include:_spf.example.test ip4:198.51.100.0/24 -all"
example.test. MX 10 mx.example.test.
mx.example.test. A 192.0.2.7
_spf.example.test. TXT "v=spf1 a:relay.example.test ip6:2001:db8::/32 ?all"
relay.example.test. A 192.0.2.1
`
	c := &spf.Checker{Resolver: resolverAt(b, testserver.DNS(b, testserver.Zone(b, zone)))}
	m := mail("a@example.test")
	b.ReportAllocs()
	for b.Loop() {
		if results, err := c.Check(b.Context(), m); err != nil || results[0].Verdict != checks.Pass {
			b.Fatal(results, err)
		}
	}
}
