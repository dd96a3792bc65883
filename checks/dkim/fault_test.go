package dkim_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dkim"
	"github.com/sluicemail/sluice/internal/mailsuite"
)

// signer signs with an Ed25519 key whose record stands in a zone.
func signer(t testing.TB) (*msgauth.SignOptions, *mailsuite.Zone) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	var zone mailsuite.Zone
	zone.Add("s1._domainkey.example.org", "TXT",
		"v=DKIM1; k=ed25519; p="+base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey)))
	return &msgauth.SignOptions{Domain: "example.org", Selector: "s1", Signer: key,
		HeaderCanonicalization: msgauth.CanonicalizationRelaxed, BodyCanonicalization: msgauth.CanonicalizationRelaxed}, &zone
}

func sign(t testing.TB, options *msgauth.SignOptions, mail []byte) []byte {
	var b bytes.Buffer
	require.NoError(t, msgauth.Sign(&b, bytes.NewReader(mail), options))
	return b.Bytes()
}

// counted counts the questions to a zone.
type counted struct {
	*mailsuite.Zone
	n atomic.Int64
}

func (c *counted) LookupTXT(ctx context.Context, name string) ([]string, error) {
	c.n.Add(1)
	return c.Zone.LookupTXT(ctx, name)
}

func TestThousandSignatures(t *testing.T) {
	options, zone := signer(t)
	signed := sign(t, options, mailsuite.CRLF(sample))
	one := signed[:bytes.Index(signed, []byte("\r\nFrom:"))+2]
	resolver := &counted{Zone: zone}
	mail := append(bytes.Repeat(one, 1000), mailsuite.CRLF(sample)...)
	results, err := (&dkim.Checker{Resolver: resolver}).Check(t.Context(), mailOf(mail))
	require.NoError(t, err)
	require.Len(t, results, 11)
	for _, r := range results[:10] {
		require.Equal(t, checks.Pass, r.Verdict)
	}
	require.JSONEq(t, `{"dkim":"policy","reason":"990 more signatures were not looked at"}`, string(results[10].JSON))
	require.Equal(t, int64(1), resolver.n.Load(), "the same key is asked for once")

	results, err = (&dkim.Checker{Resolver: zone, MaxSignatures: 2}).Check(t.Context(), mailOf(mail))
	require.NoError(t, err)
	require.Len(t, results, 3)
}

// Mails that are large or odd in every way are judged in no time: a signature over all of it still holds.
func TestLargeHeaders(t *testing.T) {
	many := strings.Repeat("X-Many: value\n", 10000)
	long := "X-Long: " + strings.Repeat("word ", 200_000) + "\n"
	folded := "X-Folded: a" + strings.Repeat("\n b", 20_000) + "\n"
	for name, extra := range map[string]string{"10,000 fields": many, "1 MB in a field": long, "20,000 folds": folded} {
		t.Run(name, func(t *testing.T) {
			options, zone := signer(t)
			options.HeaderKeys = []string{"From", "Subject", "X-Many", "X-Many", "X-Long", "X-Folded"}
			mail := sign(t, options, mailsuite.CRLF("Subject: x\n"+extra+sample))
			started := time.Now()
			results, err := (&dkim.Checker{Resolver: zone}).Check(t.Context(), mailOf(mail))
			require.NoError(t, err)
			require.Less(t, time.Since(started), 2*time.Second)
			require.Equal(t, checks.Pass, results[0].Verdict, jsons(results))
		})
	}
}

// Signatures that are huge or nonsense cost no look-up and have no huge results.
func TestHugeSignatures(t *testing.T) {
	for name, value := range map[string]string{
		"1 MB of tags": strings.Repeat("x=y; ", 200_000),
		"1 MB of b":    "v=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=AAAA; b=" + strings.Repeat("A", 1<<20),
		"huge domain":  "v=1; a=rsa-sha256; d=" + strings.Repeat("a", 50_000) + "; s=s1; h=from; bh=AAAA; b=AAAA",
		"huge identity": "v=1; a=rsa-sha256; d=a.b; i=" + strings.Repeat("a", 50_000) +
			"@a.b; s=s1; h=from; bh=AAAA; b=AAAA",
		"huge algorithm":   "v=1; a=" + strings.Repeat("a", 50_000) + "; d=a.b; s=s1; h=from; bh=AAAA; b=AAAA",
		"many fields":      "v=1; a=rsa-sha256; d=a.b; s=s1; h=from" + strings.Repeat(":to", 10_000) + "; bh=AAAA; b=AAAA",
		"many tags":        "v=1; " + strings.Repeat("x", 1) + "=1; " + manyTags(),
		"control":          "v=1; a=\x01",
		"nothing":          "",
		"semicolons":       strings.Repeat(";", 60_000),
		"equals":           strings.Repeat("=", 60_000),
		"label over 63":    "v=1; a=rsa-sha256; d=" + strings.Repeat("a", 64) + ".org; s=s1; h=from; bh=AAAA; b=AAAA",
		"selector of dots": "v=1; a=rsa-sha256; d=a.b; s=...; h=from; bh=AAAA; b=AAAA",
	} {
		t.Run(name, func(t *testing.T) {
			resolver := &counted{Zone: &mailsuite.Zone{}}
			mail := append([]byte("DKIM-Signature: "+value+"\r\n"), mailsuite.CRLF(sample)...)
			results, err := (&dkim.Checker{Resolver: resolver}).Check(t.Context(), mailOf(mail))
			require.NoError(t, err)
			require.Len(t, results, 1)
			require.Contains(t, []checks.Verdict{checks.Neutral, checks.Policy}, results[0].Verdict)
			require.NotEmpty(t, results[0].Reason)
			require.Less(t, len(results[0].JSON), 2000)
			require.Zero(t, resolver.n.Load())
		})
	}
}

func manyTags() string {
	var b strings.Builder
	for i := range 200 {
		b.WriteString("t" + strings.Repeat("a", i%60) + string(rune('a'+i%26)) + string(rune('a'+i/26)) + "=1; ")
	}
	return b.String()
}

func TestHugeRecord(t *testing.T) {
	options, _ := signer(t)
	var zone mailsuite.Zone
	zone.Add("s1._domainkey.example.org", "TXT", "v=DKIM1; k=ed25519; p="+strings.Repeat("A", 60_000))
	results, err := (&dkim.Checker{Resolver: &zone}).Check(t.Context(), mailOf(sign(t, options, mailsuite.CRLF(sample))))
	require.NoError(t, err)
	require.Equal(t, checks.PermError, results[0].Verdict)
	require.Less(t, len(results[0].JSON), 1000)
}

// slow never answers before the caller gives up.
type slow struct{}

func (slow) LookupTXT(ctx context.Context, name string) ([]string, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: ctx.Err().Error(), Name: name, IsTimeout: true, IsTemporary: true}
}

// When the time for the check is over, nobody can say.
func TestOutOfTime(t *testing.T) {
	options, zone := signer(t)
	mail := sign(t, options, mailsuite.CRLF(sample))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	results, err := (&dkim.Checker{Resolver: slow{}}).Check(ctx, mailOf(mail))
	require.NoError(t, err)
	require.Equal(t, checks.TempError, results[0].Verdict)

	results, err = (&dkim.Checker{Resolver: zone}).Check(ctx, mailOf(mail)) // the key is there, the time is not
	require.NoError(t, err)
	require.Equal(t, checks.TempError, results[0].Verdict)
}

// The budget of a mail holds: with it used up, nobody can say.
func TestBudget(t *testing.T) {
	options, zone := signer(t)
	mail := sign(t, options, mailsuite.CRLF(sample))
	bounded := checks.Bound(zone)
	results, err := (&dkim.Checker{Resolver: bounded}).Check(checks.WithLookups(t.Context(), 0), mailOf(mail))
	require.NoError(t, err)
	require.Equal(t, checks.TempError, results[0].Verdict)
	results, err = (&dkim.Checker{Resolver: bounded}).Check(checks.WithLookups(t.Context(), 1), mailOf(mail))
	require.NoError(t, err)
	require.Equal(t, checks.Pass, results[0].Verdict)
}

// broken is a mail whose disk fails.
type broken struct{ *bytes.Reader }

var errDisk = errors.New("disk on fire")

func (b broken) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestUnreadable(t *testing.T) {
	options, zone := signer(t)
	mail := mailOf(sign(t, options, mailsuite.CRLF(sample)))
	mail.Body = broken{mail.Body.(*bytes.Reader)}
	_, err := (&dkim.Checker{Resolver: zone}).Check(t.Context(), mail)
	require.ErrorIs(t, err, errDisk)

	_, err = (&dkim.Checker{}).Check(t.Context(), &checks.Mail{})
	require.Error(t, err)

	mail.Body = io.NewSectionReader(bytes.NewReader(nil), 0, 1<<20) // shorter than it says
	_, err = (&dkim.Checker{Resolver: zone}).Check(t.Context(), mail)
	require.Error(t, err)
}

// Bare line feeds are taken for the CRLF that they were, or will be.
func TestBareLineFeeds(t *testing.T) {
	options, zone := signer(t)
	mail := bytes.ReplaceAll(sign(t, options, mailsuite.CRLF(sample)), []byte("\r\n"), []byte("\n"))
	head := bytes.Index(mail, []byte("\n\n")) + 2
	results, err := (&dkim.Checker{Resolver: zone}).Check(t.Context(),
		&checks.Mail{Header: mail[:head], Body: bytes.NewReader(mail)})
	require.NoError(t, err)
	require.Equal(t, checks.Pass, results[0].Verdict, jsons(results))
}

// What goes into Authentication-Results.
func TestProperties(t *testing.T) {
	options, zone := signer(t)
	results, err := (&dkim.Checker{Resolver: zone}).Check(t.Context(), mailOf(sign(t, options, mailsuite.CRLF(sample))))
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Len(t, results[0].Properties, 5)
	require.Equal(t, []checks.Property{{Name: "header.d", Value: "example.org"}, {Name: "header.i", Value: "@example.org"},
		{Name: "header.s", Value: "s1"}, {Name: "header.a", Value: "ed25519-sha256"}}, results[0].Properties[:4])
	require.Equal(t, "header.b", results[0].Properties[4].Name)
	require.Len(t, results[0].Properties[4].Value, 8)
}

// secureZone is a zone that DNSSEC vouches for.
type secureZone struct{ *mailsuite.Zone }

func (z secureZone) LookupTXTSecure(ctx context.Context, name string) ([]string, bool, error) {
	texts, err := z.LookupTXT(ctx, name)
	return texts, err == nil, err
}

func TestDNSSEC(t *testing.T) {
	options, zone := signer(t)
	mail := mailOf(sign(t, options, mailsuite.CRLF(sample)))
	results, err := (&dkim.Checker{Resolver: secureZone{zone}}).Check(t.Context(), mail)
	require.NoError(t, err)
	require.Contains(t, string(results[0].JSON), `"dnssec":true`)
	require.Contains(t, results[0].Properties, checks.SecureProperty())
	results, err = (&dkim.Checker{Resolver: zone}).Check(t.Context(), mail)
	require.NoError(t, err)
	require.NotContains(t, string(results[0].JSON), "dnssec")
	require.NotContains(t, results[0].Properties, checks.SecureProperty())
}
