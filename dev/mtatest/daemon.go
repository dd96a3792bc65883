package mtatest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
)

// Patience is how long a test waits for what should come soon; only failing tests wait that long.
const Patience = 40 * time.Second

// Settings are the keys of a configuration file.
type Settings map[string]string

// With returns a copy in which others have been set.
func (s Settings) With(others Settings) Settings {
	all := maps.Clone(s)
	maps.Copy(all, others)
	return all
}

// Text is the configuration file.
func (s Settings) Text() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s: %s\n", key, s[key])
	}
	return b.String()
}

// Daemon is a running MTA.
type Daemon struct {
	*Process
	Settings Settings
	File     string // its configuration file
	Addr     string // where it takes mail
	Queue    string // the directory of its queue
}

// Start starts mtad with a fresh queue, unless queue-address says otherwise, and waits until it takes mail. Where
// nothing else is set it listens on a free port of loopback, lets loopback relay, and has no console.
func Start(t testing.TB, set Settings) *Daemon {
	t.Helper()
	return StartWith(t, nil, set)
}

// StartWith is Start with an environment; see Run.
func StartWith(t testing.TB, environ []string, set Settings) *Daemon {
	t.Helper()
	return start(t, set, func(file string) *Process { return Run(t, environ, "--config-file", file) })
}

// Inside is Start with the MTA in the process of the test, which is quicker. It is for tests that send no signals, see
// no exit code, and leave the log to its default.
func Inside(t testing.TB, set Settings) *Daemon {
	t.Helper()
	return start(t, set, func(file string) *Process { return host(t, file) })
}

func start(t testing.TB, set Settings, run func(file string) *Process) *Daemon {
	t.Helper()
	dir := t.TempDir()
	set = Settings{
		"smtp-ip": "127.0.0.1", "smtp-range": "127.0.0.0/8", "smtp-hostname": "mtad.test",
		"queue-address":    "disk://" + filepath.Join(dir, "queue"),
		"database-address": "sqlite://" + filepath.Join(dir, "settings.db"),
		"dns-servers":      "127.0.0.1:1", "dns-timeout": "2", "dns-interval": "1", "dns-attempts": "1",
		"www-port": "0",
	}.With(set)
	var problems []string
	for range 5 {
		if _, fixed := set["smtp-port"]; !fixed || len(problems) > 0 {
			set["smtp-port"] = strconv.Itoa(testserver.FreePort(t))
		}
		d := launch(t, set, run)
		if d.ready() {
			return d
		}
		problems = append(problems, d.Log.String())
		if !strings.Contains(d.Log.String(), "address already in use") {
			break
		}
	}
	require.FailNow(t, "mtad did not start", "%s", strings.Join(problems, "\n"))
	return nil
}

// Launch starts mtad without waiting for it.
func Launch(t testing.TB, set Settings) *Daemon {
	t.Helper()
	return launch(t, set, func(file string) *Process { return Run(t, nil, "--config-file", file) })
}

func launch(t testing.TB, set Settings, run func(file string) *Process) *Daemon {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mtad.conf")
	require.NoError(t, os.WriteFile(file, []byte(set.Text()), 0o600))
	return &Daemon{Process: run(file), Settings: set, File: file, Addr: "127.0.0.1:" + set["smtp-port"],
		Queue: strings.TrimPrefix(set["queue-address"], "disk://")}
}

// ready waits until mtad takes mail, and reports false when it ended before.
func (d *Daemon) ready() bool {
	return d.WaitLog("msg=listening")
}

// Again starts mtad anew with the same settings and queue, after it has ended.
func (d *Daemon) Again(t testing.TB) *Daemon {
	t.Helper()
	if d.hosted != nil {
		return Inside(t, d.Settings)
	}
	return Start(t, d.Settings)
}

// Rewrite changes the configuration file of the running mtad.
func (d *Daemon) Rewrite(t testing.TB, set Settings) {
	t.Helper()
	d.Settings = d.Settings.With(set)
	require.NoError(t, os.WriteFile(d.File, []byte(d.Settings.Text()), 0o600))
}

// Reload has mtad read its files again, and waits until it has.
func (d *Daemon) Reload(t testing.TB) {
	t.Helper()
	if d.hosted != nil {
		d.hosted.reload(d.File)
		return
	}
	before := strings.Count(d.Log.String(), "configuration")
	require.NoError(t, d.Cmd.Process.Signal(syscall.SIGHUP))
	Eventually(t, "the configuration is read again",
		func() bool { return strings.Count(d.Log.String(), "configuration") > before })
}

// Process is a started mtad and what it says.
type Process struct {
	Cmd  *exec.Cmd // nil: the MTA is hosted by the test
	Log  Output    // standard error
	Out  Output    // standard output
	done chan struct{}

	hosted *hosted
}

// Run starts mtad with a command line. It is killed when the test ends. Its environment is empty but for environ and a
// home of its own.
func Run(t testing.TB, environ []string, args ...string) *Process {
	t.Helper()
	p := &Process{Cmd: exec.Command(Program(), args...), done: make(chan struct{})}
	p.Cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, environ...)
	p.Cmd.Stdout, p.Cmd.Stderr = &p.Out, &p.Log
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, p.Cmd.Start())
	go func() {
		_ = p.Cmd.Wait() // its result is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if log := p.Log.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
			t.Errorf("mtad said:\n%s", log)
		}
		if t.Failed() {
			t.Logf("mtad said:\n%s", p.Log.tail(4000))
		}
	})
	return p
}

// Kill ends mtad at once: a process as kill -9 does, what is hosted with what is on its way left in the queue.
func (p *Process) Kill() {
	select {
	case <-p.done: // its number may already be another's
	default:
		if p.hosted != nil {
			p.hosted.stop()
		} else {
			_ = p.Cmd.Process.Kill()
		}
		<-p.done
	}
}

// Exit waits until mtad has ended by itself and returns its exit code.
func (p *Process) Exit(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		require.FailNow(t, "mtad does not end", "after %v; it said:\n%s", within, p.Log.tail(4000))
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Terminate asks mtad to stop, which it must do within half a minute and with exit code 0.
func (p *Process) Terminate(t testing.TB) {
	t.Helper()
	if p.hosted != nil {
		p.hosted.terminate(t)
		return
	}
	require.NoError(t, p.Cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.Exit(t, 32*time.Second), "exit code after SIGTERM")
}

// WaitLog waits until mtad has said text, and reports false when it ended without.
func (p *Process) WaitLog(text string) bool {
	deadline := time.After(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.Log.String(), text) {
		select {
		case <-p.done:
			return strings.Contains(p.Log.String(), text)
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}

// Memory returns the most memory that mtad has had resident so far, in bytes.
func (p *Process) Memory(t testing.TB) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no /proc: memory cannot be measured here")
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			require.NoError(t, err)
			return kib << 10
		}
	}
	require.FailNow(t, "no VmHWM in the status of mtad")
	return 0
}

// Output is a buffer that may be read while it is written.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// tail returns the last n bytes, from the beginning of a line.
func (o *Output) tail(n int) string {
	text := o.String()
	if len(text) <= n {
		return text
	}
	text = text[len(text)-n:]
	return "…\n" + text[strings.IndexByte(text, '\n')+1:]
}

// Eventually waits until a condition holds.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, Patience, 10*time.Millisecond, "this did not come about: %s", what)
}
