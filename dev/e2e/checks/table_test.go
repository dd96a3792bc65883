package checks

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

const allChecks = "spf,dkim,dmarc,arc,spam,virus,dnsbl"

// TestEveryCheck sends mails that each check has something to say about, and looks for that in the log of received
// mail, in that of results, and in the header that arrives.
func TestEveryCheck(t *testing.T) {
	t.Parallel()
	k := key(t)
	sink := mtatest.NewKeeper(t, &smtptest.Sink{})
	dir := t.TempDir()
	received, sent, text := filepath.Join(dir, "received"), filepath.Join(dir, "sent"), filepath.Join(dir, "text")
	d := mtatest.Inside(t, sink.Settings().With(clients).With(names(t, k)).With(scanners(t)).With(mtatest.Settings{
		"smtp-check": allChecks, "smtp-auth-results": "nonlocal", "dnsbl-zones": "bl.test", "virus-fail": "open",
		"spam-subject":          "[SPAM]",
		"received-bin-log-file": received, "send-bin-log-file": sent,
		"received-log-file": text, "received-log-format": "{$json.recipient} {$json.checks}",
	}))
	mail := letter("ann@sender.test", "plain", "Hello.")
	signed := k.sign(t, mail, "dkimsign")
	sealed := k.sign(t, "Authentication-Results: mx.sender.test; spf=pass smtp.mailfrom=ann@sender.test; arc=none\r\n"+
		mail, "arcsign", "mx.sender.test")

	for _, tt := range []struct {
		name, client, from, mail string
		checks                   []string // JSON of results, or parts of them
		header                   []string // parts of Authentication-Results
	}{
		{"honest", good, "ann@sender.test", signed, []string{
			`{"spf":"pass","smtp.mailfrom":"ann@sender.test"}`,
			`{"dkim":"pass","domain":"sender.test","selector":"sel","header.i":"@sender.test","algorithm":"rsa-sha256","bits":2048}`,
			`{"dmarc":"pass","header.from":"sender.test","policy":"reject","disposition":"none"}`,
			`{"arc":"none"}`, `{"spam":"no","threshold":5}`, `{"virus":"clean"}`, `{"dnsbl":"none"}`,
		}, []string{
			"spf=pass reason=\"matched ip\" smtp.mailfrom=ann@sender.test", "dkim=pass header.d=sender.test",
			"dmarc=pass header.from=sender.test", "arc=none",
			"x-spam=pass", "x-virus=pass", "x-dnsbl=none",
		}},
		{"forged", stray, "ann@sender.test", mail, []string{
			`{"spf":"fail"}`, `{"dkim":"none"}`,
			`{"dmarc":"fail","header.from":"sender.test","policy":"reject","disposition":"reject"}`,
		}, []string{"spf=fail", "dkim=none", "dmarc=fail"}},
		{"changed", stray, "ann@sender.test", strings.Replace(signed, "Hello.", "Hello!", 1), []string{
			`{"dkim":"fail","domain":"sender.test"}`, `{"dmarc":"fail"}`,
		}, []string{"dkim=fail"}},
		{"quarantine", stray, "bob@lax.test", letter("bob@lax.test", "lax", "Hello."), []string{
			`{"spf":"softfail"}`, `{"dmarc":"fail","policy":"quarantine","disposition":"quarantine"}`,
		}, []string{"spf=softfail", "dmarc=fail"}},
		{"null sender", good, "", mail, []string{`{"spf":"pass","smtp.helo":"client.test"}`},
			[]string{"smtp.helo=client.test"}},
		{"arc", stray, "list@lax.test", sealed, []string{`{"arc":"pass","instance":1,"domain":"sender.test"}`},
			[]string{"arc=pass"}},
		{"spam", good, "ann@sender.test", letter("ann@sender.test", "spam", gtube), []string{`{"spam":"yes","threshold":5}`},
			[]string{"x-spam=fail reason=\"score "}},
		{"virus", good, "ann@sender.test", letter("ann@sender.test", "virus", testserver.Eicar), []string{
			`{"virus":"found","signature":"Eicar-Test-Signature.UNOFFICIAL"}`,
		}, []string{"x-virus=fail"}},
		{"listed", listed, "ann@sender.test", mail, []string{`{"dnsbl":"listed","zone":"bl.test","code":"127.0.0.2"}`},
			[]string{"x-dnsbl=fail"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			recipient := strings.ReplaceAll(tt.name, " ", "-") + "@sink.test"
			forged := "Authentication-Results: mtad.test; spf=pass\r\n"
			submit(t, d, tt.client, tt.from, recipient, forged+tt.mail, 250)
			logged(t, received, recipient).requireAll(t, tt.checks...)
			logged(t, sent, recipient).requireAll(t, tt.checks...)

			header, body := arrived(t, sink, recipient)
			require.True(t, strings.HasPrefix(header, "Authentication-Results: mtad.test;\r\n"), header)
			require.NotContains(t, header, "mtad.test; spf=pass", "a forged field must go")
			ours, _, _ := strings.Cut(header, "Received: ")
			unfolded := strings.ReplaceAll(ours, "\r\n\t", " ")
			for _, want := range tt.header {
				require.Contains(t, unfolded, want)
			}
			if tt.name == "spam" {
				require.Contains(t, header, "\r\nSubject: [SPAM] spam\r\n")
				require.Contains(t, body, gtube)
			} else {
				require.NotContains(t, header, "[SPAM]")
			}
		})
	}
	require.Contains(t, strings.Join(mtatest.Lines(t, text), "\n"), `virus@sink.test [ {"dnsbl":"none"}, {"spf":"pass"`)
	d.Terminate(t)
	for _, said := range []string{`msg="scanner works" check=spam`, `version="SpamAssassin`,
		`msg="scanner works" check=virus`, `version="ClamAV`} {
		require.Contains(t, d.Log.String(), said)
	}
}

// arrived waits for the mail of a recipient at the sink.
func arrived(t testing.TB, sink *mtatest.Sink, recipient string) (header, body string) {
	t.Helper()
	mtatest.Eventually(t, "mail for "+recipient, func() bool {
		for _, m := range sink.Received() {
			if m.Recipients[0] == recipient {
				header, body, _ = strings.Cut(string(m.Data), "\r\n\r\n")
				return true
			}
		}
		return false
	})
	return header, body
}
