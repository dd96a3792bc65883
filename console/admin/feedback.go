package admin

import (
	"context"
	"time"

	"github.com/sluicemail/sluice/feedback"
)

// Feedback knows of the reports about mail that was sent: a *feedback.Desk.
type Feedback interface {
	// Records returns records that match, the newest first.
	Records(q feedback.Query) []feedback.Record
	// Counts returns how many reports there were since a time.
	Counts(since time.Time) feedback.Counts
}

// Reports returns records of reports that match, the newest first.
func (a *Admin) Reports(_ context.Context, q feedback.Query) ([]feedback.Record, error) {
	if a.Feedback == nil {
		return nil, unsupported("no reports are read here")
	}
	return a.Feedback.Records(q), nil
}

// ReportCounts returns how many reports there were in the last span of time, in whole hours, of a month at most.
func (a *Admin) ReportCounts(_ context.Context, span time.Duration) (feedback.Counts, error) {
	if a.Feedback == nil {
		return feedback.Counts{}, unsupported("no reports are read here")
	}
	return a.Feedback.Counts(a.now().Add(-span)), nil
}

// ReportFields are what a search for reports can be told.
func ReportFields() []Field {
	var kinds []string
	for _, k := range feedback.Kinds() {
		kinds = append(kinds, string(k))
	}
	return []Field{
		{Name: "kind", Type: Choice, Choices: kinds, Meaning: "of report; not given: all"},
		{Name: "recipient", Type: Text, Meaning: "part of the recipient's address"},
		{Name: "id", Type: Text, Meaning: "message-id of the message that it is about"},
		{Name: "tag", Type: Text, Meaning: "of that message"},
		{Name: "acted", Type: Boolean, Meaning: "true: only reports that had somebody suppressed; false: only others"},
		{Name: "unproven", Type: Boolean, Meaning: "true: only reports that may be forged; false: only others"},
		{Name: "before", Type: Time, Meaning: "older than this"},
	}
}

// ReportQuery makes a query of values that passed [CheckFields] with [ReportFields].
func ReportQuery(values Values) feedback.Query {
	text := func(name string) string { s, _ := values[name].(string); return s }
	flag := func(name string) *bool {
		if b, ok := values[name].(bool); ok {
			return &b
		}
		return nil
	}
	return feedback.Query{Kind: feedback.Kind(text("kind")), Recipient: text("recipient"), MessageID: text("id"),
		Tag: text("tag"), Acted: flag("acted"), Unproven: flag("unproven"), Before: timeOf(values["before"])}
}

// Unsuppress takes what a report put on the suppression list off it again, and returns whether it was there.
func (a *Admin) Unsuppress(ctx context.Context, value string) (bool, error) {
	n, err := a.DeleteResource(ctx, "suppressions", Values{"value": value})
	return n > 0, err
}
