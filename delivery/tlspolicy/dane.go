package tlspolicy

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"time"

	"github.com/sluicemail/sluice/delivery/resolver"
)

// Values of TLSA records (RFC 6698 §2.1, RFC 7218) that mean something in SMTP (RFC 7672 §3.1).
const (
	daneTA = 2 // the record says who vouches for the certificate
	daneEE = 3 // the record says what the certificate is

	wholeCertificate = 0
	publicKey        = 1

	asItIs    = 0
	sha2of256 = 1
	sha2of512 = 2
)

// usable returns the records that say something which can be checked.
func usable(records []resolver.TLSA) []resolver.TLSA {
	return slices.DeleteFunc(slices.Clone(records), func(r resolver.TLSA) bool {
		if r.Usage != daneTA && r.Usage != daneEE || r.Selector != wholeCertificate && r.Selector != publicKey {
			return true
		}
		switch r.Matching {
		case asItIs:
			if r.Selector == wholeCertificate {
				_, err := x509.ParseCertificate(r.Data)
				return err != nil
			}
			_, err := x509.ParsePKIXPublicKey(r.Data)
			return err != nil
		case sha2of256:
			return len(r.Data) != sha256.Size
		case sha2of512:
			return len(r.Data) != sha512.Size
		}
		return true
	})
}

// matches reports whether a record describes a certificate.
func matches(r *resolver.TLSA, c *x509.Certificate) bool {
	data := c.Raw
	if r.Selector == publicKey {
		data = c.RawSubjectPublicKeyInfo
	}
	switch r.Matching {
	case sha2of256:
		sum := sha256.Sum256(data)
		data = sum[:]
	case sha2of512:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return bytes.Equal(data, r.Data)
}

// verifyDANE judges a chain by records that are usable. The certificate that a record of usage 3 describes is good
// whatever names and times it has (RFC 7672 §3.1.1); under one of usage 2 it must be valid for one of names (§3.2.3).
func verifyDANE(records []resolver.TLSA, names []string, chain []*x509.Certificate, now time.Time) error {
	anchors, found := x509.NewCertPool(), false
	for _, r := range records {
		switch {
		case r.Usage == daneEE:
			if matches(&r, chain[0]) {
				return nil
			}
		case r.Matching == asItIs && r.Selector == wholeCertificate: // the chain may leave it out
			if c, err := x509.ParseCertificate(r.Data); err == nil {
				anchors.AddCert(c)
				found = true
			}
		default:
			for _, c := range chain {
				if matches(&r, c) {
					anchors.AddCert(c)
					found = true
				}
			}
		}
	}
	if !found {
		return violation("validation-failure", "no TLSA record describes a certificate that the host showed")
	}
	return verifyChain(chain, anchors, names, now)
}
