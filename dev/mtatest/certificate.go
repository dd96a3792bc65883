package mtatest

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// Certificate makes a certificate for mtad.test and returns the settings that name it.
func Certificate(t testing.TB) Settings {
	t.Helper()
	dir := t.TempDir()
	set := Settings{"smtp-certificate": filepath.Join(dir, "cert.pem"), "smtp-key": filepath.Join(dir, "key.pem")}
	WriteCertificate(t, set, "mtad.test")
	return set
}

// WriteCertificate writes a fresh certificate into the files that the settings name and returns a pool that trusts it.
func WriteCertificate(t testing.TB, set Settings, name string) *x509.CertPool {
	t.Helper()
	config, pool, err := smtptest.SelfSigned(name)
	require.NoError(t, err)
	pair := config.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{
		set["smtp-key"]:         {Type: "PRIVATE KEY", Bytes: key},
		set["smtp-certificate"]: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
	} {
		require.NoError(t, os.WriteFile(file+".new", pem.EncodeToMemory(block), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	return pool
}
