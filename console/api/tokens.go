package api

import (
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
)

// tokenRoutes are those about tokens.
func tokenRoutes() []*route {
	name := admin.Field{Name: "name", Type: admin.Text, Required: true, Meaning: "whose it is"}
	return []*route{
		{method: http.MethodGet, path: "/v1/tokens", summary: "who may use this API",
			answer: arrayOf(schemaOf(admin.Token{})),
			do:     func(c *call) (any, error) { return c.admin.Tokens(c.request.Context()) }},
		{method: http.MethodPost, path: "/v1/tokens", summary: "make a token; it is shown in this answer only",
			fields: []admin.Field{name},
			ok:     []int{http.StatusCreated}, answer: object(map[string]any{"id": numberSchema("of the row"),
				"name": textSchema("whose it is"), "token": textSchema("to be sent along; it is stored nowhere")}),
			errors: []int{http.StatusConflict},
			do: func(c *call) (any, error) {
				name, _ := c.values["name"].(string)
				t, secret, err := c.admin.AddToken(c.request.Context(), name)
				if err != nil {
					return nil, err
				}
				return created{map[string]any{"id": t.ID, "name": t.Name, "token": secret}}, nil
			}},
		{method: http.MethodDelete, path: "/v1/tokens", summary: "delete a token", fields: []admin.Field{name},
			answer: object(map[string]any{"deleted": numberSchema("1")}), errors: []int{http.StatusNotFound},
			do: func(c *call) (any, error) {
				name, _ := c.values["name"].(string)
				return map[string]int{"deleted": 1}, c.admin.DeleteToken(c.request.Context(), name)
			}},
	}
}
