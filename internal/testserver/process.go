package testserver

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// RequireEnv names the environment variable that turns skips into failures when it is "1".
const RequireEnv = "SLUICE_REQUIRE_SERVERS"

// Need skips the test unless all programs are installed; see the package's story.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if Find(program) != "" {
			continue
		}
		if os.Getenv(RequireEnv) == "1" {
			t.Fatalf("not installed: %s", program)
		}
		t.Skipf("not installed: %s", program)
	}
}

// Find returns the path of a program, looking also where servers are but a user's PATH is not; empty when there is
// none.
func Find(program string) string {
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	dirs := []string{"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/lib/postfix/sbin"}
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // where Debian keeps PostgreSQL's
	for _, dir := range append(dirs, versions...) {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// Command says how to start a server.
type Command struct {
	Program string
	Args    []string
	Env     []string     // added to the environment
	Dir     string       // working directory; empty: that of the test
	Ready   func() error // asked until it returns nil; nil function: ready at once
	Within  time.Duration
}

// Process is a running server.
type Process struct {
	cmd  *exec.Cmd
	log  lockedBuffer
	done chan struct{} // closed when it ended
	err  error         // how it ended
}

// Start starts a server and waits until it is ready, half a minute if the command does not say otherwise. The test
// fails with the server's output when it does not become ready. It is killed when the test ends, and by the kernel when
// the test's process dies.
func Start(t testing.TB, c Command) *Process {
	t.Helper()
	p, err := TryStart(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TryStart is Start for callers that can try again, on another port.
func TryStart(t testing.TB, c Command) (*Process, error) {
	t.Helper()
	Need(t, c.Program)
	p := &Process{cmd: exec.Command(Find(c.Program), c.Args...), done: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin"), c.Env...)
	p.cmd.Dir = c.Dir
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.Program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.Kill)
	if err := p.await(c); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%s: %w; its output:\n%s", c.Program, err, p.Log())
	}
	return p, nil
}

// await asks Ready until it says yes, the process ends, or time is up.
func (p *Process) await(c Command) error {
	if c.Ready == nil {
		return nil
	}
	within := c.Within
	if within == 0 {
		within = 30 * time.Second
	}
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		err := c.Ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("ended before it was ready: %v", p.err)
		case <-deadline.C:
			return fmt.Errorf("not ready after %v: %w", within, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server and those it started, and waits for it. It may be called more than once.
func (p *Process) Kill() {
	select {
	case <-p.done: // its number may already be another's
		return
	default:
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// Signal sends a signal to the server alone.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Done is closed when the server has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Log returns what the server has written so far.
func (p *Process) Log() string { return p.log.String() }

// lockedBuffer is a buffer that may be read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// FreePort returns a port of 127.0.0.1 that is free for TCP and UDP at the moment.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no port is free for TCP and UDP")
	return 0
}

// onFreePort calls start with a free port until it succeeds, three times at most: another process may take the port
// before the server does.
func onFreePort(t testing.TB, start func(port int) (*Process, error)) (*Process, int) {
	t.Helper()
	var problems []string
	for range 3 {
		port := FreePort(t)
		p, err := start(port)
		if err == nil {
			return p, port
		}
		problems = append(problems, err.Error())
	}
	t.Fatal(strings.Join(problems, "\n"))
	return nil, 0
}

// Run runs a program to its end. The test fails with its output when it fails.
func Run(t testing.TB, program string, args ...string) string {
	t.Helper()
	Need(t, program)
	out, err := exec.Command(Find(program), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
	return string(out)
}
