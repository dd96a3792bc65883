package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestSTARTTLS encrypts the way in and the way out, and has a new certificate take effect without a restart.
func TestSTARTTLS(t *testing.T) {
	t.Parallel()
	offered, _, err := smtptest.SelfSigned("sink.test")
	require.NoError(t, err)
	k := mtatest.NewKeeper(t, &smtptest.Sink{TLS: offered})
	set := mtatest.Certificate(t)
	d := mtatest.Inside(t, k.Settings().With(set))
	d.Send(t, &smtptest.Source{Messages: 3, Size: 1 << 10, TLS: &tls.Config{InsecureSkipVerify: true}})
	for _, m := range k.Await(t, 3) {
		require.True(t, m.TLS, "the way out")
		require.Contains(t, string(m.Data), "with ESMTPS", "the way in")
		require.Equal(t, "mtad.test", m.Helo)
	}
	if testing.Short() {
		return // files are looked at every ten seconds
	}
	pool := mtatest.WriteCertificate(t, set, "new.test")
	require.Eventually(t, func() bool { return certifies(t, d, "new.test", pool) }, mtatest.Patience, 200*time.Millisecond,
		"a new certificate is not used")
}

// certifies reports whether STARTTLS shows a valid certificate for a name.
func certifies(t testing.TB, d *mtatest.Daemon, name string, pool *x509.CertPool) bool {
	t.Helper()
	c := d.Talk(t)
	defer c.Conn.Close()
	c.Command("EHLO client.test", 250)
	c.Command("STARTTLS", 220)
	return tls.Client(c.Conn, &tls.Config{ServerName: name, RootCAs: pool}).HandshakeContext(t.Context()) == nil
}

// TestImplicitTLS takes mail on a port with TLS from the first byte.
func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	set := mtatest.Certificate(t)
	d := mtatest.Inside(t, k.Settings().With(set).With(mtatest.Settings{"smtp-secure-port": mtatest.FreePort(t)}))
	conn, err := tls.Dial("tcp", "127.0.0.1:"+d.Settings["smtp-secure-port"], &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c := mtatest.NewClient(t, conn)
	c.Expect(220)
	c.Mail("a@client.test", "b@sink.test", "Subject: safe\r\n\r\nText", 250)
	require.Contains(t, string(k.Await(t, 1)[0].Data), "with ESMTPS")

	garbage := mtatest.Dial(t, "127.0.0.1:"+d.Settings["smtp-secure-port"])
	garbage.Raw("EHLO client.test\r\nMAIL FROM:<a@client.test>\r\n")
	ended(garbage)
}
