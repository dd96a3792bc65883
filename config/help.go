package config

import (
	"io"
	"strings"
)

// WriteHelp prints the switches and every key with its meaning and default.
func WriteHelp(w io.Writer) error {
	var b strings.Builder
	const width = 28
	line := func(name, meaning string) { b.WriteString("  " + pad(name, width) + "  " + meaning + "\n") }
	b.WriteString("Switches\n")
	line("--config-file FILE", "read this file after the one in /etc")
	line("--envelope, -f ADDRESS", "sender of the mail that is read")
	for _, t := range toggles() {
		name := "--" + t.name
		if t.short != "" {
			name += ", " + t.short
		}
		line(name, t.meaning)
	}
	line("ADDRESS...", "read a mail from standard input and send it there")
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
