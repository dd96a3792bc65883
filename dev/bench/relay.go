package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// relay is a program under measurement.
type relay struct {
	pid    int
	stop   func()
	beside *relay // that has a part in its work; nil: none
}

// start runs the relay called name, from port in to port out.
func (b *bench) start(name, work, in, out string) (*relay, error) {
	switch name {
	case "ceiling":
		return b.program(b.bin("ceiling"), "-listen", "127.0.0.1:"+in, "-target", "127.0.0.1:"+out,
			"-file", filepath.Join(work, "log"))
	case "mtad", "mtad+log":
		args := []string{"--config-file", "/dev/null", "--smtp-ip", "127.0.0.1", "--smtp-port", in, "--smtp-range",
			"127.0.0.0/8",
			"--queue-address", "disk://" + filepath.Join(work, "queue"), "--www-port", "0",
			"--smtp-sink-address", "127.0.0.1", "--smtp-sink-port", out}
		if name == "mtad+log" {
			args = append(args, "--send-bin-log-file", filepath.Join(work, "send.json"))
		}
		return b.program(b.bin("mtad"), args...)
	case "mtad+watched":
		return b.watched(work, in, out)
	case "mtad+rabbitmq":
		return b.rabbit(work, in, out)
	case "postfix":
		return b.postfix(work, in, out, "")
	}
	if kind, full := strings.CutPrefix(name, "full-"); full {
		return b.full(kind, work, in, out)
	}
	return nil, fmt.Errorf("unknown relay %q", name)
}

func (b *bench) program(path string, args ...string) (*relay, error) {
	cmd := exec.CommandContext(b.ctx, path, args...)
	cmd.Env = append(os.Environ(), "SLUICE_CPUPROFILE="+b.profile)
	var messages strings.Builder
	cmd.Stderr = &messages
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &relay{pid: cmd.Process.Pid, stop: func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil && b.ctx.Err() == nil && !strings.Contains(err.Error(), "terminated") {
			log.Printf("%s: %v: %s", filepath.Base(path), err, messages.String())
		}
	}}, nil
}

// postfix runs a Postfix of its own with default queue safety: its configuration, queue and data lie under work. More
// is what its main.cf has beside.
func (b *bench) postfix(work, in, out, more string) (*relay, error) {
	master, err := exec.LookPath("postfix")
	if err != nil {
		master = "/usr/sbin/postfix"
		if _, err := os.Stat(master); err != nil {
			return nil, errors.New("not installed")
		}
	}
	if os.Getuid() != 0 {
		return nil, errors.New("needs root")
	}
	conf := filepath.Join(work, "conf")
	for _, dir := range []string{conf, filepath.Join(work, "spool"), filepath.Join(work, "data")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
	}
	if err := exec.Command("chown", "postfix", filepath.Join(work, "data")).Run(); err != nil {
		return nil, err
	}
	main := fmt.Sprintf(`compatibility_level = 3.6
queue_directory = %[1]s/spool
data_directory = %[1]s/data
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
relayhost = [127.0.0.1]:%[2]s
smtp_dns_support_level = disabled
default_process_limit = 150
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
alias_maps =
`, work, out) + more
	if err := os.WriteFile(filepath.Join(conf, "main.cf"), []byte(main), 0o644); err != nil {
		return nil, err
	}
	services, err := postfixServices("127.0.0.1:" + in)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(conf, "master.cf"), []byte(services), 0o644); err != nil {
		return nil, err
	}
	if text, err := exec.CommandContext(b.ctx, master, "-c", conf, "start").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	var pid int
	for range 100 {
		if text, err := os.ReadFile(filepath.Join(work, "spool/pid/master.pid")); err == nil {
			if _, err := fmt.Sscan(string(text), &pid); err == nil {
				break
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return &relay{pid: pid, stop: func() { exec.Command(master, "-c", conf, "stop").Run() }}, nil
}

// postfixServices is the installed master.cf with the SMTP server on another address and nothing in a chroot.
func postfixServices(listen string) (string, error) {
	text, err := os.ReadFile("/etc/postfix/master.cf")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 8 || strings.HasPrefix(line, "#") || line[0] == ' ' {
			out.WriteString(line)
			continue
		}
		if fields[0] == "smtp" && fields[1] == "inet" {
			fields[0] = listen
		}
		fields[4] = "n"
		out.WriteString(strings.Join(fields, " ") + "\n")
	}
	out.WriteString("tlsproxy unix - - n - 0 tlsproxy\n") // for connections over TLS that are used again
	return out.String(), nil
}

// freePort returns a TCP port of 127.0.0.1 that is free at the moment.
func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// waitPort waits until something listens.
func waitPort(ctx context.Context, port string) error {
	var err error
	for range 200 {
		var c net.Conn
		if c, err = net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			return c.Close()
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}
