package smtpout_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority signs the certificates of test servers.
type authority struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	pool  *x509.CertPool
	right tls.Certificate // for mx.example.org and example.org
}

// theAuthority is made once; making keys takes time.
var theAuthority = sync.OnceValue(func() *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"},
		NotBefore: long(-1), NotAfter: long(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	a.right = a.issue(long(1), "mx.example.org", "example.org")
	return a
})

// long is a number of years from the beginning of synthetic time, and so as far from now.
func long(years int) time.Time {
	if years < 0 {
		return time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
}

func (a *authority) issue(until time.Time, names ...string) tls.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: long(-1), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// selfSigned makes a certificate that nobody vouches for.
func selfSigned(t *testing.T, name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: name},
		DNSNames:  []string{name},
		NotBefore: long(-1), NotAfter: long(1), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func trusting(*testing.T) *tls.Config { return &tls.Config{RootCAs: theAuthority().pool} }

func serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{theAuthority().right}}
}

func serverTLS(_ *testing.T, nc net.Conn) net.Conn {
	return tls.Server(nc, serverConfig())
}

// rsaCertificate makes one with the kind of key that most hosts have.
func rsaCertificate(tb testing.TB) tls.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(tb, err)
	a := theAuthority()
	template := &x509.Certificate{SerialNumber: big.NewInt(4), Subject: pkix.Name{CommonName: "mx.example.org"},
		DNSNames: []string{"mx.example.org"}, NotBefore: long(-1), NotAfter: long(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(tb, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
