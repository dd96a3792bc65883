package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/nearest"
)

// Sources are the places that [Load] reads. The zero Sources read the file in /etc and nothing else.
type Sources struct {
	// SystemFiles are the places of the system's file. The last that exists is read, the others that exist are warned
	// about. nil: those in /etc; empty but not nil: none.
	SystemFiles []string
	// Args is the command line without the program's name.
	Args []string
	// Environ is the environment as os.Environ gives it.
	Environ []string
	// NoFile holds defaults, by key, that replace those of the table when there is no configuration file at all, such
	// as [LoopbackDefaults]. nil: none.
	NoFile map[string]string
	// Supported tells whether what the key controls exists in this program; a key that was given although it is not
	// gets a warning. nil: everything exists.
	Supported func(key string) bool
	// Check judges values that only other packages understand, such as templates, once nothing else is wrong. It tells
	// complain, for each that makes no sense, the key's main name, what is expected, and the cause; it opens nothing
	// that it does not close. nil: there is nothing more to check.
	Check func(c *Config, complain func(key, want string, cause error))
}

// systemFiles returns the places of the system's configuration file, the stronger last.
func systemFiles() []string { return []string{"/etc/mailerq/config.txt", "/etc/mtad/config.txt"} }

// LoopbackDefaults returns defaults for a start without any configuration file: mail from this machine only, on a port
// that needs no privileges, and a console that nobody else sees.
func LoopbackDefaults() map[string]string {
	return map[string]string{
		"smtp-ip":    "127.0.0.1",
		"smtp-port":  "2525",
		"smtp-range": "127.0.0.0/8,::1/128",
		"www-ip":     "127.0.0.1",
	}
}

// Load reads the configuration from all sources, later ones winning: the defaults, the system's file, the file of
// --config-file, the environment, the command line. It opens nothing but these files, the certificates and smtp-routes.
//
// The error joins an [Error] for everything that is wrong, and the Config is nil then. The Report is never nil.
func Load(src Sources) (*Config, *Report, error) {
	l := newLoader(src)
	switches, args, err := parseArgs(l.table, src.Args)
	l.report.Switches = switches
	if err != nil {
		l.errs = append(l.errs, err)
	}
	l.readFiles(switches.ConfigFile)
	if len(l.report.Files) == 0 && len(l.errs) == 0 {
		l.noFile()
	}
	l.readEnviron()
	l.readArgs(args)
	l.finish()
	if len(l.errs) > 0 {
		return nil, l.report, errors.Join(l.errs...)
	}
	return l.cfg, l.report, nil
}

// loader gathers the values of all sources.
type loader struct {
	src     Sources
	table   *table
	cfg     *Config
	report  *Report
	origins map[string]Origin // by main name: where the effective value came from; none: the default
	values  map[string]string // by main name: the value last given
	refused []refusal
	errs    []error
}

func newLoader(src Sources) *loader {
	l := &loader{src: src, table: newTable(), cfg: new(Config), origins: map[string]Origin{}, values: map[string]string{}}
	l.report = &Report{loader: l}
	for i := range l.table.keys {
		k := &l.table.keys[i]
		if err := k.reset(l.cfg); err != nil {
			// a mistake in the table, which its test finds
			panic(fmt.Sprintf("config: the default of %s does not parse: %v", k.Name, err))
		}
	}
	return l
}

// readFiles reads the system's file and the one that was named.
func (l *loader) readFiles(named string) {
	paths := l.src.SystemFiles
	if paths == nil {
		paths = systemFiles()
	}
	winner := ""
	for _, name := range slices.Backward(paths) {
		data, err := readFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case winner != "":
			l.warn(Origin{Kind: File, File: name}, "not read: %s takes its place", winner)
		default:
			winner = name
			l.file(name, data, err)
		}
	}
	if named != "" {
		data, err := readFile(named)
		l.file(named, data, err)
	}
}

// file takes in one file that was read.
func (l *loader) file(name string, data []byte, err error) {
	at := Origin{Kind: File, File: name}
	if err != nil {
		l.fail(&Error{Origin: at, Want: "a readable configuration file", Err: bareError(err)})
		return
	}
	l.report.Files = append(l.report.Files, name)
	seen := map[string]Origin{}
	problems := 0
	parse(data, func(e entry) bool {
		at.Line = e.line
		if !l.entry(e, at, seen) {
			problems++
		}
		if problems >= maxProblems {
			l.fail(&Error{Origin: at,
				Want: fmt.Sprintf("lines of the form key: value; %d of the lines so far are not, and the rest is not looked at",
					problems)})
			return false
		}
		return true
	})
}

// entry takes in one line; it reports whether there was nothing to complain about.
func (l *loader) entry(e entry, at Origin, seen map[string]Origin) bool {
	if e.form == broken {
		l.fail(&Error{Origin: at, Want: "a line of text, up to 16 KiB, without control characters"})
		return false
	}
	k := l.table.byName[e.key]
	if k == nil {
		l.unknown(at, e.key)
		return false
	}
	clean := e.form == withColon
	switch e.form {
	case bare:
		l.fail(&Error{Origin: at, Key: k.Name, Want: "a colon and a value behind the key"})
		return false
	case withBlank:
		l.warn(at, "%s has no colon behind it: understood as %s: %s", e.key, e.key, cut(k.hide(e.value)))
	case withEquals:
		l.warn(at, "%s has an equals sign behind it instead of a colon: understood as %s: %s", e.key, e.key,
			cut(k.hide(e.value)))
	}
	first, twice := seen[k.Name]
	if twice && k.Lines {
		return l.assign(k, l.values[k.Name]+"\n"+e.value, at) && clean
	}
	if twice {
		l.warn(at, "%s is also set in line %d: the later line wins", k.Name, first.Line)
		clean = false
	}
	seen[k.Name] = at
	return l.assign(k, e.value, at) && clean
}

// noFile puts the defaults of a start without any file in force.
func (l *loader) noFile() {
	for _, name := range slices.Sorted(maps.Keys(l.src.NoFile)) {
		k := l.table.byName[name]
		if k == nil {
			l.fail(&Error{Origin: Origin{Kind: NoFile}, Key: name, Want: "a known key"})
			continue
		}
		l.assign(k, l.src.NoFile[name], Origin{Kind: NoFile})
	}
}

func (l *loader) readEnviron() {
	seen := map[string]variable{}
	unknown := 0
	for _, v := range ownVariables(l.src.Environ) {
		at := Origin{Kind: Environment, Name: v.name}
		k := l.table.byName[v.key]
		if k == nil {
			if unknown++; unknown <= maxProblems {
				l.unknown(at, v.key)
			}
			continue
		}
		if first, twice := seen[k.Name]; twice && first.value != v.value {
			l.warn(at, "%s is also set by %s: %s wins", k.Name, first.name, v.name)
		}
		seen[k.Name] = v
		l.assign(k, v.value, at)
	}
}

func (l *loader) readArgs(args []assignment) {
	seen := map[string]bool{}
	for _, a := range args {
		at := onCommandLine(a.given)
		if seen[a.key.Name] && a.key.Lines {
			l.assign(a.key, l.values[a.key.Name]+"\n"+a.value, at)
			continue
		}
		if seen[a.key.Name] {
			l.warn(at, "%s is given more than once: the last one wins", a.key.Name)
		}
		seen[a.key.Name] = true
		l.assign(a.key, a.value, at)
	}
}

// assign stores a value; it reports whether it parsed.
func (l *loader) assign(k *Key, value string, at Origin) bool {
	if err := k.set(l.cfg, value); err != nil {
		l.failValue(k, value, at, err)
		return false
	}
	l.origins[k.Name], l.values[k.Name] = at, value
	return true
}

// failValue reports a value that did not parse. The details of a secret value are left out.
func (l *loader) failValue(k *Key, value string, at Origin, err error) {
	e := &Error{Origin: at, Key: k.Name, Value: cut(k.hide(value)), Want: k.Want}
	switch {
	case errors.Is(err, errValue) || k.Secret:
	default:
		e.Err = err
	}
	if strings.Contains(value, " #") {
		e.Want += "; a comment needs a line of its own"
	}
	l.fail(e)
}

func (l *loader) unknown(at Origin, name string) {
	if r := retiredKey(name); r != nil {
		l.retire(at, r, name)
		return
	}
	if near := nearest.Of(name, l.table.names); near != "" {
		l.warn(at, "unknown key %s: did you mean %s?", cut(name), near)
		return
	}
	l.warn(at, "unknown key %s", cut(name))
}

func (l *loader) fail(err *Error) { l.errs = append(l.errs, err) }

func (l *loader) warn(at Origin, format string, args ...any) {
	l.report.Warnings = append(l.report.Warnings, Warning{Origin: at, Text: fmt.Sprintf(format, args...)})
}

func (l *loader) note(at Origin, format string, args ...any) {
	l.report.Warnings = append(l.report.Warnings, Warning{Origin: at, Info: true, Text: fmt.Sprintf(format, args...)})
}

// given reports whether somebody wrote a value for the key.
func (l *loader) given(name string) bool { return l.origins[name].given() }

// bareError takes the file's name off an error, since the message has it already.
func bareError(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
