package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestRequireTLS has mail with REQUIRETLS go from one mtad to another, whose certificate DANE vouches for, into a
// mailbox; past hosts that cannot pass it on alike; and back as a bounce with REQUIRETLS when there is no other host.
// Mail that says TLS-Required: No goes where DANE forbids all other.
func TestRequireTLS(t *testing.T) {
	t.Parallel()
	n := mtatest.NewNetwork(t)
	theirs := mtatest.Certificate(t)
	pair, err := tls.LoadX509KeyPair(theirs["smtp-certificate"], theirs["smtp-key"])
	require.NoError(t, err)
	offered, _, err := smtptest.SelfSigned("old.test")
	require.NoError(t, err)
	zone := ""
	for host, cert := range map[string][]byte{"new": pair.Certificate[0], "old": offered.Certificates[0].Certificate[0],
		"wrong": pair.Certificate[0]} {
		zone += fmt.Sprintf("_25._tcp.%s.test. TLSA 3 1 1 %s\n", host, keyDigest(t, cert))
	}
	name := testserver.DNS(t, validated(testserver.Zone(t, zone+fmt.Sprintf(`
box.test. MX 10 new.test.
both.test. MX 10 old.test.
both.test. MX 20 new.test.
poor.test. MX 10 old.test.
poor.test. MX 20 old.test.
wrong.test. MX 10 wrong.test.
new.test. A %[1]s
old.test. A %[2]s
wrong.test. A %[2]s
`, n.Host(1), n.Host(2)))))
	old := n.Sink(t, 2, &smtptest.Sink{TLS: offered})
	boxes, routes := t.TempDir(), filepath.Join(t.TempDir(), "routes")
	require.NoError(t, os.WriteFile(routes, []byte("*:maildir://"+boxes+"/{domain}\n"), 0o600))
	theirLog, logging := mtatest.SendLog(t)
	receiver := mtatest.Inside(t, logging.With(theirs).With(mtatest.Settings{"smtp-ip": n.Host(1), "smtp-port": "25",
		"smtp-routes": routes, "smtp-hostname": "new.test"}))
	log, logging := mtatest.SendLog(t)
	sender := mtatest.Inside(t, logging.With(mtatest.Certificate(t)).With(mtatest.Settings{"dns-servers": name,
		"dns-trust-ad": "true", "allow-private-targets": "true", "rabbitmq-dsn": "outbox", "dsn-ret": "FULL"}))

	require.True(t, sender.WaitLog("the DNS servers validate"))
	c := sender.Talk(t)
	require.NotContains(t, c.Command("EHLO client.test", 250), "REQUIRETLS", "before TLS it would mean nothing")
	require.Contains(t, c.StartTLS(), "REQUIRETLS")
	submit := func(to, parameters, header string) {
		c.Command("MAIL FROM:<ann@box.test>"+parameters, 250)
		c.Command("RCPT TO:<"+to+">", 250)
		c.Text(header+"Subject: for your eyes\r\n\r\nThe code is 7391\r\n", 250)
	}
	submit("jo@box.test", " REQUIRETLS", "TLS-Required: No\r\n")
	submit("jo@both.test", " REQUIRETLS", "")
	submit("jo@poor.test", " REQUIRETLS", "")
	submit("free@wrong.test", "", "TLS-Required: No\r\n")
	submit("bound@wrong.test", "", "")

	for _, domain := range []string{"box", "both"} {
		require.Equal(t, "message/accepted", mtatest.AwaitAttempts(t, log, "jo@"+domain+".test", 1)[0].Last().Pair())
		mtatest.Eventually(t, "mail is in the mailbox", func() bool { return len(mailsIn(t, boxes, domain+".test")) > 0 })
		arrived := mtatest.AwaitAttempts(t, theirLog, "jo@"+domain+".test", 1)[0]
		require.Contains(t, arrived.Line, `"requiretls":true`, "the next host knows as well")
	}
	refused := mtatest.AwaitAttempts(t, log, "jo@poor.test", 1)[0].Last()
	require.Equal(t, "mailfrom/error 550 5.7.30", fmt.Sprint(refused.Pair(), " ", refused.Code, " ", refused.Status))
	bounce := mtatest.AwaitAttempts(t, theirLog, "ann@box.test", 1)[0]
	require.Contains(t, bounce.Line, `"requiretls":true`)
	mtatest.Eventually(t, "the bounce is in the mailbox", func() bool { return len(mailsIn(t, boxes, "box.test")) == 2 })
	for _, text := range mailsIn(t, boxes, "box.test") {
		require.Contains(t, text, "Subject: for your eyes")
		require.Equal(t, !strings.Contains(text, "Final-Recipient:"), strings.Contains(text, "7391"),
			"a bounce has the header alone:\n%s", text)
	}

	free := mtatest.AwaitAttempts(t, log, "free@wrong.test", 1)[0]
	require.Equal(t, "message/accepted", free.Last().Pair())
	require.Contains(t, free.Line, `"mode":"waived"`)
	bound := mtatest.AwaitAttempts(t, log, "bound@wrong.test", 1)[0]
	require.Equal(t, "starttls/error", bound.Last().Pair())
	require.Contains(t, bound.Line, "validation-failure")
	require.Equal(t, []string{"free@wrong.test"}, old.Recipients())
	receiver.Terminate(t)
}

// mailsIn returns the mails in a Maildir.
func mailsIn(t testing.TB, boxes, domain string) (mails []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(boxes, domain, "new", "*"))
	require.NoError(t, err)
	for _, path := range found {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		mails = append(mails, string(text))
	}
	return mails
}

// validated marks answers as those of a resolver that validates.
func validated(answer dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) { answer(authentic{w}, q) }
}

type authentic struct{ dns.ResponseWriter }

func (a authentic) WriteMsg(m *dns.Msg) error {
	m.AuthenticatedData = true
	return a.ResponseWriter.WriteMsg(m)
}

// keyDigest is what a TLSA record "3 1 1" says of a certificate.
func keyDigest(t testing.TB, der []byte) string {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}
