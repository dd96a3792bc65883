package testserver

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// RabbitMQServer is a node of a broker of its own, which knows the user guest with the password guest.
type RabbitMQServer struct {
	Address    string // speaks AMQP
	TLSAddress string // speaks AMQP over TLS
	CAFile     string // the certificate to trust
	Node       string

	dir     string
	epmd    int
	command Command
	mapper  *Process // epmd, with which nodes find each other
	process *Process
	calls   atomic.Int64
	joins   sync.Mutex
}

// StartRabbitMQ starts a node in dir, for all the tests of a package: it takes five to ten seconds. config is added to
// rabbitmq.conf. The caller calls End at last. Tests call [Need] with "rabbitmq-server" and "erl_call" before.
func StartRabbitMQ(dir, config string) (*RabbitMQServer, error) {
	var last error
	for range 3 {
		ports, err := freePorts(4)
		if err != nil {
			return nil, err
		}
		s := &RabbitMQServer{dir: dir, epmd: ports[3], CAFile: filepath.Join(dir, "cert.pem")}
		if last = s.prepare(ports, config); last != nil {
			return nil, last
		}
		s.mapper, last = launch(Command{Program: "epmd",
			Args:  []string{"-port", strconv.Itoa(s.epmd), "-address", "127.0.0.1"},
			Ready: func() error { return dialable(loopback(s.epmd)) }})
		if last == nil {
			if last = s.Start(); last == nil {
				return s, nil
			}
			s.End()
		}
	}
	return nil, last
}

// JoinRabbitMQ starts another node, and makes it one of the cluster of s. Several may be started at a time; they join
// one after the other.
func (s *RabbitMQServer) JoinRabbitMQ(dir, config string) (*RabbitMQServer, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	other := &RabbitMQServer{dir: dir, epmd: s.epmd, CAFile: filepath.Join(dir, "cert.pem")}
	if err := other.prepare(ports, config); err != nil {
		return nil, err
	}
	if err := other.Start(); err != nil {
		return nil, err
	}
	s.joins.Lock()
	defer s.joins.Unlock()
	join := fmt.Sprintf("rabbit:stop(), ok = rabbit_mnesia:join_cluster('%s', disc), rabbit:start().", s.Node)
	if out, err := other.Eval(join); err != nil || !strings.Contains(out, "ok") {
		other.Kill()
		return nil, fmt.Errorf("joining %s: %v: %s", s.Node, err, out)
	}
	return other, nil
}

// cookie is what nodes know each other by.
const cookie = "TESTSERVER"

// prepare writes the configuration.
func (s *RabbitMQServer) prepare(ports []int, config string) error {
	s.Node = fmt.Sprintf("t%d@localhost", ports[0])
	s.Address, s.TLSAddress = loopback(ports[0]), loopback(ports[1])
	if _, err := smtptest.WriteSelfSigned(s.CAFile, filepath.Join(s.dir, "key.pem")); err != nil {
		return err
	}
	conf := fmt.Sprintf("listeners.tcp.1 = %s\nlisteners.ssl.1 = %s\nssl_options.certfile = %s\nssl_options.keyfile = %s/key.pem\n%s",
		s.Address, s.TLSAddress, s.CAFile, s.dir, config)
	for name, text := range map[string]string{"rabbitmq.conf": conf, "enabled_plugins": "[].\n",
		".erlang.cookie": cookie} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o400); err != nil {
			return err
		}
	}
	// The script itself, not its wrapper, which insists on a user of its own.
	s.command = Command{Program: "/usr/lib/rabbitmq/bin/rabbitmq-server", Dir: s.dir, Within: 90 * time.Second,
		Ready: s.ready,
		Env: []string{"HOME=" + s.dir, "RABBITMQ_NODENAME=" + s.Node, "RABBITMQ_MNESIA_BASE=" + s.dir + "/mnesia",
			"RABBITMQ_LOG_BASE=" + s.dir + "/log", "RABBITMQ_CONFIG_FILE=" + s.dir + "/rabbitmq.conf",
			"RABBITMQ_ENABLED_PLUGINS_FILE=" + s.dir + "/enabled_plugins", "RABBITMQ_CONF_ENV_FILE=/dev/null",
			"RABBITMQ_DIST_PORT=" + strconv.Itoa(ports[2]), "ERL_EPMD_PORT=" + strconv.Itoa(s.epmd),
			"ERL_EPMD_ADDRESS=127.0.0.1", "RABBITMQ_LOGS=-", "RABBITMQ_PID_FILE=" + s.dir + "/pid",
			"detached=yes", // the script becomes the node, so that a signal reaches it
			"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none"}}
	return nil
}

func (s *RabbitMQServer) ready() error { return dialable(s.Address, s.TLSAddress) }

// launch starts a server that is not that of one test.
func launch(c Command) (*Process, error) {
	p := &Process{cmd: exec.Command(Find(c.Program), c.Args...), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Dir = append(os.Environ(), c.Env...), c.Dir
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := p.await(c); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%s: %w; its output:\n%s", c.Program, err, p.Log())
	}
	return p, nil
}

// freePorts returns ports of 127.0.0.1 that are free at the moment.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// Start starts a node that was killed again, with what it has stored.
func (s *RabbitMQServer) Start() (err error) {
	s.process, err = launch(s.command)
	return err
}

// Kill ends the node at once, as a power cut would but for what the kernel has yet to write.
func (s *RabbitMQServer) Kill() {
	if s.process != nil {
		s.process.Kill()
	}
}

// End kills the node, and the port mapper if it came with it.
func (s *RabbitMQServer) End() {
	s.Kill()
	if s.mapper != nil {
		s.mapper.Kill()
	}
}

// Eval evaluates Erlang on the node, in milliseconds where rabbitmqctl takes a second or two, and returns the value.
func (s *RabbitMQServer) Eval(expression string) (string, error) {
	// By itself erl_call takes its name from the time in seconds: the node refuses a second one that comes before it
	// has noticed the end of the first.
	name := fmt.Sprintf("call%d", s.calls.Add(1))
	c := exec.Command("erl_call", "-h", name, "-sname", s.Node, "-c", cookie, "-timeout", "60", "-e")
	c.Env = append(os.Environ(), "HOME="+s.dir, "ERL_EPMD_PORT="+strconv.Itoa(s.epmd))
	c.Stdin = strings.NewReader(expression + "\n")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("erl_call: %w: %s", err, out.String())
	}
	text, ok := strings.CutPrefix(out.String(), "{ok, ")
	if !ok {
		return "", errors.New("erl_call: " + out.String())
	}
	return strings.TrimSuffix(text, "}"), nil
}

// VHost makes a virtual host, empty and with rights for guest, and returns the URL for it.
func (s *RabbitMQServer) VHost(t testing.TB, name string) string {
	t.Helper()
	add := fmt.Sprintf(`rabbit_vhost:add(<<"%s">>, <<"test">>), `+
		`rabbit_auth_backend_internal:set_permissions(<<"guest">>, <<"%s">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>).`,
		name, name)
	if out, err := s.Eval(add); err != nil || out != "ok" {
		t.Fatalf("making virtual host %s: %v: %s", name, err, out)
	}
	return "amqp://guest:guest@" + s.Address + "/" + name
}
