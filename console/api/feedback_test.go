package api_test

import (
	"time"

	"github.com/sluicemail/sluice/feedback"
)

// reported is a desk that has read three reports, a minute apart.
type reported struct{}

func (reported) Records(q feedback.Query) (all []feedback.Record) {
	newest := time.Date(2026, 11, 30, 12, 0, 0, 1000, time.UTC)
	for i, kind := range []feedback.Kind{feedback.Complaint, feedback.HardBounce, feedback.DMARC} {
		r := feedback.Record{ID: string(kind), Time: newest.Add(-time.Duration(i) * time.Minute), Kind: kind}
		if (q.Kind == "" || q.Kind == kind) && (q.Before.IsZero() || r.Time.Before(q.Before)) && len(all) < q.Limit {
			all = append(all, r)
		}
	}
	return all
}

func (reported) Counts(time.Time) feedback.Counts {
	return feedback.Counts{Kinds: map[feedback.Kind]int64{feedback.Complaint: 1}, Forged: 7}
}
