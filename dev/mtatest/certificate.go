package mtatest

import (
	"crypto/x509"
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
	pool, err := smtptest.WriteSelfSigned(set["smtp-certificate"], set["smtp-key"], name)
	require.NoError(t, err)
	return pool
}
