package rabbit

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestRequireTLS takes mail with REQUIRETLS, lets another program see it in the broker and pass it on, and has it go
// with REQUIRETLS to another mtad, whose certificate DANE vouches for; not to a host that does not offer it.
func TestRequireTLS(t *testing.T) {
	t.Parallel()
	n := mtatest.NewNetwork(t)
	theirs := mtatest.Certificate(t)
	pair, err := tls.LoadX509KeyPair(theirs["smtp-certificate"], theirs["smtp-key"])
	require.NoError(t, err)
	offered, _, err := smtptest.SelfSigned("old.test")
	require.NoError(t, err)
	name := nameServer(t, fmt.Sprintf(`
box.test. MX 10 new.test.
poor.test. MX 10 old.test.
new.test. A %s
old.test. A %s
_25._tcp.new.test. TLSA 3 1 1 %s
_25._tcp.old.test. TLSA 3 1 1 %s
`, n.Host(1), n.Host(2), digest(pair.Leaf.RawSubjectPublicKeyInfo),
		digest(offered.Certificates[0].Leaf.RawSubjectPublicKeyInfo)))
	old := n.Sink(t, 2, &smtptest.Sink{TLS: offered})
	routes := filepath.Join(t.TempDir(), "routes")
	require.NoError(t, os.WriteFile(routes, []byte("*:maildir://"+t.TempDir()+"/{domain}\n"), 0o600))
	theirLog, logging := mtatest.SendLog(t)
	mtatest.Inside(t, logging.With(theirs).With(mtatest.Settings{"smtp-ip": n.Host(1), "smtp-port": "25", "smtp-routes": routes}))
	address := node.VHost(t)
	d := mtatest.Inside(t, mtatest.Queues(address).With(mtatest.Certificate(t)).With(mtatest.Settings{
		"rabbitmq-inbox": "inbox", "dns-servers": name, "dns-trust-ad": "true", "allow-private-targets": "true"}))
	ch := rabbittest.Stranger(t, address)

	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	require.Contains(t, c.StartTLS(), "REQUIRETLS")
	for _, to := range []string{"jo@box.test", "jo@poor.test"} {
		c.Command("MAIL FROM:<ann@client.test> REQUIRETLS", 250)
		c.Command("RCPT TO:<"+to+">", 250)
		c.Text("Subject: for your eyes\r\n\r\nx\r\n", 250)
		seen := get(t, ch, "inbox")
		require.Equal(t, true, seen["requiretls"], "another program sees it: %v", seen)
		put(t, ch, "", seen.text(t))
	}
	put(t, ch, "", object{"envelope": "ann@client.test", "recipient": "bo@poor.test", "mime": "Subject: x\r\n\r\nx\r\n",
		"requiretls": true}.text(t))

	sent := get(t, ch, "success")
	require.Equal(t, "jo@box.test", sent["recipient"])
	require.Equal(t, "message/accepted", sent.pair(t))
	require.Contains(t, mtatest.AwaitAttempts(t, theirLog, "jo@box.test", 1)[0].Line, `"requiretls":true`)
	for range 2 {
		refused := get(t, ch, "failure")
		require.Contains(t, []any{"jo@poor.test", "bo@poor.test"}, refused["recipient"])
		require.Equal(t, "5.7.30", refused.last(t)["status"])
	}
	require.Empty(t, old.Recipients())
}

// nameServer serves a zone, with answers marked as those of a resolver that validates.
func nameServer(t *testing.T, zone string) string {
	answer := testserver.Zone(t, zone)
	return testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) { answer(authentic{w}, q) })
}

type authentic struct{ dns.ResponseWriter }

func (a authentic) WriteMsg(m *dns.Msg) error {
	m.AuthenticatedData = true
	return a.ResponseWriter.WriteMsg(m)
}

// digest is what a TLSA record "3 1 1" says of a key.
func digest(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}
