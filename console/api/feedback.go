package api

import (
	"cmp"
	"net/http"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/feedback"
)

// feedbackRoutes tell of reports about mail that was sent.
func feedbackRoutes() []*route {
	return []*route{
		{method: http.MethodGet, path: "/v1/feedback",
			summary: "reports about mail that was sent, such as bounces and complaints, the newest first",
			fields: append(admin.ReportFields(),
				admin.Field{Name: "limit", Type: admin.Integer, Min: 1, Max: 1000, Default: int64(reportsOnPage),
					Meaning: "reports on a page"},
				admin.Field{Name: "cursor", Type: admin.Text, Meaning: "where the page begins: next of the page before"}),
			answer: object(map[string]any{"reports": arrayOf(schemaOf(feedback.Record{})),
				"next": textSchema("cursor of the next page; absent: this was the last")}),
			local: true, errors: []int{http.StatusNotImplemented}, do: listReports},
		{method: http.MethodGet, path: "/v1/feedback/counts", summary: "how many reports there were",
			fields: []admin.Field{{Name: "hours", Type: admin.Integer, Min: 1, Max: 744, Default: int64(24),
				Meaning: "how far back"}},
			answer: schemaOf(feedback.Counts{}), local: true, errors: []int{http.StatusNotImplemented},
			do: func(c *call) (any, error) {
				hours, _ := c.values["hours"].(int64)
				return c.admin.ReportCounts(c.request.Context(), time.Duration(cmp.Or(hours, 24))*time.Hour)
			}},
	}
}

// reportsOnPage is how many reports a page has unless it is told.
const reportsOnPage = 100

func listReports(c *call) (any, error) {
	q := admin.ReportQuery(c.values)
	limit, _ := c.values["limit"].(int64)
	q.Limit = cmp.Or(int(limit), reportsOnPage)
	if cursor, _ := c.values["cursor"].(string); cursor != "" {
		before, err := time.Parse(time.RFC3339Nano, cursor)
		if err != nil {
			return nil, &admin.Invalid{Problems: []admin.Problem{{Field: "cursor", Given: cursor,
				Expected: "what an earlier page gave for the next"}}}
		}
		q.Before = before
	}
	all, err := c.admin.Reports(c.request.Context(), q)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"reports": append([]feedback.Record{}, all...)}
	if len(all) == q.Limit {
		out["next"] = all[len(all)-1].Time.Format(time.RFC3339Nano)
	}
	return out, nil
}
