package api

import (
	"net/http"
	"slices"

	"github.com/sluicemail/sluice/console/admin"
)

// resourceRoutes are what MailerQ's REST API has, under its names and with its fields.
func resourceRoutes() []*route {
	var all []*route
	for _, r := range admin.Resources() {
		entry := fieldsSchema(r.Fields, false)
		path := "/v1/" + r.Name
		all = append(all,
			&route{method: http.MethodGet, path: path, summary: "list: " + r.Meaning, fields: optional(r.Fields, nil),
				answer: arrayOf(entry), do: func(c *call) (any, error) {
					return streamOf(c.admin.WalkResource(c.request.Context(), r.Name, c.values),
						func(v admin.Values) any { return v }), nil
				}},
			&route{method: http.MethodPost, path: path, summary: "add, or change the entry that selects the same: " + r.Meaning,
				fields: r.Fields, answer: entry, do: func(c *call) (any, error) {
					entry, _, err := c.admin.PutResource(c.request.Context(), r.Name, c.values)
					return entry, err
				}},
			&route{method: http.MethodDelete, path: path, summary: "delete what selects exactly this: " + r.Meaning,
				fields: optional(r.Selecting(), r.Identity),
				answer: object(map[string]any{"deleted": numberSchema("entries there were")}),
				do: func(c *call) (any, error) {
					n, err := c.admin.DeleteResource(c.request.Context(), r.Name, c.values)
					return map[string]int{"deleted": n}, err
				}})
	}
	return all
}

// optional returns fields of which only the fields that tell which entry is meant stay required.
func optional(fields []admin.Field, identity []string) []admin.Field {
	out := slices.Clone(fields)
	for i := range out {
		f := &out[i]
		f.Required = f.Required && slices.Contains(identity, f.Name) && !(f.Name == "name" && f.Type == admin.PoolName)
		f.Default = nil
	}
	return out
}
