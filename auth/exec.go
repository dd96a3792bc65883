package auth

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/rawurl"
)

// Exec runs a program for each login. Exit status 0 accepts, any other rejects; a program that cannot be started, dies
// by a signal or takes too long cannot tell. docs/exec-auth.md describes it for authors of such programs.
//
// Name and password are two lines of its standard input, and also in the environment as MAILERQ_USERNAME and
// MAILERQ_PASSWORD; never among its arguments, which anybody on the machine can see. No shell is between. What it
// prints is discarded; what it prints to standard error is logged, cut short and without the lines in which the
// password is seen. Processes that it leaves behind in its process group are killed when it has ended.
//
// Names and passwords with a line break or a NUL, or longer than 4096 bytes, are rejected without running it.
type Exec struct {
	Path       string        // absolute
	Timeout    time.Duration // of a run, and of waiting for one; 0: 10 seconds
	Concurrent int           // how many run at a time; 0: 32
	Env        []string      // the environment, as in os/exec; nil: that of this process
	Logger     *slog.Logger  // nil: slog.Default

	once  sync.Once
	slots chan struct{}
}

// OpenExec is the Opener of exec:///path/to/program. Parameters are timeout and concurrent, as in
// ?timeout=5s&concurrent=8.
func OpenExec(_, rest string) (Authenticator, error) {
	path, query, _ := strings.Cut(rest, "?")
	e := &Exec{Path: rawurl.UnescapeLoose(path)}
	params, err := rawurl.ParseParams(query, "timeout", "concurrent")
	if err != nil {
		return nil, err
	}
	if e.Timeout, err = params.Duration("timeout"); err != nil {
		return nil, err
	}
	if e.Concurrent, err = params.Count("concurrent", 10_000); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(e.Path, "/") {
		return nil, fmt.Errorf("path %q is not absolute, expected is exec:///path/to/program", e.Path)
	}
	info, err := os.Stat(e.Path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() || info.Mode().Perm()&0o111 == 0 {
		return nil, fmt.Errorf("%s is not an executable file", e.Path)
	}
	return e, nil
}

// Authenticate runs the program.
func (e *Exec) Authenticate(ctx context.Context, login Login) error {
	if !twoLines(login) {
		return ErrRejected
	}
	timeout := e.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	waiting, cancel := context.WithTimeout(ctx, timeout)
	err := e.acquire(waiting)
	cancel()
	if err != nil {
		return fmt.Errorf("auth: exec %s: waiting for other runs to end: %w", e.Path, err)
	}
	defer func() { <-e.slots }()
	running, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return e.run(running, login)
}

func (e *Exec) acquire(ctx context.Context) error {
	e.once.Do(func() {
		n := e.Concurrent
		if n <= 0 {
			n = 32
		}
		e.slots = make(chan struct{}, n)
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case e.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// twoLines reports whether a login can be told in two lines, and in the environment.
func twoLines(login Login) bool {
	return login.Username != "" && login.Password != "" &&
		len(login.Username) <= maxField && len(login.Password) <= maxField &&
		!strings.ContainsAny(login.Username, "\r\n\x00") && !strings.ContainsAny(login.Password, "\r\n\x00")
}

// run starts the program, waits for its end, and makes an answer of that.
func (e *Exec) run(ctx context.Context, login Login) error {
	var complaints tail
	cmd := exec.Command(e.Path)
	cmd.Stdin = strings.NewReader(login.Username + "\n" + login.Password + "\n")
	cmd.Stderr = &complaints
	cmd.Env = append(e.environ(), "MAILERQ_USERNAME="+login.Username, "MAILERQ_PASSWORD="+login.Password)
	cmd.WaitDelay = 200 * time.Millisecond // for what left the group and keeps the pipes open
	prepareGroup(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("auth: exec: not started: %w", err)
	}
	late, err := waitGroup(ctx, cmd)
	if text := complaints.without(login.Password); text != "" {
		e.log().Warn("an authentication program complains", "program", e.Path, "user", login.Username, "stderr", text)
	}
	switch state := cmd.ProcessState; {
	case state == nil:
		return fmt.Errorf("auth: exec %s: it cannot be waited for: %w", e.Path, err)
	case state.ExitCode() == 0:
		return nil
	case state.ExitCode() > 0:
		return ErrRejected
	case late:
		return fmt.Errorf("auth: exec %s: killed, since it was not done in time: %w", e.Path, ctx.Err())
	default:
		return fmt.Errorf("auth: exec %s: %s", e.Path, state)
	}
}

func (e *Exec) environ() []string {
	if e.Env != nil {
		return e.Env[:len(e.Env):len(e.Env)]
	}
	return os.Environ()
}

func (e *Exec) log() *slog.Logger {
	if e.Logger == nil {
		return slog.Default()
	}
	return e.Logger
}

// String names the program.
func (e *Exec) String() string { return "exec " + e.Path }
