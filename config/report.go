package config

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Report tells how a configuration came about. Nothing that it shows is a secret.
type Report struct {
	Switches Switches  // what the command line says beside keys
	Files    []string  // the files that were read, in this order; none: there is no configuration file
	Settings []Setting // every effective value, in the order of the table
	Warnings []Warning // what to tell the operator, in the order it was met

	loader *loader
}

// Setting is the effective value of one key.
type Setting struct {
	Key    string
	Group  string
	Value  string // as it would be written, secrets masked; in words where nothing is set and that means something
	Origin Origin
}

// Warning is something an operator should know, though it stops nothing.
type Warning struct {
	Origin      // where; of kind BuiltIn when it is about a default
	Info   bool // for information only: nothing needs to be done
	Text   string
}

// String returns where: what.
func (w Warning) String() string {
	if w.Origin == (Origin{}) {
		return w.Text
	}
	return w.Origin.String() + ": " + w.Text
}

// Given reports whether the key, by its main name, was given a value anywhere: a file, the environment, the command
// line.
func (r *Report) Given(key string) bool { return r.loader != nil && r.loader.given(key) }

// settle fills in the settings, once all values are there.
func (r *Report) settle() {
	l := r.loader
	for i := range l.table.keys {
		k := &l.table.keys[i]
		s := Setting{Key: k.Name, Group: k.Group, Origin: l.origins[k.Name]}
		switch {
		case k.Ignored == "" && !k.Older:
			s.Value = k.masked(l.cfg)
			if s.Value == "" || s.Value == "0" && k.Default == "" {
				s.Value = k.inWords()
			}
		case !l.given(k.Name):
			continue
		case k.Older:
			s.Value = l.values[k.Name]
		default:
			s.Value = "(ignored)"
		}
		r.Settings = append(r.Settings, s)
	}
}

// inWords says what having no value means: "(nobody)", "–".
func (k *Key) inWords() string {
	if k.Blank == "" {
		return "–"
	}
	return "(" + k.Blank + ")"
}

// Write prints the report for people: the files, every setting with where it came from, and the warnings.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	switch len(r.Files) {
	case 0:
		b.WriteString("no configuration file\n")
	default:
		b.WriteString("read: " + strings.Join(r.Files, ", ") + "\n")
	}
	names, values := r.widths()
	group := ""
	for _, s := range r.Settings {
		if s.Group != group {
			group = s.Group
			b.WriteString("\n" + group + "\n")
		}
		b.WriteString("  " + pad(s.Key, names) + "  " + pad(s.Value, values) + "  " + s.Origin.String() + "\n")
	}
	if len(r.Warnings) > 0 {
		b.WriteString("\n")
	}
	for _, warning := range r.Warnings {
		kind := "warning"
		if warning.Info {
			kind = "note"
		}
		fmt.Fprintf(&b, "%s: %s\n", kind, warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths returns the widths of the first two columns. A few long values do not push the third off the screen.
func (r *Report) widths() (names, values int) {
	const widest = 40
	for _, s := range r.Settings {
		names = max(names, len(s.Key))
		if n := utf8.RuneCountInString(s.Value); n <= widest {
			values = max(values, n)
		}
	}
	return names, values
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
