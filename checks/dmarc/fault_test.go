package dmarc_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/internal/mailsuite"
)

const aligned = "spf none\ndkim pass example.org"

func zone(t testing.TB) *mailsuite.Zone {
	return mailsuite.ParseZone(t, "_dmarc.example.org TXT v=DMARC1; p=reject")
}

// Froms and headers that are huge or nonsense are judged at once.
func TestHostileFrom(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		want   checks.Verdict
	}{
		"10,000 fields":       {strings.Repeat("X-Many: x\n", 10_000) + "From: a@example.org\n", checks.Pass},
		"1 MB before From":    {"X: " + strings.Repeat("y ", 500_000) + "\nFrom: a@example.org\n", checks.Pass},
		"1 MB display name":   {"From: \"" + strings.Repeat("y", 1<<20) + "\" <a@example.org>\n", checks.Pass},
		"deep comment":        {"From: " + strings.Repeat("(", 100_000) + "\n", checks.None},
		"100,000 addresses":   {"From: " + strings.Repeat("a@example.org,", 100_000) + "\n", checks.Pass},
		"many angles":         {"From: " + strings.Repeat("<a@example.org>", 10_000) + "\n", checks.Pass},
		"open quote":          {"From: \"a@example.org\n", checks.Pass},
		"open angle":          {"From: <a@example.org\n", checks.Pass},
		"open comment":        {"From: a@example.org (oops\n", checks.Pass},
		"1,000 From fields":   {strings.Repeat("From: a@example.org\n", 1000), checks.PermError},
		"many domains":        {"From: " + manyDomains() + "\n", checks.PermError},
		"domain of 300 bytes": {"From: a@" + strings.Repeat("a.", 150) + "org\n", checks.PermError},
		"label over 63":       {"From: a@" + strings.Repeat("a", 64) + ".org\n", checks.PermError},
		"bytes":               {"From: \xff\x00@\x01\n", checks.PermError},
		"nothing":             {"", checks.PermError},
	} {
		t.Run(name, func(t *testing.T) {
			z := zone(t)
			started := time.Now()
			r := check(t, &dmarc.Checker{Resolver: z}, mailsuite.CRLF(c.header+"\n"), earlier(aligned))
			require.Equal(t, c.want, r.Verdict, "%s", r.JSON)
			require.Less(t, len(r.JSON), 1000)
			require.Less(t, len(z.Queries()), 10)
			require.Less(t, time.Since(started), 2*time.Second)
		})
	}
}

func manyDomains() string {
	var b strings.Builder
	for range 1000 {
		b.WriteString("a@d" + strings.Repeat("x", b.Len()%50) + ".example, ")
	}
	return b.String()
}

func TestHugeRecord(t *testing.T) {
	z := mailsuite.ParseZone(t, "")
	z.Add("_dmarc.example.org", "TXT", "v=DMARC1; p=reject; "+strings.Repeat("x=y; ", 12_000))
	r := check(t, &dmarc.Checker{Resolver: z}, mailsuite.CRLF("From: a@example.org\n\n"), earlier(aligned))
	require.Equal(t, checks.None, r.Verdict)
}

// Signatures of strangers, however many, cost no question.
func TestManyStrangers(t *testing.T) {
	z := zone(t)
	var lines strings.Builder
	for i := range 1000 {
		lines.WriteString("dkim pass a.b.c.d" + strings.Repeat("x", i%50) + ".example.com\n")
	}
	r := check(t, &dmarc.Checker{Resolver: z}, mailsuite.CRLF("From: a@example.org\n\n"), earlier(lines.String()))
	require.Equal(t, checks.Fail, r.Verdict)
	require.Equal(t, []string{"TXT _dmarc.example.org", "TXT _dmarc.org"}, z.Queries())
	require.Less(t, len(r.JSON), 500)
}

// slow never answers before the caller gives up.
type slow struct{ *mailsuite.Zone }

func (slow) LookupTXT(ctx context.Context, name string) ([]string, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: ctx.Err().Error(), Name: name, IsTimeout: true, IsTemporary: true}
}

func TestOutOfTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	results, err := (&dmarc.Checker{Resolver: slow{zone(t)}}).Check(ctx,
		&checks.Mail{Header: []byte("From: a@example.org\r\n\r\n")})
	require.NoError(t, err)
	require.Equal(t, checks.TempError, results[0].Verdict)
	require.Equal(t, "none", results[0].Detail.(checks.DMARC).Disposition)
}

func TestBudget(t *testing.T) {
	ctx := checks.WithLookups(t.Context(), 1)
	results, err := (&dmarc.Checker{Resolver: zone(t)}).Check(ctx, &checks.Mail{
		Header: []byte("From: a@example.org\r\n\r\n"), Earlier: earlier(aligned)})
	require.NoError(t, err)
	require.Equal(t, checks.TempError, results[0].Verdict)
}

// Answers with properties say what A-R needs.
func TestProperties(t *testing.T) {
	r := check(t, &dmarc.Checker{Resolver: zone(t)}, mailsuite.CRLF("From: a@mail.example.org\n\n"), earlier(aligned))
	require.Equal(t, []checks.Property{{Name: "header.from", Value: "mail.example.org"},
		{Name: "polrec.p", Value: "reject"},
		{Name: "polrec.domain", Value: "example.org"}}, r.Properties)
	require.Equal(t, checks.DMARC{From: "mail.example.org", Domain: "example.org", Policy: "reject", Disposition: "none"},
		r.Detail)
	require.Equal(t, []string{"spf", "dkim"}, new(dmarc.Checker).After())
}

func BenchmarkCheck(b *testing.B) {
	raw := mailsuite.CRLF("Received: x\nTo: b@example.net\nFrom: Ann <a@mail.example.org>\nSubject: x\n\n")
	mail := &checks.Mail{Header: raw, Earlier: earlier("spf pass x@bounce.example.org\ndkim pass example.org")}
	checker := &dmarc.Checker{Resolver: cached{mailsuite.ParseZone(b, "")}}
	b.ReportAllocs()
	for b.Loop() {
		if results, err := checker.Check(b.Context(), mail); err != nil || results[0].Verdict != checks.Pass {
			b.Fatal(err, results)
		}
	}
}

// cached answers at once, as a resolver with a warm cache.
type cached struct{ *mailsuite.Zone }

var missing = &net.DNSError{Err: "no such host", IsNotFound: true}

func (cached) LookupTXT(_ context.Context, name string) ([]string, error) {
	if name == "_dmarc.example.org" {
		return []string{"v=DMARC1; p=reject; rua=mailto:dmarc@example.org"}, nil
	}
	return nil, missing
}

// TestManyDomainsAreNoWayAround puts a domain with a policy in front of more domains than are looked at.
func TestManyDomainsAreNoWayAround(t *testing.T) {
	z := zone(t)
	r := check(t, &dmarc.Checker{Resolver: z}, mailsuite.CRLF("From: boss@example.org, "+manyDomains()+"\n\n"),
		earlier("spf none"))
	require.Equal(t, checks.PermError, r.Verdict)
	require.Equal(t, "reject", r.Detail.(checks.DMARC).Disposition)
	require.Less(t, len(z.Queries()), 30)
}

// secureZone is a zone that DNSSEC vouches for.
type secureZone struct{ *mailsuite.Zone }

func (z secureZone) LookupTXTSecure(ctx context.Context, name string) ([]string, bool, error) {
	texts, err := z.LookupTXT(ctx, name)
	return texts, err == nil, err
}

func TestDNSSEC(t *testing.T) {
	mail := mailsuite.CRLF("From: a@mail.example.org\n\n")
	r := check(t, &dmarc.Checker{Resolver: secureZone{zone(t)}}, mail, earlier(aligned))
	require.Contains(t, string(r.JSON), `"dnssec":true`)
	require.Contains(t, r.Properties, checks.SecureProperty())
	r = check(t, &dmarc.Checker{Resolver: zone(t)}, mail, earlier(aligned))
	require.NotContains(t, string(r.JSON), "dnssec")
	require.NotContains(t, r.Properties, checks.SecureProperty())
}
