package config

import "strconv"

// Kind tells which of the sources a value came from.
type Kind int

// The sources, weakest first. Derived values are worked out from another key.
const (
	BuiltIn     Kind = iota // the default of the table
	NoFile                  // a default that holds only when there is no configuration file
	File                    // a line of a file
	Environment             // a variable
	CommandLine             // a switch
	Derived                 // another key: Name says which
)

// Origin is the place a value came from. The zero Origin is the built-in default.
type Origin struct {
	Kind Kind
	File string // of kind File
	Line int    // of kind File, from 1; 0: the file as a whole
	Name string // the variable, the switch with its dashes, or the other key
}

// String returns the place as people look for it: "/etc/mtad/config.txt:12", "environment MTAD_SMTP_PORT".
func (o Origin) String() string {
	switch o.Kind {
	case NoFile:
		return "default without a file"
	case File:
		if o.Line == 0 {
			return o.File
		}
		return o.File + ":" + strconv.Itoa(o.Line)
	case Environment:
		return "environment " + o.Name
	case CommandLine:
		if o.Name == "" {
			return "command line"
		}
		return "command line " + o.Name
	case Derived:
		return "from " + o.Name
	default:
		return "default"
	}
}

// given reports whether somebody wrote the value down.
func (o Origin) given() bool {
	return o.Kind == File || o.Kind == Environment || o.Kind == CommandLine
}
