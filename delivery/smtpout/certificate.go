package smtpout

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/queue"
)

// describeCipher tells the cipher suite in the terms of OpenSSL: bits that protect, and bits of the algorithm.
func describeCipher(state *tls.ConnectionState) *queue.Cipher {
	c := &queue.Cipher{Name: tls.CipherSuiteName(state.CipherSuite), ID: int(state.CipherSuite),
		Version: versionName(state.Version), Resumed: state.DidResume}
	if state.CurveID != 0 {
		c.Group = state.CurveID.String()
	}
	switch {
	case strings.Contains(c.Name, "AES_256"), strings.Contains(c.Name, "CHACHA20"):
		c.Bits, c.AlgBits = 256, 256
	case strings.Contains(c.Name, "3DES"):
		c.Bits, c.AlgBits = 112, 168
	case strings.Contains(c.Name, "128"):
		c.Bits, c.AlgBits = 128, 128
	}
	return c
}

// versionName is "TLSv1.3" and the like.
func versionName(version uint16) string {
	return strings.Replace(tls.VersionName(version), "TLS ", "TLSv", 1)
}

// describeCertificate tells of the remote's certificate, and whether it chains up to a root and is valid for one of
// names.
func describeCertificate(state *tls.ConnectionState, base *tls.Config, names []string) *queue.Certificate {
	if len(state.PeerCertificates) == 0 {
		return &queue.Certificate{Result: "the remote has no certificate"}
	}
	leaf := state.PeerCertificates[0]
	c := &queue.Certificate{
		NotBefore: leaf.NotBefore.UTC(),
		NotAfter:  leaf.NotAfter.UTC(),
		Version:   leaf.Version,
		KeyUsage:  int(leaf.KeyUsage),
		SelfSigned: bytes.Equal(leaf.RawSubject, leaf.RawIssuer) &&
			leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil,
		Subject:  describeName(&leaf.Subject),
		Issuer:   describeName(&leaf.Issuer),
		AltNames: altNames(leaf),
	}
	if err := verify(state.PeerCertificates, base, names); err != nil {
		c.Result = printable(err.Error())
	} else {
		c.Verified, c.Result = true, "ok"
	}
	return c
}

func verify(chain []*x509.Certificate, base *tls.Config, names []string) error {
	options := x509.VerifyOptions{Intermediates: x509.NewCertPool()}
	if base != nil {
		options.Roots = base.RootCAs
		if base.Time != nil {
			options.CurrentTime = base.Time()
		}
	}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(options); err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		err := chain[0].VerifyHostname(strings.TrimSuffix(name, "."))
		if err == nil {
			return nil
		}
		if failed == nil {
			failed = err
		}
	}
	if failed == nil {
		failed = fmt.Errorf("x509: no name to verify the certificate for")
	}
	return failed
}

// maxAltNames bounds what is kept of a certificate's names; some have hundreds.
const maxAltNames = 50

func altNames(c *x509.Certificate) []string {
	names := make([]string, 0, min(len(c.DNSNames)+len(c.IPAddresses), maxAltNames))
	for _, name := range c.DNSNames {
		if len(names) < maxAltNames {
			names = append(names, printable(name))
		}
	}
	for _, ip := range c.IPAddresses {
		if len(names) < maxAltNames {
			names = append(names, ip.String())
		}
	}
	return names
}

func describeName(n *pkix.Name) *queue.Name {
	first := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return printable(list[0])
	}
	return &queue.Name{Common: printable(n.CommonName), Country: first(n.Country), State: first(n.Province),
		Locality: first(n.Locality), Organization: first(n.Organization), Unit: first(n.OrganizationalUnit)}
}
