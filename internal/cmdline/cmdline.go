// Package cmdline reads the command lines of mtad's commands. Each is a grammar of package kong; [Line.Parse] finds
// mistakes in it, with what was meant, and prints help that fits a screen.
package cmdline

import (
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// The exit codes of Parse.
const (
	exitOK    = 0
	exitUsage = 64 // EX_USAGE of sysexits.h
)

// Line is the command line of one command.
type Line struct {
	Name     string   // how the command is called: "mtad queue"
	Meaning  string   // what it is for, in a sentence
	Examples []string // command lines, shown at the end of the help
	Grammar  any      // pointer to a struct with kong's tags, which Parse fills
}

// Parse reads args, which stand behind the name. done: it printed help, or what is wrong, and the program ends with the
// exit code.
func (l *Line) Parse(args []string, stdout, stderr io.Writer) (parsed *kong.Context, code int, done bool) {
	type ended struct{} // kong ends the program after help
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(ended); !ok {
				panic(r)
			}
			parsed, code, done = nil, exitOK, true
		}
	}()
	parser := l.parser(kong.Writers(stdout, stderr), kong.Exit(func(int) { panic(ended{}) }))
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v (%s --help tells more)\n", l.Name, err, l.Name)
		return nil, exitUsage, true
	}
	return parsed, exitOK, false
}

// Model returns the command line for programs that describe it.
func (l *Line) Model() *kong.Application { return l.parser().Model }

func (l *Line) parser(options ...kong.Option) *kong.Kong {
	parser, err := kong.New(l.Grammar, append(options, kong.Name(l.Name), kong.Description(l.Meaning),
		kong.Help(l.help))...)
	if err != nil {
		panic(err) // a mistake in the grammar, which every test finds
	}
	return parser
}
