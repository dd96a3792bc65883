package checks

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
)

// TestActions has mtad act on everything that it finds; whoever is refused leaves nothing in a queue.
func TestActions(t *testing.T) {
	t.Parallel()
	k := key(t)
	database, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.Local{Address: "*@local.test", Type: "fnmatch", Enabled: true})
	d := mtatest.Inside(t, mtatest.Kept.With(clients).With(names(t, k)).With(scanners(t)).With(database).
		With(mtatest.LoginSettings(t, "hardcoded://joe:secret")).With(mtatest.Settings{
		"smtp-check": allChecks, "dnsbl-zones": "bl.test", "rabbitmq-local": "local",
		"spam-reject-score": "900", "virus-action": "reject", "virus-fail": "closed", "dmarc-enforce": "true",
		"dnsbl-reject": "true",
	}))
	plain := letter("ann@sender.test", "plain", "Hello.")
	for _, tt := range []struct {
		name, client, from, mail string
		code                     int
		reply                    string
	}{
		{"honest", good, "ann@sender.test", plain, 250, " for honest@local.test"},
		{"spam", good, "ann@sender.test", letter("ann@sender.test", "spam", gtube), 554,
			"5.7.1 This mail looks like spam: score 10"},
		{"virus", good, "ann@sender.test", letter("ann@sender.test", "virus", testserver.Eicar), 554,
			"5.7.1 This mail carries a virus: Eicar-Test-Signature.UNOFFICIAL"},
		{"too large to be scanned", good, "ann@sender.test",
			letter("ann@sender.test", "large", strings.Repeat("0123456789abcdef\r\n", 130<<10)), 552,
			"5.3.4 This mail cannot be scanned"},
		{"forged", stray, "ann@sender.test", plain, 550, "5.7.1 The DMARC policy of sender.test has this mail rejected"},
		{"quarantine", stray, "bob@lax.test", letter("bob@lax.test", "lax", "Hello."), 250, " for quarantine@local.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			recipient := strings.ReplaceAll(tt.name, " ", "-") + "@local.test"
			require.Contains(t, submit(t, d, tt.client, tt.from, recipient, tt.mail, tt.code), tt.reply)
		})
	}
	t.Run("listed", func(t *testing.T) {
		c := d.Proxied(t, listed)
		c.Greeted()
		c.Command("MAIL FROM:<bob@lax.test>", 250)
		require.Contains(t, c.Command("RCPT TO:<listed@local.test>", 554),
			"5.7.1 Your address 203.0.113.9 is listed by bl.test: see https://bl.test/9")
		c.StartTLS()
		c.Command("MAIL FROM:<bob@lax.test>", 250)
		c.Command("RCPT TO:<listed@local.test>", 554)
	})
	t.Run("listed, but known, and forged at that", func(t *testing.T) {
		c := d.Proxied(t, listed)
		c.Greeted()
		c.StartTLS()
		c.Login("joe", "secret", 235)
		c.Command("MAIL FROM:<ann@sender.test>", 250)
		c.Command("RCPT TO:<known@local.test>", 250)
		c.Command("RCPT TO:<known@sink.test>", 250)
		c.Text(strings.TrimSuffix(plain, "\r\n"), 250)
	})

	q := d.Stopped(t)
	byRecipient := map[string]found{}
	for _, m := range append(mtatest.Stored(t, q, "local", 3), mtatest.Stored(t, q, "inbox", 1)...) {
		byRecipient[m.Recipient] = parse(t, m.Checks)
	}
	byRecipient["quarantine@local.test"].requireAll(t, `{"dmarc":"fail","disposition":"quarantine"}`)
	for _, known := range []string{"known@local.test", "known@sink.test"} {
		byRecipient[known].requireAll(t, `{"dnsbl":"listed"}`, `{"spf":"fail"}`, `{"dmarc":"fail","disposition":"reject"}`)
	}
	require.Contains(t, byRecipient, "honest@local.test")
}

// TestHeadersForEachKind has local recipients alone see what was found, in mails of every size that are for others as
// well.
func TestHeadersForEachKind(t *testing.T) {
	t.Parallel()
	database, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.Local{Address: "*@local.test", Type: "fnmatch", Enabled: true})
	sink := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, sink.Settings().With(clients).With(names(t, key(t))).With(database).With(mtatest.Settings{
		"smtp-check": "spf", "smtp-auth-results": "local", "rabbitmq-local": "local",
	}))
	texts := map[string]string{"small": "Hello.", "large": strings.Repeat("0123456789abcdef\r\n", 60<<10)}
	for name, text := range texts {
		c := d.Proxied(t, good)
		c.Greeted()
		c.Command("MAIL FROM:<ann@sender.test>", 250)
		c.Command("RCPT TO:<"+name+"@local.test>", 250)
		c.Command("RCPT TO:<"+name+"@sink.test>", 250)
		c.Text("Authentication-Results: mtad.test; spf=pass\r\nSubject: hi\r\n\r\n"+text, 250)
	}
	for name, text := range texts {
		header, body := arrived(t, sink, name+"@sink.test")
		require.True(t, strings.HasPrefix(header, "Received: "), header)
		require.NotContains(t, header, "Authentication-Results")
		require.Equal(t, text+"\r\n", body)
	}
	for _, m := range mtatest.Stored(t, d.Stopped(t), "local", 2) {
		name, _, _ := strings.Cut(m.Recipient, "@")
		mail, err := queue.ReadBody(m.Body)
		require.NoError(t, err)
		header, body, _ := strings.Cut(string(mail), "\r\n\r\n")
		require.True(t, strings.HasPrefix(header, "Authentication-Results: mtad.test;\r\n\tspf=pass"), header)
		require.Equal(t, 1, strings.Count(header, "Authentication-Results"))
		require.Equal(t, texts[name]+"\r\n", body)
	}
}

// TestChecksChangeWithTheConfiguration turns checks on and off while mtad runs.
func TestChecksChangeWithTheConfiguration(t *testing.T) {
	t.Parallel()
	d := mtatest.Inside(t, mtatest.Kept.With(clients).With(names(t, key(t))))
	mail := letter("ann@sender.test", "plain", "Hello.")
	submit(t, d, good, "ann@sender.test", "off@sink.test", mail, 250)
	d.Rewrite(t, mtatest.Settings{"smtp-check": "dmarc", "dmarc-enforce": "true", "smtp-auth-results": "local,nonlocal"})
	d.Reload(t)
	submit(t, d, good, "ann@sender.test", "on@sink.test", mail, 250)
	submit(t, d, stray, "ann@sender.test", "on@sink.test", mail, 550)
	d.Rewrite(t, mtatest.Settings{"smtp-check": "", "smtp-auth-results": ""})
	d.Reload(t)
	submit(t, d, stray, "ann@sender.test", "off@sink.test", mail, 250)
	for _, m := range mtatest.Stored(t, d.Stopped(t), "inbox", 3) {
		head := make([]byte, 9)
		_, err := m.Body.ReadAt(head, 0)
		require.NoError(t, err)
		if m.Recipient == "off@sink.test" {
			require.Empty(t, m.Checks)
			require.Equal(t, "Received:", string(head))
			continue
		}
		require.Equal(t, "Authentic", string(head))
		// DMARC brings what it builds upon
		parse(t, m.Checks).requireAll(t, `{"spf":"pass"}`, `{"dkim":"none"}`, `{"dmarc":"pass"}`)
	}
}
