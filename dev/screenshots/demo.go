package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sluicemail/sluice/dev/programs"
)

// demo is the running demo.
type demo struct {
	cmd                 *exec.Cmd
	url, user, password string
}

// startDemo builds and starts the demo, and reads where it is.
func startDemo(ctx context.Context, dir string) (*demo, error) {
	program := filepath.Join(dir, "demo")
	if err := programs.Build(ctx, dir, nil, "examples/demo"); err != nil {
		return nil, err
	}
	d := &demo{cmd: exec.Command(program, "--port", "0")}
	d.cmd.Stderr = os.Stderr
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which ends it in its turn
	said, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(said); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) != 2 {
			continue
		}
		switch words[0] {
		case "console":
			d.url = strings.TrimSuffix(words[1], "/")
		case "user":
			d.user = words[1]
		case "password":
			d.password = words[1]
			return d, nil
		}
	}
	d.stop()
	return nil, errors.New("the demo does not say where its console is")
}

func (d *demo) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGINT)
	_ = d.cmd.Wait()
}
