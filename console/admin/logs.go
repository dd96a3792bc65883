package admin

import (
	"context"
	"errors"
	"time"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/queue"
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

// timeOf returns the time in the value of a [Time] field; the zero time when there is none.
func timeOf(v any) time.Time {
	s, _ := v.(string)
	t, _ := settings.ParseTime(s)
	return t
}

// LogFields are what a search of the logs can be told.
func LogFields() []Field {
	return []Field{
		{Name: "kind", Type: Choice, Choices: []string{string(logsearch.Attempt), string(logsearch.Received)},
			Meaning: "of entry; not given: both"},
		{Name: "from", Type: Time, Meaning: "not before"},
		{Name: "to", Type: Time, Meaning: "before"},
		{Name: "address", Type: Text, Meaning: "part of the sender's or the recipient's address"},
		{Name: "domain", Type: Domain, Meaning: "of the recipient"},
		{Name: "ip", Type: IP, Meaning: "local, remote or client's address"},
		{Name: "tag", Type: Text, Meaning: "of the message"},
		{Name: "id", Type: Text, Meaning: "message-id"},
		{Name: "outcome", Type: Choice, Meaning: "of attempts",
			Choices: []string{string(logsearch.Delivered), string(logsearch.Deferred), string(logsearch.Failed)}},
		{Name: "class", Type: Choice, Choices: classNames(),
			Meaning: "why attempts failed; authentication is also what has a slash behind it"},
		{Name: "code", Type: Integer, Min: 2, Max: 599, Meaning: "421; or 4 for all of 400 to 499"},
		{Name: "text", Type: Text, Meaning: "anywhere in the record"},
	}
}

func classNames() (names []string) {
	for _, class := range queue.Classes() {
		names = append(names, string(class))
	}
	return names
}

// LogQuery makes a query of values that passed [CheckFields] with [LogFields].
func LogQuery(values Values) logsearch.Query {
	text := func(name string) string { s, _ := values[name].(string); return s }
	code, _ := values["code"].(int64)
	return logsearch.Query{Kind: logsearch.Kind(text("kind")), From: timeOf(values["from"]), To: timeOf(values["to"]),
		Address: text("address"), Domain: text("domain"), IP: text("ip"), Tag: text("tag"), ID: text("id"),
		Outcome: logsearch.Outcome(text("outcome")), Class: text("class"), Code: int(code), Text: text("text")}
}
