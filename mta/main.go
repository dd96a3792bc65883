package mta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/sluicemail/sluice/config"
)

// Exit codes, as in sysexits.h.
const (
	exitOK     = 0
	exitFailed = 1
	exitConfig = config.ExConfig
)

// drainTime is how long a graceful stop may take.
const drainTime = 30 * time.Second

// Main is the program mtad with its surroundings as parameters; it returns the exit code.
func Main(args, environ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if command := commands(args[0]); command != nil {
			return command(args[1:], environ, os.Stdin, stdout, stderr)
		}
	}
	caught := make(chan os.Signal, 4)
	signal.Notify(caught, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) // first of all; they wait until all is open
	cfg, report, err := config.Load(startSources(args, environ))
	if code, done := answer(cfg, report, err, stdout, stderr); done {
		return code
	}
	if s := report.Switches; s.RepairDatabase || s.PurgeDatabase {
		signal.Reset()
		return maintainDatabase(cfg, s, os.Stdin, stdout, stderr)
	} else if s.ListCluster || s.NotifyCluster {
		signal.Reset()
		return askCluster(cfg, s, stdout, stderr)
	}
	if detaches(cfg, environ) {
		signal.Reset()
		return detach(args, environ, stdout, stderr)
	}
	u, err := serviceAccount(cfg)
	if err != nil {
		fmt.Fprintln(stderr, "mtad:", err)
		return exitConfig
	}
	log, err := openAppLog(cfg.ApplicationLog, u, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "mtad:", err)
		return exitConfig
	}
	defer log.close()
	defer profile(u, log.Logger)()
	for _, w := range report.Warnings {
		level := slog.LevelWarn
		if w.Info {
			level = slog.LevelInfo
		}
		log.Log(context.Background(), level, w.String())
	}
	warnDetached(cfg, environ, log.Logger)

	app, err := open(cfg, report, log)
	if err != nil {
		log.Error("cannot start", "error", err)
		if !slices.Contains(cfg.ApplicationLog, "stderr") {
			fmt.Fprintln(stderr, "mtad: cannot start:", err)
		}
		return exitCode(err)
	}
	tune()
	control := func(stop context.CancelCauseFunc) { app.signals(caught, args, environ, stop) }
	if err := app.serve(control, func() error { return detached(environ) }); err != nil {
		log.Error("stopped", "error", err)
		return exitFailed
	}
	log.Info("stopped")
	return exitOK
}

func sources(args, environ []string) config.Sources {
	defaults := config.LoopbackDefaults()
	defaults["queue-address"] = "disk://" + filepath.Join(stateDir(), "queue")
	defaults["database-address"] = "sqlite://" + filepath.Join(stateDir(), "settings.db")
	return config.Sources{Args: args, Environ: environ, NoFile: defaults, Supported: supported, Check: check}
}

// startSources is sources for a start, or for who asks whether one would succeed: all is looked at that could keep it
// from that.
func startSources(args, environ []string) config.Sources {
	src := sources(args, environ)
	if s, _ := config.ParseArgs(args); !s.ListIPs && !s.ListCluster && !s.NotifyCluster && !s.RepairDatabase &&
		!s.PurgeDatabase {
		src.Check = checkStart
	}
	return src
}

// answer deals with a command line that asks for no server, and with a configuration that does not stand.
func answer(cfg *config.Config, report *config.Report, err error, stdout, stderr io.Writer) (code int, done bool) {
	s := report.Switches
	if len(s.Addresses) > 0 {
		if meant := noCommand(s.Addresses[0]); meant != "" {
			fmt.Fprintf(stderr, "mtad: there is no command %s here: %s\n", s.Addresses[0], meant)
			return exitUsage, true
		}
	}
	switch {
	case s.Help:
		config.WriteHelp(stdout)
		return exitOK, true
	case s.Version:
		fmt.Fprintln(stdout, "mtad", version())
		return exitOK, true
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitConfig, true
	case s.CheckConfig:
		if err := report.Write(stdout); err != nil {
			return exitFailed, true
		}
		return exitOK, true
	case s.ListIPs:
		for _, ip := range localAddresses() {
			if cfg.Loopback || !ip.IsLoopback() {
				fmt.Fprintln(stdout, ip)
			}
		}
		return exitOK, true
	}
	if name := unavailable(s); name != "" {
		fmt.Fprintf(stderr, "mtad: %s: this version cannot do that yet\n", name)
		return exitFailed, true
	}
	return exitOK, false
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// patience is how soon after the first signal another is the same request: timeout(1) for one signals the program and
// then its group.
const patience = 500 * time.Millisecond

// signals ends the program on SIGTERM and SIGINT, at once the second time, and has it reload on SIGHUP.
func (a *app) signals(caught <-chan os.Signal, args, environ []string, stop context.CancelCauseFunc) {
	var asked time.Time
	for s := range caught {
		switch {
		case s == syscall.SIGHUP:
			a.reload(args, environ)
		case asked.IsZero():
			asked = time.Now()
			a.log.Info("stopping", "signal", s.String())
			stop(errStop)
		case time.Since(asked) < patience:
		default:
			a.log.Warn("stopping at once; what is on its way stays in the queue", "signal", s.String())
			a.server.Close()
			a.engine.Close()
		}
	}
}

var errStop = errors.New("told to stop")
