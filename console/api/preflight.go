package api

import (
	"encoding/base64"
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
)

// preflightRoutes tell what receivers will find wrong with mail.
func preflightRoutes() []*route {
	return []*route{
		{method: http.MethodPost, path: "/v1/preflight",
			summary: "what receivers will find wrong with a mail, who asks for it, and what to do; nothing is sent",
			fields: []admin.Field{
				{Name: "mime", Type: admin.Long, Excludes: "base64", Meaning: "the mail"},
				{Name: "base64", Type: admin.Long, Excludes: "mime", Meaning: "the mail, in base64"},
				{Name: "envelope", Type: admin.Text, Meaning: "MAIL FROM; not given: the null sender"},
				{Name: "source", Type: admin.IP, Meaning: "address that it would leave from; not given: the usual one"},
				{Name: "unsigned", Type: admin.Boolean, Meaning: "true: as it is; else signed as it would be when it leaves"},
				{Name: "transactional", Type: admin.Boolean, Meaning: "true: nobody has subscribed to it"}},
			answer: schemaOf(admin.Checked{}), local: true,
			errors: []int{http.StatusNotImplemented}, do: preflightMail},
		{method: http.MethodGet, path: "/v1/preflight",
			summary: "what was found, by tag, in the share of mail that preflight-sample has looked at as it left",
			answer:  schemaOf(admin.SampledMail{}), local: true, errors: []int{http.StatusNotImplemented},
			do: func(c *call) (any, error) { return c.admin.SampledMail() }},
	}
}

func preflightMail(c *call) (any, error) {
	text := func(name string) string { s, _ := c.values[name].(string); return s }
	mail := []byte(text("mime"))
	if encoded := text("base64"); encoded != "" {
		var err error
		if mail, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, admin.Wrong("base64", nil, "base64")
		}
	}
	return c.admin.CheckMail(c.request.Context(), &admin.Draft{Mail: mail, Envelope: text("envelope"),
		Source: c.address("source"), Unsigned: c.values["unsigned"] == true, Transactional: c.values["transactional"] == true})
}
