package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// demo is everything that runs.
type demo struct {
	out      io.Writer
	dir      string
	keep     bool
	internet *internet
	daemon   *daemon
	password string
	www      string // addresses of the console and of the intake
	smtp     string
}

// open starts everything but the traffic: the internet first, the server last. What was started is ended by close, also
// after an error.
func (d *demo) open(ctx context.Context, o *options) (err error) {
	if d.dir, err = directory(o.Dir); err != nil {
		return err
	}
	d.keep = o.Dir != ""
	if d.internet, err = openInternet(providers()); err != nil {
		return err
	}
	key, err := fillSettings(ctx, d.database(), d.internet.doors)
	if err != nil {
		return err
	}
	d.internet.publish(key)
	d.password = strings.ToLower(rand.Text()[:12])
	port := o.Port
	if port == 0 {
		if port, err = freePort(); err != nil {
			return err
		}
	}
	intake, err := freePort()
	if err != nil {
		return err
	}
	d.www, d.smtp = loopback(port), loopback(intake)
	config := filepath.Join(d.dir, "mtad.conf")
	if err := os.WriteFile(config, []byte(d.configuration(port, intake)), 0o600); err != nil {
		return err
	}
	fmt.Fprintln(d.out, "Building mtad ...")
	program := filepath.Join(d.dir, "mtad")
	if err := build(ctx, program); err != nil {
		return err
	}
	if d.daemon, err = startDaemon(program, config, d.log()); err != nil {
		return err
	}
	return d.daemon.ready(ctx, "http://"+d.www+"/readyz", d.smtp)
}

func directory(name string) (string, error) {
	if name == "" {
		return os.MkdirTemp("", "sluice-demo-")
	}
	return name, os.MkdirAll(name, 0o700)
}

func (d *demo) database() string { return "sqlite://" + filepath.Join(d.dir, "settings.db") }
func (d *demo) log() string      { return filepath.Join(d.dir, "mtad.log") }

// configuration is the file that mtad reads.
func (d *demo) configuration(www, smtp int) string {
	file := func(name string) string { return filepath.Join(d.dir, name) }
	var usual []string
	for _, s := range sources() {
		if s.usual {
			usual = append(usual, s.ip)
		}
	}
	lines := []string{
		"smtp-ip: 127.0.0.1", "smtp-port: " + strconv.Itoa(smtp), "smtp-range: 127.0.0.0/8",
		"smtp-hostname: mail1." + ownDomain,
		"smtp-check: spf, dkim, dmarc", "smtp-auth-results: local", "default-domain: " + ownDomain,
		"smtp-default-ips: " + strings.Join(usual, "; "), "smtp-connections: 400",
		"dns-servers: " + d.internet.dns.address, "dns-timeout: 2", "dns-interval: 1", "dns-attempts: 2",
		"allow-private-targets: true",
		"queue-address: disk://" + file("queue"), "database-address: " + d.database(),
		"rabbitmq-local: mailboxes", "rabbitmq-reports: reports",
		"retry-interval: 15,30,60,120,300", "max-delivertime: 1200",
		"www-ip: 127.0.0.1", "www-port: " + strconv.Itoa(www), "www-auth: hardcoded://demo:" + d.password,
		"www-host: 127.0.0.1",
		"application-log: " + d.log(),
		"send-log-file: " + file("send.log"), "send-bin-log-file: " + file("send.json"),
		"received-log-file: " + file("received.log"), "received-bin-log-file: " + file("received.json"),
		"www-log-file: " + file("www.log"), "www-bin-log-file: " + file("www.json"),
	}
	return strings.Join(lines, "\n") + "\n"
}

func (d *demo) welcome() {
	fmt.Fprintf(d.out,
		"\n  console   http://%s/\n  user      demo\n  password  %s\n\n  SMTP      %s\n  files     %s\n\nCtrl-C ends it.\n",
		d.www, d.password, d.smtp, d.dir)
}

// stopTime is how long mtad may take to end by itself. Hosts that hang would have it wait longer.
const stopTime = 3 * time.Second

// close ends what runs, the server before the internet it talks to, and removes what is not to be kept.
func (d *demo) close() error {
	var errs []error
	if d.daemon != nil {
		errs = append(errs, d.daemon.stop(stopTime))
	}
	if d.internet != nil {
		errs = append(errs, d.internet.close())
	}
	if d.dir != "" && !d.keep {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", loopback(0))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
