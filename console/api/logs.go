package api

import (
	"math"
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// logRoute searches the logs.
func logRoute() *route {
	return &route{method: http.MethodGet, path: "/v1/logs",
		summary: "search the machine-readable logs, newest entries first",
		fields: []admin.Field{
			{Name: "kind", Type: admin.Choice, Choices: []string{string(logsearch.Attempt), string(logsearch.Received)},
				Meaning: "of entry; not given: both"},
			{Name: "from", Type: admin.Time, Meaning: "not before"},
			{Name: "to", Type: admin.Time, Meaning: "before"},
			{Name: "address", Type: admin.Text, Meaning: "part of the sender's or the recipient's address"},
			{Name: "domain", Type: admin.Domain, Meaning: "of the recipient"},
			{Name: "ip", Type: admin.IP, Meaning: "local, remote or client's address"},
			{Name: "tag", Type: admin.Text, Meaning: "of the message"},
			{Name: "id", Type: admin.Text, Meaning: "message-id"},
			{Name: "outcome", Type: admin.Choice, Meaning: "of attempts",
				Choices: []string{string(logsearch.Delivered), string(logsearch.Deferred), string(logsearch.Failed)}},
			{Name: "code", Type: admin.Integer, Min: 2, Max: 599, Meaning: "421; or 4 for all of 400 to 499"},
			{Name: "text", Type: admin.Text, Meaning: "anywhere in the record"},
			{Name: "limit", Type: admin.Integer, Min: 1, Max: 1000, Default: int64(100), Meaning: "entries on a page"},
			{Name: "cursor", Type: admin.Text, Meaning: "where the page begins: next of the page before"},
		},
		answer: object(map[string]any{"entries": arrayOf(schemaOf(logsearch.Entry{})),
			"next":    textSchema("cursor of the next page; absent: this was the last"),
			"reached": textSchema("how far back the search came; absent: to the beginning")}),
		errors: []int{http.StatusNotImplemented}, do: searchLogs}
}

func searchLogs(c *call) (any, error) {
	text := func(name string) string { s, _ := c.values[name].(string); return s }
	number := func(name string) int { n, _ := c.values[name].(int64); return int(min(n, math.MaxInt32)) }
	q := logsearch.Query{Kind: logsearch.Kind(text("kind")), Address: text("address"), Domain: text("domain"),
		IP: text("ip"), Tag: text("tag"),
		ID: text("id"), Outcome: logsearch.Outcome(text("outcome")), Code: number("code"), Text: text("text"),
		Limit:  number("limit"),
		Cursor: text("cursor")}
	q.From, q.To = admin.TimeOf(c.values["from"]), admin.TimeOf(c.values["to"])
	page, err := c.admin.Logs(c.request.Context(), q)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"entries": append([]logsearch.Entry{}, page.Entries...)}
	if page.Cursor != "" {
		out["next"], out["reached"] = page.Cursor, page.Reached
	}
	return out, nil
}
