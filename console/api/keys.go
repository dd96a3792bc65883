package api

import (
	"context"
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
)

// keyRoutes are those about DKIM keys beyond the rows of their table: from one that is made to one that is withdrawn.
// No private key goes over them.
func keyRoutes() []*route {
	selector := admin.Field{Name: "selector", Type: admin.Text,
		Meaning: "names the key in the DNS; not given: one with the date in it"}
	algorithm := admin.Field{Name: "algorithm", Type: admin.Choice, Choices: []string{"rsa", "ed25519"},
		Meaning: "kind of key; not given: that of the key before it, else rsa"}
	key := schemaOf(admin.Key{})
	errors := []int{http.StatusNotFound, http.StatusConflict, http.StatusNotImplemented}
	step := func(name, summary string, do func(*admin.Admin, context.Context, int64) error) *route {
		return &route{method: http.MethodPost, path: "/v1/dkim/{id}/" + name, summary: summary,
			answer: object(nil), errors: errors, do: func(c *call) (any, error) {
				id, err := c.id()
				if err != nil {
					return nil, err
				}
				return struct{}{}, do(c.admin, c.request.Context(), id)
			}}
	}
	return []*route{
		{method: http.MethodGet, path: "/v1/dkim/{id}", answer: key, errors: errors,
			summary: "a DKIM key: its record, whether the DNS has it, and how far its rotation is",
			do: func(c *call) (any, error) {
				id, err := c.id()
				if err != nil {
					return nil, err
				}
				return c.admin.DescribeKey(c.request.Context(), id)
			}},
		{method: http.MethodPost, path: "/v1/dkim", summary: "make a DKIM key, which signs once it is published",
			answer: key, errors: errors[1:],
			fields: []admin.Field{{Name: "domain", Type: admin.Domain, Required: true, Meaning: "signing domain"},
				{Name: "selector", Type: admin.Text, Required: true, Meaning: "names the key in the DNS"}, algorithm},
			do: func(c *call) (any, error) {
				id, err := c.admin.MakeKey(c.request.Context(), c.text("domain"), c.text("selector"), c.text("algorithm"))
				return c.keyMade(id, err)
			}},
		{method: http.MethodPost, path: "/v1/dkim/{id}/successor", answer: key, errors: errors,
			summary: "make a DKIM key that is to take the place of another",
			fields:  []admin.Field{selector, algorithm},
			do: func(c *call) (any, error) {
				id, err := c.id()
				if err != nil {
					return nil, err
				}
				id, err = c.admin.SucceedKey(c.request.Context(), id, c.text("selector"), c.text("algorithm"))
				return c.keyMade(id, err)
			}},
		step("use", "have a published DKIM key take over from the others for the same mail", (*admin.Admin).UseKey),
		step("withdraw", "delete a DKIM key whose mail has gone", (*admin.Admin).WithdrawKey),
	}
}

// keyMade answers with a key that was made.
func (c *call) keyMade(id int64, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return c.admin.DescribeKey(c.request.Context(), id)
}

func (c *call) text(name string) string {
	s, _ := c.values[name].(string)
	return s
}
