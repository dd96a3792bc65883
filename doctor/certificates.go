package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/internal/human"
)

// renewal is how long before its end a certificate should have been renewed.
const renewal = 14 * 24 * time.Hour

// checkCertificates reads the certificates as the server does, and judges them as clients do.
func checkCertificates(r *round) {
	for _, c := range r.Certificates {
		where := c.Use + " " + c.Cert
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			r.fail("cert-files", where, "certificate and key cannot be used: "+err.Error(),
				"name the certificate with its chain, and the key that belongs to it")
			continue
		}
		r.checkCertificate(where, c.Names, &pair)
	}
}

func (r *round) checkCertificate(where string, names []string, pair *tls.Certificate) {
	leaf := pair.Leaf
	switch left := leaf.NotAfter.Sub(r.now()); {
	case left <= 0:
		r.fail("cert-expired", where, "it ended at "+human.Clock(leaf.NotAfter), "renew it")
		return
	case r.now().Before(leaf.NotBefore):
		r.fail("cert-early", where, "it begins only at "+human.Clock(leaf.NotBefore),
			"look at the clock, or use the one before")
		return
	case left < renewal:
		r.warn("cert-expiring", where, "it ends in "+strconv.Itoa(int(left.Hours()/24))+" days", "renew it")
	}
	for _, name := range names {
		if err := leaf.VerifyHostname(name); err != nil {
			r.warn("cert-name", where, "it is not for "+name+": "+err.Error(), "have one made for "+name)
		}
	}
	between := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: r.Roots, Intermediates: between, CurrentTime: r.now()})
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		r.warn("cert-chain", where, "clients cannot follow it to an authority: "+err.Error(),
			"put the intermediate certificates behind it into the file; a self-signed one serves opportunistic TLS only")
	} else if err != nil {
		r.warn("cert-chain", where, "clients will not believe it: "+err.Error(), "have a new one made")
	}
}
