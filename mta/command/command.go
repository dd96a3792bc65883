// Package command holds what the program mtad can do beside running a server: its commands, which [Commands] lists,
// taking mail as sendmail does, the switches that ask for an answer (such as --check-config, --list-cluster,
// --purge-database), and --daemon. A new command is a row of that table.
package command

import (
	"fmt"
	"io"
	"os/signal"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/mta"
)

// Exit codes, as in sysexits.h.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitConfig = config.ExConfig

	exitUsage       = 64
	exitDataErr     = 65
	exitNoInput     = 66
	exitNoUser      = 67
	exitUnavailable = 69
	exitCantCreat   = 73
	exitIOErr       = 74
	exitTempFail    = 75
	exitNoPerm      = 77
)

// Answer deals with a command line that asks for no server, and with a configuration that does not stand; cfg, report
// and err are those of mta.Load. When that is done, the program ends with the exit code. What takes long leaves signals
// to the system.
func Answer(cfg *config.Config, report *config.Report, err error, stdin io.Reader,
	stdout, stderr io.Writer) (code int, done bool) {
	s := report.Switches
	if len(s.Addresses) > 0 {
		if meant := noCommand(s.Addresses[0]); meant != "" {
			fmt.Fprintf(stderr, "mtad: there is no command %s here: %s\n", s.Addresses[0], meant)
			return exitUsage, true
		}
	}
	switch {
	case s.Help:
		return help(&Call{Stdout: stdout}), true
	case s.Version:
		fmt.Fprintln(stdout, "mtad", mta.Version())
		return ExitOK, true
	case err != nil:
		fmt.Fprintln(stderr, err)
		return ExitConfig, true
	case s.CheckConfig:
		if err := report.Write(stdout); err != nil {
			return ExitFailed, true
		}
		return ExitOK, true
	case s.ListIPs:
		for _, ip := range mta.LocalAddresses() {
			if cfg.Loopback || !ip.IsLoopback() {
				fmt.Fprintln(stdout, ip)
			}
		}
		return ExitOK, true
	case s.RepairDatabase, s.PurgeDatabase:
		signal.Reset()
		return maintainDatabase(cfg, s, stdin, stdout, stderr), true
	case s.ListCluster, s.NotifyCluster:
		signal.Reset()
		return askCluster(cfg, s, stdout, stderr), true
	case s.Sendmail():
		fmt.Fprintln(stderr, "mtad run: expected keys only: addresses and the switches of sendmail start no server")
		return exitUsage, true
	}
	return ExitOK, false
}
