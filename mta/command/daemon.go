package command

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sluicemail/sluice/config"
)

// detachedBy tells a process in its environment that it was started by Detach, and by which descriptor to say that it
// works.
const detachedBy = "SLUICE_DETACHED=3"

// Detaches reports whether this process is to start another one that goes on in the background. What systemd supervises
// stays.
func Detaches(cfg *config.Config, environ []string) bool {
	return cfg.Daemon && !slices.Contains(environ, detachedBy) && !supervised(environ)
}

// supervised reports whether systemd waits for this very process to say that it works.
func supervised(environ []string) bool {
	return slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, "NOTIFY_SOCKET=") })
}

// Detach starts this program anew in a session of its own, waits until it works or has failed, and returns the exit
// code: 0, or that with which it failed. What it says until then appears here.
func Detach(args, environ []string, stdout, stderr io.Writer) int {
	code, err := startDetached(args, environ, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "mtad: daemon:", err)
		return ExitFailed
	}
	return code
}

func startDetached(args, environ []string, stdout, stderr io.Writer) (int, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	works, says, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer works.Close()
	child := exec.Command(program, args...)
	child.Env = append(slices.Clone(environ), detachedBy)
	child.Stdout, child.Stderr = stdout, stderr
	child.ExtraFiles = []*os.File{says}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	caught := make(chan os.Signal, 4)
	signal.Notify(caught, syscall.SIGTERM, syscall.SIGINT)
	err = child.Start()
	says.Close()
	if err != nil {
		return 0, err
	}
	go func() {
		for s := range caught { // a user who gives up does not leave it behind
			_ = child.Process.Signal(s)
		}
	}()
	if n, _ := works.Read(make([]byte, 1)); n > 0 {
		return ExitOK, nil
	}
	err = child.Wait()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended) && ended.ExitCode() >= 0:
		return ended.ExitCode(), nil
	case err != nil:
		return 0, err
	}
	return 0, errors.New("it ended before it worked")
}

// WarnDetached says what a process in the background has to know about its log.
func WarnDetached(cfg *config.Config, environ []string, log *slog.Logger) {
	switch {
	case !cfg.Daemon:
	case supervised(environ):
		log.Info("daemon is ignored: systemd started this program (NOTIFY_SOCKET is set)")
	case !slices.ContainsFunc(cfg.ApplicationLog, func(to string) bool { return to != "stdout" && to != "stderr" }):
		log.Warn("in the background nobody hears standard output and error: name a file or syslog with application-log")
	}
}

// Detached says to the process that Detach waits in that this one works, and lets go of the terminal.
func Detached(environ []string) error {
	if !slices.Contains(environ, detachedBy) {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return err
		}
	}
	says := os.NewFile(3, "ready")
	_, err = says.Write([]byte{1})
	return errors.Join(err, says.Close())
}
