package ctl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/preflight"
)

// preflightCommand tells what receivers will find wrong with a mail.
type preflightCommand struct {
	Envelope      string `placeholder:"ADDRESS" help:"MAIL FROM; of the JSON of a message its own."`
	Source        string `placeholder:"IP" help:"Address that it would leave from, instead of the usual one."`
	Unsigned      bool   `help:"Look at it as it is, instead of signed as it would be when it leaves."`
	Transactional bool   `help:"Nobody has subscribed to it: do not ask for one-click unsubscribe."`

	File string `arg:"" optional:"" default:"-" help:"File with a mail, or with the JSON of a message; - is standard input."`
}

func (c *preflightCommand) Run(s *session) error {
	text, err := readInput(s, c.File)
	if err != nil {
		return err
	}
	mail, envelope, err := c.mail(s, text)
	if err != nil {
		return err
	}
	fields := map[string]any{"base64": mail}
	if envelope != "" {
		fields["envelope"] = envelope
	}
	if c.Source != "" {
		fields["source"] = c.Source
	}
	if c.Unsigned {
		fields["unsigned"] = true
	}
	if c.Transactional {
		fields["transactional"] = true
	}
	var found admin.Checked
	if done, err := s.read("POST", "/v1/preflight", fields, &found); done {
		return err
	}
	return s.printFindings(&found)
}

// mail makes the mail of a message, when the text is the JSON of one.
func (c *preflightCommand) mail(s *session, text []byte) (mail []byte, envelope string, err error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 || trimmed[0] != '{' || s.command.Render == nil {
		return text, c.Envelope, nil
	}
	var message struct{ Envelope string }
	_ = json.Unmarshal(text, &message) // what is no message, Render says better
	mail, _, err = s.command.Render(s.ctx, s.options.ConfigFile, text, false)
	if err != nil {
		return nil, "", &failure{ExitData, err.Error()}
	}
	if c.Envelope != "" {
		message.Envelope = c.Envelope
	}
	return mail, message.Envelope, nil
}

// printFindings prints what was found; an error is an error.
func (s *session) printFindings(found *admin.Checked) error {
	if found.Source == "" {
		fmt.Fprintln(s.notes, "the address that it would leave from is not public: nothing was asked about it (--source)")
	}
	if len(found.Findings) == 0 {
		_, err := fmt.Fprintln(s.out, "nothing was found that a receiver publishes rules against")
		return err
	}
	for _, f := range found.Findings {
		fmt.Fprintf(s.out, "%s %s: %s\n  do: %s\n", f.Severity, f.ID, printable(f.Found), f.Remedy)
		for _, asked := range f.Asked {
			fmt.Fprintf(s.out, "  asked by %s: %s\n", asked.Receiver, asked.URL)
		}
	}
	if preflight.Worst(found.Findings) == preflight.Error {
		return errors.New("receivers will refuse this mail, or file it as spam")
	}
	return nil
}
