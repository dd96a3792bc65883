package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/internal/when"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// window reads --last, --from and --to; a zero time is open.
func (l *logRun) window(now time.Time) (from, to time.Time, err error) {
	if l.Last != "" {
		if l.From != "" || l.To != "" {
			return from, to, wrong("--last stands for --from: expected either, and no --to with it")
		}
		span, err := when.Span(l.Last)
		if err != nil {
			return from, to, wrong("--last %w", err)
		}
		return now.Add(-span).UTC(), to, nil
	}
	if l.From != "" {
		if from, err = moment(l.From, now); err != nil {
			return from, to, wrong("--from %w", err)
		}
	}
	if l.To != "" {
		if to, err = moment(l.To, now); err != nil {
			return from, to, wrong("--to %w", err)
		}
		if _, day := time.Parse(time.DateOnly, strings.TrimSpace(l.To)); day == nil {
			to = to.AddDate(0, 0, 1)
		}
	}
	return from, to, nil
}

// moment reads a time: seconds since 1970, a date in UTC, or how long ago it was.
func moment(text string, now time.Time) (time.Time, error) {
	if t, err := settings.ParseTime(text); err == nil && !t.IsZero() {
		return t, nil
	}
	if span, err := when.Span(strings.TrimSuffix(strings.TrimSpace(text), " ago")); err == nil {
		return now.Add(-span).UTC(), nil
	}
	if t, err := time.Parse("2006-01-02 15:04", strings.TrimSpace(text)); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf(
		"%q: expected YYYY-MM-DD, YYYY-MM-DD HH:MM[:SS] in UTC, seconds since 1970, or how long ago: 3h, '2 days'", text)
}

// tellWindow says when the logs do not have all of the time that was asked for.
func (l *logRun) tellWindow(s *logsearch.Scanned) {
	tell := func(format string, t time.Time) {
		fmt.Fprintf(l.Stderr, "mtad log: "+format+"\n", t.UTC().Format(time.DateTime))
	}
	from, to := l.query.From, l.query.To
	switch {
	case s.Begin.IsZero():
		fmt.Fprintln(l.Stderr, "mtad log: the logs have no records")
	case !to.IsZero() && !to.After(s.Begin):
		tell("the logs begin later than that: at %s UTC", s.Begin)
	case !from.IsZero() && from.After(s.End):
		tell("the logs end before that: at %s UTC", s.End)
	case !from.IsZero() && from.Before(s.Begin):
		tell("the logs do not reach that far back: they begin at %s UTC", s.Begin)
	}
}
