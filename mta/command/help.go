package command

import (
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/internal/cmdline"
	"github.com/sluicemail/sluice/mta"
)

const usage = `mtad %s, a mail transfer agent

mtad [run] [--KEY=VALUE…]        run the server
mtad COMMAND …                   see below
mtad [-t] [ADDRESS…] < MAIL      take a mail, as sendmail does

Commands
`

const examples = `
Examples
  mtad --config-file /etc/mtad/config.txt --smtp-port 2525
  mtad log --last 3h --domain example.com failures
  mtad queue messages --older-than 2h
`

// help is mtad help, and --help.
func help(c *Call) int {
	if len(c.Args) > 0 && c.Args[0] == "keys" {
		if config.WriteHelp(c.Stdout) != nil {
			return ExitFailed
		}
		return ExitOK
	}
	if len(c.Args) > 0 {
		asked, known := named(c.Args[0])
		if !known {
			fmt.Fprintf(c.Stderr, "mtad help: there is no command %s (mtad help lists all)\n", c.Args[0])
			return exitUsage
		}
		if asked.Run != nil && asked.Name != "help" {
			behind := *c
			behind.Args = append(c.Args[1:len(c.Args):len(c.Args)], "--help")
			return asked.Run(&behind)
		}
	}
	fmt.Fprintf(c.Stdout, usage, mta.Version())
	for _, one := range Commands() {
		fmt.Fprintf(c.Stdout, "  %-10s %s\n", one.Name, one.Meaning)
	}
	var switches []string
	for _, w := range config.Usage() {
		switches = append(switches, w.Name)
	}
	fmt.Fprintf(c.Stdout, "\nSwitches, of which mtad help keys tells\n  %s\n",
		cmdline.Wrap(strings.Join(switches, " "), 2))
	if _, err := fmt.Fprint(c.Stdout, examples); err != nil {
		return ExitFailed
	}
	return ExitOK
}
