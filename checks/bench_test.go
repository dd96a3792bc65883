package checks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dkim"
	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/checks/spf"
	"github.com/sluicemail/sluice/internal/mailsuite"
)

// BenchmarkMail has a signed mail of 10 KiB checked for spf, dkim and dmarc, with all names at hand.
func BenchmarkMail(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(b, err)
	var zone mailsuite.Zone
	zone.Add("sel._domainkey.example.org", "TXT", "v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(der))
	zone.Add("example.org", "TXT", "v=spf1 ip4:192.0.2.0/24 -all")
	zone.Add("_dmarc.example.org", "TXT", "v=DMARC1; p=reject")
	var signed strings.Builder
	plain := "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\n" +
		strings.Repeat("A line of text, as long as lines of mails are.\r\n", 220)
	require.NoError(b, msgauth.Sign(&signed, strings.NewReader(plain), &msgauth.SignOptions{Domain: "example.org",
		Selector: "sel", Signer: key, HeaderCanonicalization: "relaxed", BodyCanonicalization: "relaxed"}))
	r := &checks.Runner{Checkers: []checks.Checker{
		&spf.Checker{Resolver: &zone}, &dkim.Checker{Resolver: &zone}, &dmarc.Checker{Resolver: &zone}}}
	text := signed.String()
	end := strings.Index(text, "\r\n\r\n") + 4
	b.ReportAllocs()
	for b.Loop() {
		mail := &checks.Mail{Client: netip.MustParseAddr("192.0.2.1"), Hostname: "mail.example.org",
			Envelope: "ann@example.org", Header: []byte(text[:end]), Body: strings.NewReader(text)}
		if got := verdicts(r.Check(b.Context(), mail)); got != "spf=pass dkim=pass dmarc=pass" {
			b.Fatal(got)
		}
	}
}
