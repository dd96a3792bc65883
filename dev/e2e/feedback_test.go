package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// told awaits n records of the desk of an mtad.
func told(t testing.TB, d *mtatest.Daemon, n int) []feedback.Record {
	t.Helper()
	var all []feedback.Record
	mtatest.Eventually(t, "records of reports: "+strconv.Itoa(n), func() bool {
		all = nil
		for _, name := range []string{"feedback.jsonl", "feedback-unproven.jsonl"} {
			for _, line := range mtatest.Lines(t, filepath.Join(d.Queue, name)) {
				var r feedback.Record
				if line != "" && json.Unmarshal([]byte(line), &r) == nil {
					all = append(all, r)
				}
			}
		}
		return len(all) >= n
	})
	require.Len(t, all, n)
	return all
}

// TestBouncesThatComeLater has another server take mail and find out later that it cannot deliver it. The second bounce
// has the recipient suppressed.
func TestBouncesThatComeLater(t *testing.T) {
	t.Parallel()
	end := mtatest.NewKeeper(t, &smtptest.Sink{Rules: []smtptest.Rule{{Stage: smtptest.Rcpt, Pattern: "gone@*",
		Action: smtptest.Refusal(smtptest.Rcpt, true)}}})
	own := strconv.Itoa(testserver.FreePort(t))
	routes := filepath.Join(t.TempDir(), "routes")
	require.NoError(t, os.WriteFile(routes, fmt.Appendf(nil, "sink.test:127.0.0.1:%d\nbounces.sender.test:127.0.0.1:%s\n",
		end.Port, own), 0o600))
	other := mtatest.Inside(t, mtatest.Settings{"smtp-routes": routes, "rabbitmq-dsn": "outbox",
		"smtp-hostname": "other.test"})

	database, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.FeedbackRule{Kind: "bounce", Threshold: 2, Tag: "news", Expire: 90, Enabled: true},
		store.FeedbackRule{Kind: "bounce", Threshold: 1, Tag: "secret", Hashed: true, Enabled: true})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, database.With(logging).With(mtatest.Settings{"smtp-port": own, "smtp-sink-address": "127.0.0.1",
		"smtp-sink-port": other.Settings["smtp-port"], "verp": "bounces.sender.test", "rabbitmq-reports": "reports"}))
	send := func(to, tag string) {
		d.Submit(t, "ann@sender.test", to, "x-mq-tag: "+tag+"\r\nFrom: ann@sender.test\r\nTo: "+to+
			"\r\nSubject: x\r\n\r\nHello")
	}
	send("jo@sink.test", "news")
	arrived := end.Await(t, 1)[0]
	require.Regexp(t, `^bounce\+[0-9a-v]{40,57}@bounces\.sender\.test$`, arrived.From)
	require.Contains(t, mtatest.AwaitAttempts(t, log, "jo@sink.test", 1)[0].Line, `"envelope":"ann@sender.test"`,
		"the message keeps its own")

	send("reject@sink.test", "news")
	r := told(t, d, 1)[0]
	require.Equal(t, feedback.HardBounce, r.Kind)
	require.Equal(t, feedback.ProofReturnPath, r.Proof)
	require.Equal(t, "reject@sink.test", r.Recipient)
	require.Equal(t, []string{"news"}, r.Tags)
	require.Equal(t, "rule 1: 1 of 2 mails within 30 days", r.Why)
	require.NotEmpty(t, r.MessageID)
	require.Contains(t, mtatest.AwaitAttempts(t, log, "reject@sink.test", 1)[0].Line, r.MessageID)
	send("reject@sink.test", "news")
	require.Equal(t, "reject@sink.test", told(t, d, 2)[1].Suppressed)
	rows, _, err := store.List[store.Suppression](t.Context(), db)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, "reject@sink.test", rows[0].Value)
	require.NotEmpty(t, rows[0].Expire)
	require.Contains(t, rows[0].Description, "feedback rule 1")
	send("Reject@sink.test", "other")
	require.Contains(t, mtatest.AwaitAttempts(t, log, "Reject@sink.test", 1)[0].Line, `"state":"suppression"`)

	// A hash of the address does as well; what another server did not like about the mail says nothing of the address.
	send("reject-data@sink.test", "secret")
	require.Equal(t, feedback.SoftBounce, told(t, d, 3)[2].Kind)
	send("gone@sink.test", "secret")
	require.Equal(t, fmt.Sprintf("%x", sha256.Sum256([]byte("gone@sink.test"))), told(t, d, 4)[3].Suppressed)
	send("gone@sink.test", "secret")
	require.Contains(t, mtatest.AwaitAttempts(t, log, "gone@sink.test", 2)[1].Line, `"state":"suppression"`)

	q := d.Stopped(t)
	for _, m := range mtatest.Stored(t, q, "reports", 4) {
		var found []feedback.Record
		require.NoError(t, json.Unmarshal(m.Extra["feedback"], &found))
		require.Len(t, found, 1)
		require.True(t, strings.HasPrefix(m.Recipient, "bounce+"))
	}
}

// TestForgedReturnPaths has nobody get mail in to return paths that were not made here, and thousands of forged reports
// act on nothing and cost little.
func TestForgedReturnPaths(t *testing.T) {
	t.Parallel()
	database, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.Local{Address: "*@sender.test", Type: store.Wildcard, Enabled: true})
	mtatest.Insert(t, db, store.FeedbackRule{Kind: "bounce", Enabled: true},
		store.FeedbackRule{Kind: "complaint", Enabled: true})
	mtatest.Insert(t, db, store.FeedbackSender{Domain: "receiver.example", Enabled: true})
	d := mtatest.Inside(t, mtatest.Nowhere.With(database).With(mtatest.Settings{"verp": "bounces.sender.test",
		"rabbitmq-reports": "reports"}))
	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	c.Command("MAIL FROM:<>", 250)
	for _, to := range []string{strings.Repeat("0", 52), strings.Repeat("v", 29)} {
		require.Contains(t, c.Command("RCPT TO:<bounce+"+to+"@bounces.sender.test>", 550), "No mail left here")
	}
	const many = 1000
	for i := range many {
		name := []string{"dsn-bounce", "arf-abuse"}[i%2]
		c.Command("RSET", 250)
		c.Command("MAIL FROM:<>", 250)
		c.Command("RCPT TO:<postmaster@sender.test>", 250)
		c.Text(eml(t, name), 250)
	}
	for _, r := range told(t, d, many) {
		require.Empty(t, r.Proof)
		require.Empty(t, r.Suppressed)
	}
	n, err := store.Count[store.Suppression](t.Context(), db, store.Query{})
	require.NoError(t, err)
	require.Zero(t, n)
}
