package api

import (
	"net/http"
	"net/netip"
	"reflect"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/monitor"
)

// figureRoutes are those about what happens, and why.
func figureRoutes() []*route {
	mta := admin.Field{Name: "mta", Type: admin.IP, Meaning: "source address"}
	domain := admin.Field{Name: "domain", Type: admin.Domain, Meaning: "recipient domain"}
	all := []*route{
		{method: http.MethodGet, path: "/v1/stats", summary: "figures of the last 60 seconds, and how many there are now",
			fields: []admin.Field{mta, domain, {Name: "tag", Type: admin.Text, Meaning: "tag of the messages"}},
			answer: schemaOf(monitor.Snapshot{}),
			do: func(c *call) (any, error) {
				f := monitor.Filter{}
				f.Domain, _ = c.values["domain"].(string)
				f.Tag, _ = c.values["tag"].(string)
				f.MTA = c.address("mta")
				return c.admin.Stats(f), nil
			}},
		{method: http.MethodGet, path: "/v1/explain",
			summary: "paths with their effective limits, where each comes from, and what holds mail back",
			fields:  []admin.Field{domain, {Name: "ip", Type: admin.IP, Meaning: "source address"}},
			answer:  arrayOf(schemaOf(admin.Path{})),
			do: func(c *call) (any, error) {
				domain, _ := c.values["domain"].(string)
				return c.admin.Explain(c.request.Context(), domain, c.address("ip"))
			}},
		{method: http.MethodPost, path: "/v1/probe",
			summary: "what would become of a mail to an address, step by step; nothing is sent",
			fields: []admin.Field{{Name: "address", Type: admin.Text, Required: true, Meaning: "of the recipient"},
				{Name: "requiretls", Type: admin.Boolean, Meaning: "true: of a mail with REQUIRETLS (RFC 8689)"}},
			answer: arrayOf(schemaOf(admin.ProbeStep{})),
			errors: []int{http.StatusNotImplemented, http.StatusServiceUnavailable},
			do: func(c *call) (any, error) {
				address, _ := c.values["address"].(string)
				return c.admin.TestAddress(c.request.Context(), address, c.values["requiretls"] == true)
			}},
		{method: http.MethodGet, path: "/v1/floods", summary: "flood patterns that are active",
			answer: arrayOf(schemaOf(admin.Flood{})),
			do:     func(c *call) (any, error) { return c.admin.ActiveFloods(), nil }},
		{method: http.MethodDelete, path: "/v1/floods",
			summary: "let mail go on that floods hold; their reduced limits hold from then on",
			fields: []admin.Field{{Name: "site", Type: admin.Domain, Required: true, Meaning: "site or domain"},
				{Name: "mta", Type: admin.IP, Meaning: "source address; not given: any"},
				{Name: "name", Type: admin.Text, Meaning: "of the flood pattern; not given: all"}},
			answer: object(map[string]any{"deleted": numberSchema("pauses ended")}),
			do: func(c *call) (any, error) {
				site, _ := c.values["site"].(string)
				name, _ := c.values["name"].(string)
				n, err := c.admin.Resume(c.request.Context(), c.address("mta"), site, name)
				return map[string]int{"deleted": n}, err
			}},
		{method: http.MethodGet, path: "/v1/services",
			summary: "how the parts of the server and what it depends on are doing", answer: arrayOf(schemaOf(admin.Service{})),
			do: func(c *call) (any, error) { return c.admin.ServiceStates(c.request.Context()), nil }},
		{method: http.MethodPost, path: "/v1/services", summary: "stop or resume a service",
			fields: []admin.Field{{Name: "name", Type: admin.Text, Required: true, Meaning: "of the service"},
				{Name: "run", Type: admin.Boolean, Required: true, Meaning: "true: resume, false: stop"}},
			answer: object(map[string]any{"running": flagSchema("as asked for")}),
			errors: []int{http.StatusNotFound, http.StatusNotImplemented},
			do: func(c *call) (any, error) {
				name, _ := c.values["name"].(string)
				run := c.values["run"] == true
				return map[string]bool{"running": run}, c.admin.SetService(c.request.Context(), name, run)
			}},
	}
	for _, r := range all {
		r.local = true
	}
	for kind, path := range map[string]string{"domain": "/v1/stats/domains", "mta": "/v1/stats/mtas",
		"tag": "/v1/stats/tags", "class": "/v1/stats/classes"} {
		all = append(all, &route{method: http.MethodGet, path: path,
			summary: "figures of the last 60 seconds for each " + kind, local: true, answer: arrayOf(schemaOf(monitor.Row{})),
			do: func(c *call) (any, error) { return c.admin.StatsBy(kind), nil }})
	}
	return all
}

// address returns a field that holds an address; zero when it is not given.
func (c *call) address(name string) netip.Addr {
	s, _ := c.values[name].(string)
	ip, _ := netip.ParseAddr(s)
	return ip
}

// schemaOf describes what encoding/json makes of a value's type.
func schemaOf(v any) schema { return typeSchema(reflect.TypeOf(v)) }
