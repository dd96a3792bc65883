package api

import (
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/monitor/webhook"
)

// webhookRoutes are those about the results that are posted to webhook-url.
func webhookRoutes() []*route {
	return []*route{
		{method: http.MethodGet, path: "/v1/webhook", summary: "how posting results to webhook-url goes", local: true,
			answer: schemaOf(webhook.State{}), errors: []int{http.StatusNotImplemented},
			do: func(c *call) (any, error) { return c.admin.WebhookState() }},
		{method: http.MethodGet, path: "/v1/webhook/dead", summary: "results that were refused for good, oldest first",
			local: true, answer: arrayOf(schemaOf(webhook.DeadLetter{})), errors: []int{http.StatusNotImplemented},
			fields: []admin.Field{
				{Name: "from", Type: admin.Integer, Min: 0, Max: 1 << 53, Default: int64(0), Meaning: "number of the first"},
				{Name: "limit", Type: admin.Integer, Min: 1, Max: 1000, Default: int64(100), Meaning: "how many at most"}},
			do: func(c *call) (any, error) {
				from, _ := c.values["from"].(int64)
				limit, _ := c.values["limit"].(int64)
				return c.admin.DeadLetters(uint64(from), int(limit))
			}},
		{method: http.MethodPost, path: "/v1/webhook/replay", summary: "post results again, and try at once", local: true,
			fields: []admin.Field{{Name: "from", Type: admin.Text,
				Meaning: "number of the first result; DEAD: what was refused for good; not given: what waits is tried now"}},
			answer: object(map[string]any{"count": numberSchema("results that are posted again")}),
			errors: []int{http.StatusNotImplemented},
			do: func(c *call) (any, error) {
				from, _ := c.values["from"].(string)
				n, err := c.admin.ReplayWebhook(c.request.Context(), from)
				return map[string]uint64{"count": n}, err
			}},
	}
}
