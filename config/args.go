package config

import (
	"errors"
	"fmt"
	"strings"
)

// Switches are what the command line says beside keys. The zero value is a command line without any.
type Switches struct {
	ConfigFile     string // --config-file FILE
	CheckConfig    bool   // --check-config: read the configuration, print it, and stop
	Version        bool   // --version
	Help           bool   // --help, -h
	ListIPs        bool   // --list-ips
	ListCluster    bool   // --list-cluster
	NotifyCluster  bool   // --notify-cluster: tell the other instances to reload
	RepairDatabase bool   // --repair-database
	PurgeDatabase  bool   // --purge-database: asks first
	Yes            bool   // --yes: do not ask
	FetchLicense   bool   // --fetch-license: ignored

	// As a tool like sendmail.

	ExtractRecipients bool     // --extract-recipients, -t: recipients are those of the headers
	IgnoreDot         bool     // --ignore-dot, -i, -oi: a line with only a dot does not end the mail
	Envelope          string   // --envelope ADDRESS, -f ADDRESS; "" and "<>" are the null sender
	EnvelopeSet       bool     // whether Envelope was given
	Addresses         []string // what stands alone, as it was typed
}

// Sendmail reports whether a mail is to be read from standard input.
func (s Switches) Sendmail() bool {
	return s.ExtractRecipients || s.IgnoreDot || s.EnvelopeSet || len(s.Addresses) > 0
}

// toggle is a switch that is on or off.
type toggle struct {
	name, short, meaning string
	at                   func(*Switches) *bool
}

func toggles() []toggle {
	return []toggle{
		{"check-config", "", "read the configuration, print it with where each value came from, and stop",
			func(s *Switches) *bool { return &s.CheckConfig }},
		{"version", "", "print the version and stop", func(s *Switches) *bool { return &s.Version }},
		{"help", "-h", "print this and stop", func(s *Switches) *bool { return &s.Help }},
		{"list-ips", "", "print the local addresses and stop", func(s *Switches) *bool { return &s.ListIPs }},
		{"list-cluster", "", "print the instances that answer and stop", func(s *Switches) *bool { return &s.ListCluster }},
		{"notify-cluster", "", "tell the instances to reload and stop", func(s *Switches) *bool { return &s.NotifyCluster }},
		{"repair-database", "", "repair the settings database and stop",
			func(s *Switches) *bool { return &s.RepairDatabase }},
		{"purge-database", "", "empty the settings database and stop; asks first",
			func(s *Switches) *bool { return &s.PurgeDatabase }},
		{"fetch-license", "", "ignored: there is no licence", func(s *Switches) *bool { return &s.FetchLicense }},
		{"yes", "", "do not ask", func(s *Switches) *bool { return &s.Yes }},
		{"extract-recipients", "-t", "read a mail and send it to the recipients in its headers",
			func(s *Switches) *bool { return &s.ExtractRecipients }},
		{"ignore-dot", "-i, -oi", "a line with only a dot does not end the mail",
			func(s *Switches) *bool { return &s.IgnoreDot }},
	}
}

// assignment is a key with a value, from the command line.
type assignment struct {
	key   *Key
	value string
	given string // how it was typed, with dashes, without the value
}

// ParseArgs reads a command line, without the program's name, and looks at no file: so that --version works whatever
// the configuration says. Values of keys are looked at by [Load] only. The error joins an [Error] for each switch that
// is wrong.
func ParseArgs(args []string) (Switches, error) {
	s, _, err := parseArgs(newTable(), args)
	return s, err
}

// argParser walks along a command line.
type argParser struct {
	table   *table
	toggles []toggle
	rest    []string
	out     Switches
	keys    []assignment
	errs    []error
}

func parseArgs(t *table, args []string) (Switches, []assignment, error) {
	p := &argParser{table: t, toggles: toggles(), rest: args}
	for len(p.rest) > 0 {
		arg := p.rest[0]
		p.rest = p.rest[1:]
		switch {
		case arg == "--":
			p.out.Addresses = append(p.out.Addresses, p.rest...)
			p.rest = nil
		case strings.HasPrefix(arg, "--"):
			p.long(arg[2:])
		case strings.HasPrefix(arg, "-"):
			p.short(arg)
		default:
			p.out.Addresses = append(p.out.Addresses, arg)
		}
	}
	return p.out, p.keys, errors.Join(p.errs...)
}

// long takes --name, --name=value or --name value, without the dashes.
func (p *argParser) long(arg string) {
	name, value, hasValue := strings.Cut(arg, "=")
	switch name {
	case "config-file":
		p.text(name, value, hasValue, &p.out.ConfigFile)
		return
	case "envelope":
		p.out.EnvelopeSet = p.text(name, value, hasValue, &p.out.Envelope)
		return
	}
	for _, t := range p.toggles {
		if t.name == name {
			p.toggle(t, value, hasValue)
			return
		}
	}
	if k := p.table.byName[name]; k != nil {
		p.key(k, name, value, hasValue)
		return
	}
	p.unknown("--" + name)
}

func (p *argParser) toggle(t toggle, value string, hasValue bool) {
	on := true
	if hasValue {
		var err error
		if on, err = parseBool(value); err != nil {
			p.fail(&Error{Origin: onCommandLine("--" + t.name), Value: cut(value), Want: boolean().want})
		}
	}
	*t.at(&p.out) = on
}

// key takes a key's value. A boolean takes the next argument only when that is a boolean: --spool-remove a@b.c is a key
// and an address.
func (p *argParser) key(k *Key, name, value string, hasValue bool) {
	switch {
	case hasValue:
	case k.boolean:
		value = "true"
		if len(p.rest) > 0 {
			if _, err := parseBool(p.rest[0]); err == nil {
				value, p.rest = p.rest[0], p.rest[1:]
			}
		}
	default:
		if !p.text(name, "", false, &value) {
			return
		}
	}
	p.keys = append(p.keys, assignment{key: k, value: strings.TrimSpace(value), given: "--" + name})
}

// text stores the value of a switch that must have one, the next argument when it was not joined by an equals sign.
func (p *argParser) text(name, value string, hasValue bool, into *string) bool {
	if !hasValue {
		if len(p.rest) == 0 || strings.HasPrefix(p.rest[0], "--") {
			p.fail(&Error{Origin: onCommandLine("--" + name),
				Want: fmt.Sprintf("a value behind it; one that starts with dashes as --%s=VALUE", name)})
			return false
		}
		value, p.rest = p.rest[0], p.rest[1:]
	}
	*into = value
	return true
}

// short takes the flags of sendmail: -t, -i, -ti, -oi, -f ADDRESS, -fADDRESS. Other options of the -o kind tune
// sendmail itself and mean nothing here.
func (p *argParser) short(arg string) {
	for i := 1; i < len(arg); i++ {
		switch c := arg[i]; c {
		case 't':
			p.out.ExtractRecipients = true
		case 'i':
			p.out.IgnoreDot = true
		case 'h':
			p.out.Help = true
		case 'o':
			if arg[i+1:] == "i" {
				p.out.IgnoreDot = true
			}
			return
		case 'f':
			p.out.EnvelopeSet = p.sender(arg[i+1:])
			return
		default:
			p.unknown(arg)
			return
		}
	}
	if arg == "-" {
		p.unknown(arg)
	}
}

func (p *argParser) sender(joined string) bool {
	if joined == "" {
		if len(p.rest) == 0 {
			p.fail(&Error{Origin: onCommandLine("-f"), Want: "an address behind it"})
			return false
		}
		joined, p.rest = p.rest[0], p.rest[1:]
	}
	p.out.Envelope = joined
	return true
}

// unknown reports a switch that does not exist, with the nearest that does.
func (p *argParser) unknown(arg string) {
	arg, _, _ = strings.Cut(arg, "=") // what follows may be a password
	want := "a key or a switch of --help"
	if r := retiredKey(strings.TrimLeft(arg, "-")); r != nil {
		want = r.advice
	} else if near := p.suggest(strings.TrimLeft(arg, "-")); near != "" {
		want = "a known switch; did you mean --" + near + "?"
	}
	p.fail(&Error{Origin: onCommandLine(cut(arg)), Want: want})
}

func (p *argParser) suggest(name string) string {
	names := []string{"config-file", "envelope"}
	for _, t := range p.toggles {
		names = append(names, t.name)
	}
	return nearest(name, append(names, p.table.names...))
}

func (p *argParser) fail(err *Error) {
	if len(p.errs) < maxProblems {
		p.errs = append(p.errs, err)
	}
}

func onCommandLine(name string) Origin { return Origin{Kind: CommandLine, Name: name} }
