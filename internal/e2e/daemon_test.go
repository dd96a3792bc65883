package e2e

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

// patience is how long a test waits for what should come soon; only failing tests wait that long.
const patience = 40 * time.Second

// settings are the keys of a configuration file.
type settings map[string]string

// with returns a copy in which others have been set.
func (s settings) with(others settings) settings {
	all := maps.Clone(s)
	maps.Copy(all, others)
	return all
}

// text is the configuration file.
func (s settings) text() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s: %s\n", key, s[key])
	}
	return b.String()
}

// daemon is a running mtad.
type daemon struct {
	*process
	settings settings
	file     string // its configuration file
	addr     string // where it takes mail
	queue    string // the directory of its queue
}

// start starts mtad with a fresh queue, unless queue-address says otherwise, and waits until it takes mail. Where nothing
// else is set it listens on a free port of loopback and lets loopback relay.
func start(t testing.TB, set settings) *daemon {
	t.Helper()
	dir := t.TempDir()
	set = settings{
		"smtp-ip": "127.0.0.1", "smtp-range": "127.0.0.0/8", "smtp-hostname": "mtad.test", "queue-address": "disk://" + filepath.Join(dir, "queue"),
		"database-address": "sqlite://" + filepath.Join(dir, "settings.db"),
		"dns-servers":      "127.0.0.1:1", "dns-timeout": "2", "dns-interval": "1", "dns-attempts": "1",
	}.with(set)
	var problems []string
	for range 5 {
		if _, fixed := set["smtp-port"]; !fixed || len(problems) > 0 {
			set["smtp-port"] = strconv.Itoa(testserver.FreePort(t))
		}
		d := launch(t, set)
		if d.ready() {
			return d
		}
		problems = append(problems, d.log.String())
		if !strings.Contains(d.log.String(), "address already in use") {
			break
		}
	}
	require.FailNow(t, "mtad did not start", "%s", strings.Join(problems, "\n"))
	return nil
}

// launch starts mtad without waiting for it.
func launch(t testing.TB, set settings) *daemon {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mtad.conf")
	require.NoError(t, os.WriteFile(file, []byte(set.text()), 0o600))
	d := &daemon{settings: set, file: file, addr: "127.0.0.1:" + set["smtp-port"], queue: strings.TrimPrefix(set["queue-address"], "disk://")}
	d.process = run(t, nil, "--config-file", file)
	return d
}

// ready waits until mtad takes mail, and reports false when it ended before.
func (d *daemon) ready() bool {
	return d.waitLog("msg=listening")
}

// again starts mtad anew with the same settings and queue, after it has ended.
func (d *daemon) again(t testing.TB) *daemon {
	t.Helper()
	return start(t, d.settings)
}

// rewrite changes the configuration file of the running mtad.
func (d *daemon) rewrite(t testing.TB, set settings) {
	t.Helper()
	d.settings = d.settings.with(set)
	require.NoError(t, os.WriteFile(d.file, []byte(d.settings.text()), 0o600))
}

// reload has mtad read its files again, and waits until it has.
func (d *daemon) reload(t testing.TB) {
	t.Helper()
	before := strings.Count(d.log.String(), "configuration")
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "the configuration is read again", func() bool { return strings.Count(d.log.String(), "configuration") > before })
}

// process is a started mtad and what it says.
type process struct {
	cmd  *exec.Cmd
	log  output // standard error
	out  output // standard output
	done chan struct{}
}

// run starts mtad with a command line. It is killed when the test ends. Its environment is empty but for environ and a home
// of its own.
func run(t testing.TB, environ []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, environ...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // its result is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if log := p.log.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
			t.Errorf("mtad said:\n%s", log)
		}
		if t.Failed() {
			t.Logf("mtad said:\n%s", p.log.tail(4000))
		}
	})
	return p
}

// kill ends mtad at once, as kill -9 does.
func (p *process) kill() {
	select {
	case <-p.done: // its number may already be another's
	default:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// exit waits until mtad has ended by itself and returns its exit code.
func (p *process) exit(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		require.FailNow(t, "mtad does not end", "after %v; it said:\n%s", within, p.log.tail(4000))
	}
	return p.cmd.ProcessState.ExitCode()
}

// terminate asks mtad to stop, which it must do within half a minute and with exit code 0.
func (p *process) terminate(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.exit(t, 32*time.Second), "exit code after SIGTERM")
}

// waitLog waits until mtad has said text, and reports false when it ended without.
func (p *process) waitLog(text string) bool {
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.log.String(), text) {
		select {
		case <-p.done:
			return strings.Contains(p.log.String(), text)
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}

// memory returns the most memory that mtad has had resident so far, in bytes.
func (p *process) memory(t testing.TB) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
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

// output is a buffer that may be read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// tail returns the last n bytes, from the beginning of a line.
func (o *output) tail(n int) string {
	text := o.String()
	if len(text) <= n {
		return text
	}
	text = text[len(text)-n:]
	return "…\n" + text[strings.IndexByte(text, '\n')+1:]
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 10*time.Millisecond, "this did not come about: %s", what)
}
