package auth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
)

// program returns a program under testdata.
func program(t *testing.T, name string) *auth.Exec {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "exec", name))
	require.NoError(t, err)
	return &auth.Exec{Path: path, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func TestExecExam(t *testing.T) {
	e := program(t, "check.sh")
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		return open(t, "exec://"+e.Path), map[string]string{
			"alice": `Sesam, öffne: "dich" *`,
			"b o'b": "hunter2$(id)`id`",
		}
	})
}

func TestExecStatus(t *testing.T) {
	e := program(t, "status.sh")
	require.NoError(t, ask(t, e, "0", "x"))
	for _, status := range []string{"1", "2", "75", "126", "127", "255"} {
		require.ErrorIs(t, ask(t, e, status, "x"), auth.ErrRejected, status)
	}
}

func TestExecDiesByASignal(t *testing.T) {
	e := program(t, "signal.sh")
	for _, signal := range []string{"KILL", "TERM", "HUP", "ABRT"} {
		err := ask(t, e, signal, "x")
		require.ErrorContains(t, err, "signal", signal)
		require.NotErrorIs(t, err, auth.ErrRejected, signal)
	}
}

func TestExecNotStarted(t *testing.T) {
	for _, name := range []string{"noshebang", "nointerpreter.sh", "notexecutable.sh", "missing", ""} {
		err := ask(t, program(t, name), "alice", "sesame-sesame")
		require.ErrorContains(t, err, "not started", name)
		require.NotErrorIs(t, err, auth.ErrRejected, name)
		require.NotContains(t, err.Error(), "sesame")
	}
}

// TestExecKillsTheWholeGroup lets a program hang that does not listen to signals, and has a child that does neither.
func TestExecKillsTheWholeGroup(t *testing.T) {
	e := program(t, "hang.sh")
	pids := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(pids); err == nil {
				cancel() // its client is gone
			}
			time.Sleep(time.Millisecond)
		}
	}()
	err := e.Authenticate(ctx, auth.Login{Username: pids, Password: "x"})
	require.ErrorIs(t, err, context.Canceled)
	requireGone(t, pids)

	e.Timeout = 200 * time.Millisecond
	start := time.Now()
	err = ask(t, e, pids+"2", "x")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, auth.ErrRejected)
	require.Less(t, time.Since(start), 5*time.Second)
}

// requireGone reads process ids from a file and waits until none of them is alive.
func requireGone(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Len(t, strings.Fields(string(text)), 2)
	for pid := range strings.FieldsSeq(string(text)) {
		var n int
		_, err := fmt.Sscan(pid, &n)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !alive(n) }, 5*time.Second, time.Millisecond, "process %d lives on", n)
	}
}

// alive reports whether a process runs; a zombie that its parent has not looked after does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

func TestExecThatForks(t *testing.T) {
	e := program(t, "fork.sh")
	pids := filepath.Join(t.TempDir(), "pids")
	start := time.Now()
	require.NoError(t, ask(t, e, pids, "x"))
	require.Less(t, time.Since(start), 5*time.Second)
	requireGone(t, pids)
}

func TestExecDoesNotWaitForADaemon(t *testing.T) {
	start := time.Now()
	require.NoError(t, ask(t, program(t, "daemon.sh"), "alice", "x"))
	require.Less(t, time.Since(start), 8*time.Second)
}

func TestExecThatDoesNotRead(t *testing.T) {
	require.NoError(t, ask(t, program(t, "accept-unread.sh"), "alice", strings.Repeat("x", 4096)))
}

func TestExecThatPrintsMegabytes(t *testing.T) {
	logged := new(logbook)
	e := program(t, "flood.sh")
	e.Logger = slog.New(slog.NewTextHandler(logged, nil))
	require.NoError(t, ask(t, e, "alice", "x"))
	require.Less(t, len(logged.String()), 10_000)

	e = program(t, "endless.sh")
	e.Timeout = 200 * time.Millisecond
	require.ErrorIs(t, ask(t, e, "alice", "x"), context.DeadlineExceeded)
}

// TestExecLogsComplaintsWithoutThePassword runs a script that traces itself, as people do to find out what is wrong.
func TestExecLogsComplaintsWithoutThePassword(t *testing.T) {
	for _, password := range []string{"sesame", "it's", "two words", "a'b\"c$d", "x y", "öffne-dich",
		strings.Repeat("sesame ", 500)} {
		logged := new(logbook)
		e := program(t, "trace.sh")
		e.Logger = slog.New(slog.NewJSONHandler(logged, nil))
		require.ErrorIs(t, ask(t, e, "alice", password), auth.ErrRejected)
		require.Contains(t, logged.String(), "the directory is not there")
		require.Contains(t, logged.String(), `"user":"alice"`)
		for _, part := range append(strings.Fields(password), password, "it'") {
			if len(part) > 2 {
				require.NotContains(t, logged.String(), part)
			}
		}
	}
}

func TestExecShowsNothingInTheProcessList(t *testing.T) {
	e := program(t, "arguments.sh")
	file := filepath.Join(t.TempDir(), "arguments")
	require.NoError(t, ask(t, e, file, "open-sesame"))
	arguments, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(arguments), "arguments.sh")
	require.NotContains(t, string(arguments), "sesame")
	require.NotContains(t, string(arguments), file)
}

func TestExecEnvironment(t *testing.T) {
	t.Setenv("MAILERQ_PASSWORD", "of another")
	e := program(t, "check.sh")
	require.NoError(t, ask(t, e, "alice", `Sesam, öffne: "dich" *`))
	e.Env = []string{"MAILERQ_USERNAME=of another", "PATH=/usr/bin:/bin"}
	require.NoError(t, ask(t, e, "alice", `Sesam, öffne: "dich" *`))
	require.Len(t, e.Env, 2)
}

func TestExecRejectsWhatIsNoTwoLines(t *testing.T) {
	e := program(t, "accept-unread.sh")
	for _, l := range []auth.Login{
		{Username: "", Password: "x"}, {Username: "a"}, {Username: "a\nb", Password: "x"}, {Username: "a", Password: "x\n"},
		{Username: "a\r", Password: "x"},
		{Username: "a\x00", Password: "x"}, {Username: "a", Password: "\x00x"},
		{Username: "a", Password: strings.Repeat("x", 4097)}, {Username: strings.Repeat("x", 4097), Password: "x"},
	} {
		require.ErrorIs(t, e.Authenticate(t.Context(), l), auth.ErrRejected)
	}
}

// TestExecManyAtOnce runs a program that takes 300 ms for 200 clients, at most 50 at a time.
func TestExecManyAtOnce(t *testing.T) {
	e := program(t, "slow.sh")
	e.Concurrent = 50
	e.Timeout = time.Minute
	start := time.Now()
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			if err := ask(t, e, "alice", "x"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Greater(t, time.Since(start), 1200*time.Millisecond)
	require.Less(t, time.Since(start), 30*time.Second, "one by one they take a minute")
}

func TestExecWaitsForAPlaceNoLongerThanItRuns(t *testing.T) {
	e := program(t, "hang.sh")
	e.Concurrent = 1
	e.Timeout = 300 * time.Millisecond
	pids := filepath.Join(t.TempDir(), "pids")
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { _ = ask(t, e, pids, "x") })
	group.Go(func() { _ = ask(t, e, pids, "x") })
	err := ask(t, e, pids, "x")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
