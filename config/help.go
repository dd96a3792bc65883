package config

import (
	"io"
	"strings"
)

// Switch is a switch of the command line, for people to read.
type Switch struct {
	Name, Short string // "--help", "-h"
	Value       string // "FILE"; "": it takes none
	Meaning     string
}

// Usage returns the switches beside keys.
func Usage() []Switch {
	all := []Switch{
		{"--config-file", "", "FILE", "read this file after the one in /etc"},
		{"--envelope", "-f", "ADDRESS", "sender of the mail that is read"},
	}
	for _, t := range toggles() {
		all = append(all, Switch{"--" + t.name, t.short, "", t.meaning})
	}
	return all
}

// WriteHelp prints the switches and every key with its meaning and default.
func WriteHelp(w io.Writer) error {
	var b strings.Builder
	const width = 28
	line := func(name, meaning string) { b.WriteString("  " + pad(name, width) + "  " + meaning + "\n") }
	b.WriteString("Switches\n")
	for _, w := range Usage() {
		name := w.Name
		if w.Short != "" {
			name += ", " + w.Short
		}
		if w.Value != "" {
			name += " " + w.Value
		}
		line(name, w.Meaning)
	}
	b.WriteString("\nKeys, as --key=VALUE or --key VALUE; in a file as key: VALUE; in the environment as MTAD_KEY=VALUE\n")
	group := ""
	for _, k := range Keys() {
		if k.Ignored != "" || k.Older {
			continue
		}
		if k.Group != group {
			group = k.Group
			b.WriteString("\n" + group + "\n")
		}
		meaning := k.Meaning
		if text := k.DefaultText(); text != "–" {
			meaning += " [" + text + "]"
		}
		line("--"+k.Name, meaning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
