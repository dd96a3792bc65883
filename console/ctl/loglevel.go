package ctl

import "fmt"

type logLevelCommand struct {
	Level string `arg:"" optional:"" help:"Least grave level that is told: debug, info, warn or error."`
}

func (c *logLevelCommand) Run(s *session) error {
	method, body := "GET", any(nil)
	if c.Level != "" {
		method, body = "POST", map[string]string{"level": c.Level}
	}
	var now struct{ Level string }
	done, err := s.read(method, "/v1/log-level", body, &now)
	if !done {
		fmt.Fprintln(s.out, printable(now.Level))
	}
	return err
}
