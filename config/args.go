package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/internal/nearest"
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
	FullName          string   // -F NAME: of the sender, for a From field that is missing
	Mode              string   // -bX: what sendmail is to do; "": read a mail, which is m
	FlushQueue        bool     // -q: try what waits now
	Notify            []string // -N: when the sender is told, in upper case
	Ret, EnvID        string   // -R FULL or HDRS, -V: RFC 3461
	sendmail          bool     // another switch of sendmail was given
}

// Sendmail reports whether a mail is to be read from standard input, or what else sendmail does to be done.
func (s Switches) Sendmail() bool {
	return s.ExtractRecipients || s.IgnoreDot || s.EnvelopeSet || s.FullName != "" || s.Mode != "" || s.FlushQueue ||
		s.sendmail || len(s.Addresses) > 0
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

// short takes the flags of sendmail, several in one argument: -ti, -oi, -f ADDRESS, -fADDRESS. What only tunes another
// program's sendmail means nothing here.
func (p *argParser) short(arg string) {
	if name, _, _ := strings.Cut(arg[1:], "="); arg == "-" || p.table.byName[name] != nil {
		p.unknown(arg)
		return
	}
	for i := 1; i < len(arg); i++ {
		rest := arg[i+1:]
		switch c := arg[i]; {
		case c == 't':
			p.out.ExtractRecipients = true
		case c == 'i':
			p.out.IgnoreDot = true
		case c == 'h':
			p.out.Help = true
		case strings.IndexByte("GImnsTUv", c) >= 0: // verbose, no aliases, me too, and the like
			p.out.sendmail = true
		case strings.IndexByte("Adeoq", c) >= 0: // their value is joined, if there is one
			p.out.sendmail = true
			p.out.IgnoreDot = p.out.IgnoreDot || c == 'o' && rest == "i"
			p.out.FlushQueue = p.out.FlushQueue || c == 'q'
			return
		case strings.IndexByte("BbCFfLNOpRrVX", c) >= 0:
			if value, ok := p.value(c, rest); ok {
				p.sendmail(c, value)
			}
			return
		default:
			p.unknown(arg)
			return
		}
	}
}

// value returns the value of a flag that must have one: the rest of its argument, or the next.
func (p *argParser) value(flag byte, joined string) (string, bool) {
	if joined != "" {
		return joined, true
	}
	if len(p.rest) == 0 {
		want := "a value behind it"
		if flag == 'f' || flag == 'r' {
			want = "an address behind it"
		}
		p.fail(&Error{Origin: onCommandLine("-" + string(flag)), Want: want})
		return "", false
	}
	joined, p.rest = p.rest[0], p.rest[1:]
	return joined, true
}

// sendmail takes a flag with its value.
func (p *argParser) sendmail(flag byte, value string) {
	p.out.sendmail = true
	wrong := func(want string) {
		p.fail(&Error{Origin: onCommandLine("-" + string(flag)), Value: cut(value), Want: want})
	}
	switch flag {
	case 'b':
		p.out.Mode = value
	case 'C':
		p.out.ConfigFile = value
	case 'F':
		p.out.FullName = value
	case 'f', 'r':
		p.out.Envelope, p.out.EnvelopeSet = value, true
	case 'V':
		p.out.EnvID = value
	case 'R':
		if p.out.Ret = strings.ToUpper(value); p.out.Ret != "FULL" && p.out.Ret != "HDRS" {
			wrong("full or hdrs")
		}
	case 'N':
		p.out.Notify = strings.Split(strings.ToUpper(value), ",")
		for _, n := range p.out.Notify {
			switch {
			case n == "NEVER" && len(p.out.Notify) == 1, n == "SUCCESS", n == "FAILURE", n == "DELAY":
			default:
				wrong("never, or some of success, failure, delay with commas between them")
				return
			}
		}
	}
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
	return nearest.Of(name, append(names, p.table.names...))
}

func (p *argParser) fail(err *Error) {
	if len(p.errs) < maxProblems {
		p.errs = append(p.errs, err)
	}
}

func onCommandLine(name string) Origin { return Origin{Kind: CommandLine, Name: name} }
