package api

import (
	"net/http"

	"github.com/sluicemail/sluice/doctor"
)

// doctorRoute examines the installation.
func doctorRoute() *route {
	return &route{method: http.MethodGet, path: "/v1/doctor",
		summary: "what is wrong with the installation, where, and what to do; takes half a minute at most",
		answer:  schemaOf(doctor.Report{}), local: true, errors: []int{http.StatusNotImplemented},
		do: func(c *call) (any, error) { return c.admin.Doctor(c.request.Context()) }}
}
