package feedback_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// desk has read these reports, the newest first.
type desk []feedback.Record

func (d desk) Records(q feedback.Query) (all []feedback.Record) {
	for _, r := range d {
		if (q.Kind == "" || q.Kind == r.Kind) && (q.Before.IsZero() || r.Time.Before(q.Before)) && len(all) < q.Limit {
			all = append(all, r)
		}
	}
	return all
}

func (d desk) Counts(time.Time) feedback.Counts {
	return feedback.Counts{Kinds: map[feedback.Kind]int64{feedback.HardBounce: 1234, feedback.DMARC: 5}, Unproven: 6, Forged: 7}
}

// TestReports shows reports with what followed, and takes a suppression back.
func TestReports(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	d := desk{
		{ID: "1/0", Time: now, Kind: feedback.HardBounce, Source: "mx.receiver.example", Joined: feedback.ByReturnPath,
			MessageID: "1-abc", Recipient: "gone@receiver.example", Status: "5.1.1", Diagnostic: "no such user",
			Proof: feedback.ProofReturnPath, Suppressed: "gone@receiver.example", Why: "rule 1"},
		{ID: "2/0", Time: now.Add(-time.Minute), Kind: feedback.Complaint, Recipient: consoletest.Attack, Source: consoletest.Attack,
			Diagnostic: consoletest.Attack, Why: "its sender is not a listed sender of complaints"},
		{ID: "3/0", Time: now.Add(-2 * time.Minute), Kind: feedback.DMARC, Source: "receiver.example", Domain: "sender.example",
			Messages: 1200, Failed: 3},
	}
	for i := range 150 {
		d = append(d, feedback.Record{ID: fmt.Sprint(i), Time: now.Add(-time.Duration(i+3) * time.Minute), Kind: feedback.Reply,
			Recipient: fmt.Sprintf("r%d@x.example", i)})
	}
	with := consoletest.WithSettings(t)
	w := consoletest.New(t, func(c *console.Console) { with(c); c.Admin.Feedback = d }).LogIn()
	_, _, err := w.Admin.Put(t.Context(), settings.TableSuppressions, admin.Values{"value": "gone@receiver.example",
		"type": "address", "code": int64(550)})
	require.NoError(t, err)

	page := w.CheckPage("/feedback", 200)
	for _, text := range []string{"1,234", "100 reports, the newest first", "signed return path", `href="/messages/1-abc"`,
		`href="/logs?id=1-abc"`, "5.1.1 no such user", "suppressed (rule 1)", ">Undo<", "not a listed sender",
		"sender.example: 1,200 mails, 3 failed", "may be forged, or unknown"} {
		require.Contains(t, page, text)
	}
	require.Equal(t, 1, strings.Count(page, ">Undo<"))
	next := html.UnescapeString(consoletest.Between(t, page, `<a class="button" href="`, `" rel="next">`))
	page = w.CheckPage(next, 200)
	require.Contains(t, page, "53 reports")
	require.Contains(t, page, "r149@x.example")
	require.Contains(t, w.CheckPage("/feedback?kind=dmarc", 200), "1 report,")
	require.Equal(t, http.StatusBadRequest, w.Get("/feedback?kind=rumour").StatusCode)
	require.Contains(t, w.Get("/feedback/part").Body, "100 reports")

	undo := func() string {
		w.Do("POST", "/feedback/undo", url.Values{"csrf": {w.CSRF()}, "value": {"gone@receiver.example"}})
		return w.Get("/feedback").Body
	}
	page = undo()
	require.Contains(t, page, "gets mail again.")
	require.NotContains(t, page, ">Undo<")
	require.Zero(t, w.Settings.Current().Suppressions.Len())
	require.Contains(t, undo(), "not on the suppression list any more")
}

func TestReportsWithout(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	require.Contains(t, w.CheckPage("/feedback", 200), "No reports are read here.")
}
