package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// certificate makes a certificate for mtad.test and returns the settings that name it.
func certificate(t testing.TB) settings {
	t.Helper()
	dir := t.TempDir()
	set := settings{"smtp-certificate": filepath.Join(dir, "cert.pem"), "smtp-key": filepath.Join(dir, "key.pem")}
	writeCertificate(t, set, "mtad.test")
	return set
}

// writeCertificate writes a fresh certificate into the files that the settings name and returns a pool that trusts it.
func writeCertificate(t testing.TB, set settings, name string) *x509.CertPool {
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

// TestSTARTTLS encrypts the way in and the way out, and has a new certificate take effect without a restart.
func TestSTARTTLS(t *testing.T) {
	t.Parallel()
	offered, _, err := smtptest.SelfSigned("sink.test")
	require.NoError(t, err)
	k := newKeeper(t, &smtptest.Sink{TLS: offered})
	set := certificate(t)
	d := start(t, k.settings().with(set))
	d.send(t, &smtptest.Source{Messages: 3, Size: 1 << 10, TLS: &tls.Config{InsecureSkipVerify: true}})
	for _, m := range k.await(t, 3) {
		require.True(t, m.TLS, "the way out")
		require.Contains(t, string(m.Data), "with ESMTPS", "the way in")
		require.Equal(t, "mtad.test", m.Helo)
	}
	if testing.Short() {
		return // files are looked at every ten seconds
	}
	pool := writeCertificate(t, set, "new.test")
	require.Eventually(t, func() bool { return d.certifies(t, "new.test", pool) }, patience, 200*time.Millisecond,
		"a new certificate is not used")
}

// certifies reports whether STARTTLS shows a valid certificate for a name.
func (d *daemon) certifies(t testing.TB, name string, pool *x509.CertPool) bool {
	t.Helper()
	c := d.talk(t)
	defer c.conn.Close()
	c.command("EHLO client.test", 250)
	c.command("STARTTLS", 220)
	return tls.Client(c.conn, &tls.Config{ServerName: name, RootCAs: pool}).HandshakeContext(t.Context()) == nil
}

// TestImplicitTLS takes mail on a port with TLS from the first byte.
func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, &smtptest.Sink{})
	set := certificate(t)
	d := start(t, k.settings().with(set).with(settings{"smtp-secure-port": freePort(t)}))
	conn, err := tls.Dial("tcp", "127.0.0.1:"+d.settings["smtp-secure-port"], &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c := newClient(t, conn)
	c.expect(220)
	c.mail("a@client.test", "b@sink.test", "Subject: safe\r\n\r\nText", 250)
	require.Contains(t, string(k.await(t, 1)[0].Data), "with ESMTPS")

	garbage := dial(t, "127.0.0.1:"+d.settings["smtp-secure-port"])
	garbage.raw("EHLO client.test\r\nMAIL FROM:<a@client.test>\r\n")
	garbage.ended()
}
