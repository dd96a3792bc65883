package command

import (
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sluicemail/sluice/console/ctl"
	"github.com/sluicemail/sluice/internal/nearest"
)

// Command is what the word that comes first on the command line stands for.
type Command struct {
	Name    string
	Meaning string // for the list of all
	// Run does it and returns the exit code. Nil: the server itself.
	Run func(*Call) int
	// Model is the command line behind the word, for programs that describe it. Nil: it is no tree of options.
	Model func() *kong.Application
}

// Call is one run of a command.
type Call struct {
	Args, Environ  []string // Args are those behind the word
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Commands lists all, in the order of the help.
func Commands() []Command {
	return []Command{
		{"run", "run the server, as without a command", nil, nil},
		{"queue", "mail that waits: list it, tell why, try it now, move it, remove it", queue, ctl.Queue.Model},
		{"ctl", "speak to the running server: pauses, limits, settings, keys, tokens", control, ctl.Control.Model},
		{"probe", "test an address: where its mail would go, and whether it is taken", probe, ctl.Probe.Model},
		{"doctor", "examine the installation: DNS, ports, keys, certificates, the machine", examine, nil},
		{"preflight", "tell what receivers will find wrong with a mail", preflight, ctl.Preflight.Model},
		{"log", "what became of mail: list it, count it, follow it", log, logModel},
		{"learn", "teach SpamAssassin what is spam and what is not", learn, nil},
		{"help", "tell of a command; of every key with mtad help keys", help, nil},
	}
}

// Find takes the command out of a command line: the first word, before which there may be --config-file and --json,
// which are left to the command. found is false where there is none, and where program, the name by which this one was
// called, is that of another: of sendmail every word is an address.
func Find(program string, args []string) (c Command, rest []string, found bool) {
	if isSendmail(program) {
		return Command{}, args, false
	}
	i := 0
	for i < len(args) {
		switch name, _, joined := strings.Cut(args[i], "="); {
		case name == "--config-file" && !joined:
			i += 2
			continue
		case name == "--config-file", name == "--json":
			i++
			continue
		}
		break
	}
	if i >= len(args) {
		return Command{}, args, false
	}
	c, found = named(args[i])
	return c, slices.Concat(args[:i], args[i+1:]), found
}

func named(word string) (Command, bool) {
	all := Commands()
	i := slices.IndexFunc(all, func(c Command) bool { return c.Name == word })
	if i < 0 {
		return Command{}, false
	}
	return all[i], true
}

// isSendmail reports whether a program's name is one of those that sendmail goes by.
func isSendmail(program string) bool {
	return slices.Contains([]string{"sendmail", "mailq", "newaliases"}, filepath.Base(program))
}

// noCommand says what was meant by a word that stands alone and is no mail address; "" when it may be a recipient.
func noCommand(word string) string {
	if _, known := named(word); known {
		return "it comes first, and its options behind it: mtad " + word + " --config-file FILE …"
	}
	if slices.Contains(ctl.Commands(), word) {
		return "use mtad ctl " + word
	}
	var names []string
	for _, c := range Commands() {
		names = append(names, c.Name)
	}
	if near := nearest.Typo(word, names); near != "" {
		return "did you mean mtad " + near + "?"
	}
	if near := nearest.Typo(word, ctl.Commands()); near != "" {
		return "did you mean mtad ctl " + near + "?"
	}
	return ""
}
