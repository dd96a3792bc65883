package ctl

import (
	"fmt"
	"io"
	"os"
)

// renderCommand shows what would be sent of a message. It asks no server.
type renderCommand struct {
	Download bool `help:"Download what the mail needs: attachments, feeds, images whose size is asked for."`

	File string `arg:"" optional:"" default:"-" help:"File with the JSON of one message; - is standard input."`
}

func (c *renderCommand) Run(s *session) error {
	if s.command.Render == nil {
		return &failure{ExitUsage, "nothing is rendered here"}
	}
	message, err := readInput(s, c.File)
	if err != nil {
		return err
	}
	mail, left, err := s.command.Render(s.ctx, s.options.ConfigFile, message, c.Download)
	if err != nil {
		return &failure{ExitData, err.Error()}
	}
	if s.options.JSON {
		return s.encode(map[string]any{"mail": string(mail), "left-out": append([]string{}, left...)})
	}
	for _, address := range left {
		fmt.Fprintf(s.notes, "left out, as --download was not given: %s\n", address)
	}
	_, err = s.out.Write(mail)
	return err
}

// readInput reads a file, or standard input.
func readInput(s *session, file string) ([]byte, error) {
	if file != "-" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, &failure{ExitNoInput, err.Error()}
		}
		return data, nil
	}
	if s.command.Stdin == nil {
		return nil, nil
	}
	return io.ReadAll(s.command.Stdin)
}
