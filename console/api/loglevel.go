package api

import (
	"net/http"

	"github.com/sluicemail/sluice/console/admin"
)

// logLevelRoutes are those about how much the application log tells.
func logLevelRoutes() []*route {
	state := func(c *call) (any, error) {
		level, err := c.admin.ApplicationLogLevel()
		return map[string]string{"level": level}, err
	}
	answer := object(map[string]any{"level": textSchema("least grave level that is told")})
	return []*route{
		{method: http.MethodGet, path: "/v1/log-level", summary: "what the application log tells", local: true,
			answer: answer, errors: []int{http.StatusNotImplemented}, do: state},
		{method: http.MethodPost, path: "/v1/log-level",
			summary: "change what the application log tells, until the configuration is read again", local: true,
			fields: []admin.Field{{Name: "level", Type: admin.Choice, Required: true, Choices: admin.LogLevels(),
				Meaning: "least grave level that is told"}},
			answer: answer, errors: []int{http.StatusNotImplemented},
			do: func(c *call) (any, error) {
				level, _ := c.values["level"].(string)
				if err := c.admin.SetApplicationLogLevel(c.request.Context(), level); err != nil {
					return nil, err
				}
				return state(c)
			}},
	}
}
