package checks

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/feedback"
)

// TestComplaints has complaints come from a listed sender: from where it may send, and from elsewhere.
func TestComplaints(t *testing.T) {
	t.Parallel()
	database, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.Local{Address: "fbl@local.test", Type: store.Exact, Enabled: true})
	mtatest.Insert(t, db, store.FeedbackRule{Kind: store.FeedbackComplaint, Enabled: true})
	mtatest.Insert(t, db, store.FeedbackSender{Domain: "sender.test", Enabled: true})
	d := mtatest.Inside(t, mtatest.Kept.With(clients).With(names(t, key(t))).With(database).With(mtatest.Settings{
		"rabbitmq-reports": "reports", "smtp-check": "spf,dkim"}))
	complaint := func(about string) string {
		return strings.ReplaceAll(`From: loop@sender.test
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Loop/1.0
Version: 1
Original-Rcpt-To: `+about+`

--b--
`, "\n", "\r\n")
	}
	submit(t, d, stray, "loop@sender.test", "fbl@local.test", complaint("victim@x.test"), 250)
	submit(t, d, good, "loop@sender.test", "fbl@local.test", complaint("ann@x.test"), 250)
	var proved []string
	mtatest.Eventually(t, "the complaint that SPF passes for", func() bool {
		proved = mtatest.Lines(t, filepath.Join(d.Queue, "feedback.jsonl"))
		return len(proved) > 0
	})
	var r feedback.Record
	require.NoError(t, json.Unmarshal([]byte(proved[0]), &r))
	require.Equal(t, feedback.ProofSPF, r.Proof)
	require.Equal(t, "ann@x.test", r.Suppressed)
	mtatest.Eventually(t, "the other complaint", func() bool {
		return len(mtatest.Lines(t, filepath.Join(d.Queue, "feedback-unproven.jsonl"))) == 1
	})
	rows, _, err := store.List[store.Suppression](t.Context(), db)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, "ann@x.test", rows[0].Value)
}
