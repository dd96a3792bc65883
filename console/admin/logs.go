package admin

import (
	"context"
	"errors"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// Logs searches the machine-readable logs, newest first.
func (a *Admin) Logs(ctx context.Context, q logsearch.Query) (*logsearch.Page, error) {
	if err := q.Check(); err != nil {
		return nil, &Invalid{[]Problem{{Expected: "another " + err.Error()}}}
	}
	if a.SearchLogs == nil {
		return nil, unsupported(logsearch.ErrNoLogs.Error())
	}
	page, err := a.SearchLogs(ctx, q)
	switch {
	case errors.Is(err, logsearch.ErrNoLogs):
		return nil, unsupported(err.Error())
	case errors.Is(err, logsearch.ErrCursor):
		return nil, invalid("cursor", q.Cursor, "what an earlier page gave for the next; "+err.Error())
	case err != nil:
		return nil, unavailable("the logs cannot be read now", err)
	}
	return page, nil
}

// TimeOf returns the time in the value of a [Time] field; the zero time when there is none.
func TimeOf(v any) time.Time {
	s, _ := v.(string)
	t, _ := settings.ParseTime(s)
	return t
}
