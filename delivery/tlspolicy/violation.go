package tlspolicy

import (
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery"
)

func violation(kind, reason string) *delivery.TLSViolation {
	return &delivery.TLSViolation{Type: kind, Reason: reason}
}

// verifyChain reports how a chain fails to lead to roots, or to be valid for one of names, at a time. Nil roots are
// those of the system.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, names []string, now time.Time) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(options); err != nil {
		return violation(kindOf(err), err.Error())
	}
	var failed error
	for _, name := range names {
		if failed = chain[0].VerifyHostname(name); failed == nil {
			return nil
		}
	}
	return violation("certificate-host-mismatch", "the certificate is not valid for "+strings.Join(names, " or "))
}

// kindOf returns the result type of RFC 8460 §4.3.2 for an error of x509.
func kindOf(err error) string {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate-expired"
	case errors.As(err, &unknown), errors.As(err, &invalid):
		return "certificate-not-trusted"
	}
	return "validation-failure"
}
