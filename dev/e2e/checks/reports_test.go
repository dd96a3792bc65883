package checks

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/report"
	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/queue"
)

// TestReports sends a report of each kind and mails that only look like one: the former go to the queue for reports,
// where they can be read, when they are for local recipients.
func TestReports(t *testing.T) {
	t.Parallel()
	database, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.Local{Address: "*@local.test", Type: "fnmatch", Enabled: true})
	d := mtatest.Inside(t, mtatest.Kept.With(clients).With(names(t, key(t))).With(database).With(mtatest.Settings{
		"rabbitmq-local": "local", "rabbitmq-reports": "reports", "smtp-check": "spf", "smtp-auth-results": "local",
	}))
	kinds := map[string]report.Kind{
		"dsn-postfix": report.DSN, "dsn-exchange": report.DSN, "dsn-gmail": report.DSN, "dsn-old-qmail": report.DSN,
		"dsn-old-exchange": report.DSN,
		"mdn-read":         report.MDN, "arf-abuse": report.ARF, "dmarc-gzip": report.DMARC, "dmarc-zip": report.DMARC,
		"dmarc-plain-xml": report.DMARC,
		"tlsrpt-json":     report.TLSRPT, "tlsrpt-gzip": report.TLSRPT,
		"none-forwarded-bounce": report.None, "none-postmaster-writes": report.None, "none-text": report.None,
	}
	local := 0
	for name, kind := range kinds {
		mail, err := os.ReadFile(filepath.Join("..", "..", "..", "checks", "report", "testdata", name+".eml"))
		require.NoError(t, err)
		c := d.Proxied(t, good)
		c.Greeted()
		c.Command("MAIL FROM:<>", 250)
		c.Command("RCPT TO:<"+name+"@local.test>", 250)
		c.Command("RCPT TO:<"+name+"@sink.test>", 250)
		c.Text(string(bytes.ReplaceAll(bytes.TrimSpace(mail), []byte("\n"), []byte("\r\n"))), 250)
		if kind == report.None {
			local++
		}
	}
	desk := filepath.Join(d.Queue, "feedback-unproven.jsonl")
	mtatest.Eventually(t, "the reports are read", func() bool { return len(mtatest.Lines(t, desk)) >= len(kinds)-local })
	q := d.Stopped(t)
	mtatest.Stored(t, q, "local", local)
	mtatest.Stored(t, q, "inbox", len(kinds))
	for _, m := range mtatest.Stored(t, q, "reports", len(kinds)-local) {
		mail, err := queue.ReadBody(m.Body)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(mail, []byte("Authentication-Results: ")))
		r, err := report.Parse(bytes.NewReader(mail), int64(len(mail)))
		require.NoError(t, err, m.Recipient)
		name := m.Recipient[:len(m.Recipient)-len("@local.test")]
		require.Equal(t, kinds[name], r.Kind, name)
	}
}
