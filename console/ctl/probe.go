package ctl

import (
	"errors"
	"fmt"

	"github.com/sluicemail/sluice/console/admin"
)

// probeCommand tests an address.
type probeCommand struct {
	Address    string `arg:"" help:"Mail address."`
	RequireTLS bool   `name:"requiretls" help:"As a mail with REQUIRETLS would find it."`
}

func (c *probeCommand) Run(s *session) error {
	var steps []admin.ProbeStep
	body := map[string]any{"address": c.Address}
	if c.RequireTLS {
		body["requiretls"] = true
	}
	if done, err := s.read("POST", "/v1/probe", body, &steps); done {
		return err
	}
	t := s.table()
	good := false
	for _, step := range steps {
		mark := "ok"
		if good = step.Good; !good {
			mark = "NO"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", mark, step.Step, printable(step.Host), printable(step.Text))
	}
	if err := t.Flush(); err != nil || good {
		return err
	}
	return errors.New("a mail to the address would not be delivered now")
}
