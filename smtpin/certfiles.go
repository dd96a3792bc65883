package smtpin

import (
	"crypto/tls"
	"crypto/x509"
)

// CertFiles are certificates, of which each client gets the one that suits it: an ECDSA certificate costs a handshake a
// fraction of what an RSA certificate costs, which some clients still need. Its GetCertificate goes into a tls.Config.
// It may be used concurrently; at least one must be there.
type CertFiles []*CertFile

// Load reads all files now, whether they have changed or not. Call it at start, to learn of mistakes.
func (fs CertFiles) Load() error {
	for _, f := range fs {
		if err := f.Load(); err != nil {
			return err
		}
	}
	return nil
}

// GetCertificate returns a certificate that the client can verify, as tls.Config.GetCertificate: one for the name that
// the client asks for before others, then ECDSA before others, then the first. When the client can verify none, or
// hello is nil, the order alone decides.
func (fs CertFiles) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	certs, err := fs.current()
	if err != nil {
		return nil, err
	}
	if hello == nil {
		return certs[0], nil
	}
	asked := *hello
	for {
		for _, cert := range certs {
			if asked.SupportsCertificate(cert) == nil {
				return cert, nil
			}
		}
		if asked.ServerName == "" {
			return certs[0], nil
		}
		asked.ServerName = ""
	}
}

// current returns the certificates in use, ECDSA first.
func (fs CertFiles) current() ([]*tls.Certificate, error) {
	var first, others []*tls.Certificate
	for _, f := range fs {
		cert, err := f.GetCertificate(nil)
		if err != nil {
			return nil, err
		}
		if cert.Leaf.PublicKeyAlgorithm == x509.ECDSA {
			first = append(first, cert)
		} else {
			others = append(others, cert)
		}
	}
	return append(first, others...), nil
}
