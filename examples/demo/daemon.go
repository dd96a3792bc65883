package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// build compiles mtad into a file.
func build(ctx context.Context, program string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("the demo builds mtad and needs Go for it: install Go, and start the demo in a copy of Sluice's source")
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/sluicemail/sluice/examples/mtad")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mtad cannot be built; the demo has to be started in a directory of Sluice's source, as in "+
			"git clone …, cd sluice, go run ./examples/demo: %w\n%s", err, text)
	}
	return nil
}

// daemon is the running mtad.
type daemon struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// startDaemon starts mtad in a process group of its own: Ctrl-C is for the demo, which then ends it in its turn.
func startDaemon(program, config, log string) (*daemon, error) {
	d := &daemon{cmd: exec.Command(program, "--config-file", config), log: log, ended: make(chan struct{})}
	d.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	d.cmd.Stderr = said
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = d.cmd.Wait() // its result is in ProcessState
		close(d.ended)
	}()
	return d, nil
}

// ready waits until mtad says that it is, and takes connections.
func (d *daemon) ready(ctx context.Context, url, smtp string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !answers(ctx, url) || !listens(ctx, smtp) {
		select {
		case <-d.ended:
			return d.failure()
		case <-ctx.Done():
			return fmt.Errorf("mtad is not ready: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func listens(ctx context.Context, address string) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// failure tells why mtad ended: the end of what it said.
func (d *daemon) failure() error {
	text, _ := os.ReadFile(d.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	lines = lines[max(0, len(lines)-5):]
	return fmt.Errorf("mtad ended (%s); it said:\n%s", d.cmd.ProcessState, strings.Join(lines, "\n"))
}

// stop asks mtad to end, and insists after some time.
func (d *daemon) stop(patience time.Duration) error {
	if d.hasEnded() {
		return nil // whoever waits for it has told
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	if d.within(patience) {
		return nil
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // at once, please
	if d.within(patience) {
		return nil
	}
	_ = d.cmd.Process.Kill()
	<-d.ended
	return errors.New("mtad did not end by itself and was killed")
}

func (d *daemon) within(patience time.Duration) bool {
	select {
	case <-d.ended:
		return true
	case <-time.After(patience):
		return false
	}
}

func (d *daemon) hasEnded() bool {
	select {
	case <-d.ended:
		return true
	default:
		return false
	}
}
