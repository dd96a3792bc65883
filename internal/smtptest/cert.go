package smtptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"time"
)

// SelfSigned returns a TLS configuration with a fresh certificate for the given names and addresses that is its own
// issuer, and a pool that trusts it. Without names it is for localhost, 127.0.0.1 and ::1.
func SelfSigned(names ...string) (*tls.Config, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	return selfSigned(key, names)
}

func selfSigned(key crypto.Signer, names []string) (*tls.Config, *x509.CertPool, error) {
	if len(names) == 0 {
		names = []string{"localhost", "127.0.0.1", "::1"}
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: names[0]},
		NotBefore:             time.Unix(0, 0), // in any clock of a test
		NotAfter:              time.Unix(1<<32, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return &tls.Config{Certificates: []tls.Certificate{cert}}, pool, nil
}

// WriteSelfSigned writes a certificate as SelfSigned makes it, and its key, in PEM, each in one step over what was
// there. The pool trusts it.
func WriteSelfSigned(certFile, keyFile string, names ...string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return WriteSelfSignedWith(key, certFile, keyFile, names...)
}

// WriteSelfSignedWith is WriteSelfSigned with a key that is there, of any kind.
func WriteSelfSignedWith(private crypto.Signer, certFile, keyFile string, names ...string) (*x509.CertPool, error) {
	config, pool, err := selfSigned(private, names)
	if err != nil {
		return nil, err
	}
	pair := config.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	return pool, errors.Join(writePEM(keyFile, "PRIVATE KEY", key), writePEM(certFile, "CERTIFICATE", pair.Certificate[0]))
}

func writePEM(file, kind string, der []byte) error {
	if err := os.WriteFile(file+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
