package console_test

import (
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// reports are what a desk has read, the newest first.
type reports struct {
	mu  sync.Mutex
	all []feedback.Record
}

func (r *reports) add(record feedback.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append([]feedback.Record{record}, r.all...)
}

func (r *reports) Records(q feedback.Query) (all []feedback.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		if q.Kind == "" || q.Kind == one.Kind {
			all = append(all, one)
		}
	}
	return all
}

func (r *reports) Counts(time.Time) feedback.Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := map[feedback.Kind]int64{}
	for _, one := range r.all {
		kinds[one.Kind]++
	}
	return feedback.Counts{Kinds: kinds}
}

// TestFeedbackInBrowser sees a report come in while the page is open, looks at one kind, and takes a suppression back.
func TestFeedbackInBrowser(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	desk := &reports{}
	desk.add(feedback.Record{ID: "1/0", Time: time.Now(), Kind: feedback.HardBounce, MessageID: "1-abc",
		Recipient: "gone@receiver.test", Status: "5.1.1", Diagnostic: consoletest.Attack,
		Proof: feedback.ProofReturnPath, Suppressed: "gone@receiver.test", Why: "rule 1"})
	with := consoletest.WithSettings(t)
	w := consoletest.New(t, func(c *console.Console) { with(c); c.Now = nil; c.Admin.Feedback = desk })
	_, _, err := w.Admin.Put(t.Context(), settings.TableSuppressions, admin.Values{"value": "gone@receiver.test",
		"type": "address", "code": int64(550)})
	require.NoError(t, err)
	b := chromium.Start(t, w.Server.URL)
	told := b.Complaints()
	b.LogIn("/feedback", "admin", "secret")
	b.Await(`document.querySelector("#live[data-state=on]")`)

	const rows = `document.querySelectorAll("table.reports tbody tr")`
	b.Step(t, "a report comes in", func() {
		b.Await(rows + `.length === 1 && document.querySelector("table.reports").innerText.includes("gone@receiver.test")`)
		desk.add(feedback.Record{ID: "2/0", Time: time.Now(), Kind: feedback.Complaint, Recipient: "cross@receiver.test"})
		b.Await(rows + `.length === 2 && ` + rows + `[0].innerText.includes("cross@receiver.test")`)
	})
	b.Step(t, "one kind", func() {
		b.Do(chromedp.SetValue(`select[name=kind]`, string(feedback.Complaint)), chromedp.Click(`.filters button.primary`))
		b.Await(`location.search.includes("kind=complaint") && ` + rows + `.length === 1`)
		b.Do(chromedp.Click(`.filters a.button`))
		b.Await(`location.search === "" && ` + rows + `.length === 2`)
	})
	b.Step(t, "undo", func() {
		b.Do(chromedp.Click(`form[action="/feedback/undo"] button`))
		b.Await(`document.body.innerText.includes("gets mail again") && !document.querySelector('form[action="/feedback/undo"]')`)
		require.Zero(b.T, w.Settings.Current().Suppressions.Len())
	})
	require.Empty(t, told())
}
