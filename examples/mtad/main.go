// Command mtad is a complete mail transfer agent made of this module's packages. It reads MailerQ's configuration file;
// without any it listens on 127.0.0.1:2525 and keeps its queue under the user's state directory. mtad --help lists its
// commands, mtad help keys every key, mtad --check-config shows every effective value.
//
// This program is flags, signals and exit codes; package mta puts the rooms together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/mta"
	"github.com/sluicemail/sluice/mta/command"
)

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is main with its surroundings as parameters; it returns the exit code.
func run(args, environ []string, stdout, stderr io.Writer) int {
	c, rest, found := command.Find(os.Args[0], args)
	if found && c.Run != nil {
		return c.Run(&command.Call{Args: rest, Environ: environ, Stdin: os.Stdin, Stdout: stdout, Stderr: stderr})
	}
	if found {
		args = rest
	} else if code, done := command.Mail(os.Args[0], args, environ, os.Stdin, stdout, stderr); done {
		return code
	}
	caught := make(chan os.Signal, 4)
	signal.Notify(caught, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) // first of all
	load := loader(func() (*config.Config, *config.Report, error) { return mta.Load(args, environ) })
	cfg, report, err := load()
	if code, done := command.Answer(cfg, report, err, os.Stdin, stdout, stderr); done {
		return code
	}
	if command.Detaches(cfg, environ) {
		signal.Reset()
		return command.Detach(args, environ, stdout, stderr)
	}
	m, err := open(cfg, report, load, caught)
	switch {
	case errors.Is(err, errStop):
		return command.ExitOK
	case err != nil:
		if !slices.Contains(cfg.ApplicationLog, "stderr") || mta.Misconfigured(err) {
			fmt.Fprintln(stderr, "mtad: cannot start:", err)
		}
		return exitCode(err)
	}
	command.WarnDetached(cfg, environ, m.Logger())
	mta.Tune()
	return serve(m, load, caught, environ)
}

// loader reads the configuration.
type loader func() (*config.Config, *config.Report, error)

func exitCode(err error) int {
	if mta.Misconfigured(err) {
		return command.ExitConfig
	}
	return command.ExitFailed
}

var errStop = errors.New("told to stop")

// grace is how long a start that was told to stop may take to close what it has opened. What cannot be interrupted,
// such as reading a large queue, is left to the end of the process, which no queue minds.
const grace = time.Second

// open opens everything, unless a signal ends that before. After SIGHUP it reads the configuration once more.
func open(cfg *config.Config, report *config.Report, load loader, caught <-chan os.Signal) (*mta.MTA, error) {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	type opened struct {
		m   *mta.MTA
		err error
	}
	done := make(chan opened, 1)
	go func() {
		m, err := mta.Open(ctx, cfg, mta.Options{Report: report})
		done <- opened{m, err}
	}()
	var late <-chan time.Time
	again := false
	for {
		select {
		case o := <-done:
			switch {
			case o.err != nil:
				return nil, o.err
			case ctx.Err() != nil: // it was too late for Open to heed it
				return nil, errors.Join(errStop, o.m.Shutdown(context.Background()))
			case again:
				reload(o.m, load)
			}
			return o.m, nil
		case s := <-caught:
			if s == syscall.SIGHUP {
				again = true
				continue
			}
			stop(errStop)
			late = time.After(grace)
		case <-late:
			return nil, errStop
		}
	}
}

// serve runs the MTA until a signal ends it.
func serve(m *mta.MTA, load loader, caught <-chan os.Signal, environ []string) int {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	systemd := command.Supervisor{Logger: m.Logger()}
	go signals(m, systemd, load, caught, stop)
	go func() {
		<-m.Ready()
		systemd.Ready()
		go systemd.Watch(context.Background(), m.Alive) // to the very end: systemd asks while it stops, too
		if err := command.Detached(environ); err != nil {
			stop(fmt.Errorf("daemon: %w", err))
		}
	}()
	if err := m.Run(ctx); err != nil {
		return command.ExitFailed
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, errStop) {
		fmt.Fprintln(os.Stderr, "mtad:", err)
		return command.ExitFailed
	}
	return command.ExitOK
}

// patience is how soon after the first signal another is the same request: timeout(1) for one signals the program and
// then its group.
const patience = 500 * time.Millisecond

// signals ends the MTA on SIGTERM and SIGINT, at once the second time, and has it reload on SIGHUP.
func signals(m *mta.MTA, systemd command.Supervisor, load loader, caught <-chan os.Signal,
	stop context.CancelCauseFunc) {
	log := m.Logger()
	var asked time.Time
	for s := range caught {
		switch {
		case s == syscall.SIGHUP:
			systemd.Reload(func() { reload(m, load) })
		case asked.IsZero():
			asked = time.Now()
			systemd.Stopping()
			log.Info("stopping", "signal", s.String())
			stop(errStop)
		case time.Since(asked) < patience:
		default:
			log.Warn("stopping at once; what is on its way stays in the queue", "signal", s.String())
			atOnce, cancel := context.WithCancel(context.Background())
			cancel()
			_ = m.Shutdown(atOnce) // Run returns its error
		}
	}
}

// reload reads the configuration again and puts it in force.
func reload(m *mta.MTA, load loader) {
	m.Reopen()
	cfg, _, err := load()
	if err == nil {
		err = m.Reload(cfg)
	}
	if err != nil {
		m.Logger().Error("the configuration is wrong; the old one stays in force", "error", err)
	}
}
