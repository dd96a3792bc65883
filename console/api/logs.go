package api

import (
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/monitor/logsearch"
)

// logRoute searches the logs.
func logRoute() *route {
	return &route{method: http.MethodGet, path: "/v1/logs",
		summary: "search the machine-readable logs, newest entries first", fields: append(admin.LogFields(),
			admin.Field{Name: "limit", Type: admin.Integer, Min: 1, Max: 1000, Default: int64(100), Meaning: "entries on a page"},
			admin.Field{Name: "cursor", Type: admin.Text, Meaning: "where the page begins: next of the page before"}),
		answer: object(map[string]any{"entries": arrayOf(schemaOf(logsearch.Entry{})),
			"next":    textSchema("cursor of the next page; absent: this was the last"),
			"reached": textSchema("how far back the search came; absent: to the beginning")}),
		errors: []int{http.StatusNotImplemented}, do: searchLogs}
}

func searchLogs(c *call) (any, error) {
	q := admin.LogQuery(c.values)
	limit, _ := c.values["limit"].(int64)
	q.Limit = int(limit)
	q.Cursor, _ = c.values["cursor"].(string)
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
