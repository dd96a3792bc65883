package dkim_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dkim"
	"github.com/sluicemail/sluice/internal/mailsuite"
)

// Mails of 10 KiB with one signature, keys at hand.
func BenchmarkCheck(b *testing.B) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	for name, key := range map[string]crypto.Signer{"ed25519": nil, "rsa-2048": rsaKey, "none": nil} {
		b.Run(name, func(b *testing.B) {
			options, zone := signer(b)
			if key != nil {
				options.Signer, options.Selector = key, "rsa"
				zone.Add("rsa._domainkey.example.org", "TXT", rsaRecord(b, &rsaKey.PublicKey))
			}
			mail := mailsuite.CRLF(sample + strings.Repeat("A line of text, as long as lines of mails are.\n", 220))
			want := checks.None
			if name != "none" {
				mail, want = sign(b, options, mail), checks.Pass
			}
			checker := &dkim.Checker{Resolver: zone}
			b.ReportAllocs()
			for b.Loop() {
				results, err := checker.Check(b.Context(), mailOf(mail))
				if err != nil || results[0].Verdict != want {
					b.Fatal(err, jsons(results))
				}
			}
		})
	}
}
