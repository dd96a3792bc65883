package testserver

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// SOCKSProxy starts Dante, a SOCKS 5 proxy without logins that connects from a local address, and returns its address.
// It refuses to connect to 127.0.0.99.
func SOCKSProxy(t testing.TB, leaveFrom string) (address string, proxy *Process) {
	t.Helper()
	Need(t, "danted")
	dir := shortTempDir(t)
	conf := filepath.Join(dir, "danted.conf")
	proxy, port := onFreePort(t, func(port int) (*Process, error) {
		writeFile(t, conf, fmt.Sprintf(`logoutput: stderr
internal: 127.0.0.1 port = %d
external: %s
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks block { from: 0.0.0.0/0 to: 127.0.0.99/32 }
socks pass { from: 127.0.0.0/8 to: 127.0.0.0/8 command: connect }
`, port, leaveFrom))
		return TryStart(t, Command{Program: "danted", Args: []string{"-f", conf, "-p", filepath.Join(dir, "pid"), "-N", "1"},
			Ready: func() error { return accepts(loopback(port)) }})
	})
	return loopback(port), proxy
}

// HTTPProxy starts tinyproxy, an HTTP proxy that connects from a local address, to the given ports only, and returns
// its address.
func HTTPProxy(t testing.TB, leaveFrom string, ports ...int) (address string, proxy *Process) {
	t.Helper()
	Need(t, "tinyproxy")
	conf := filepath.Join(t.TempDir(), "tinyproxy.conf")
	proxy, port := onFreePort(t, func(port int) (*Process, error) {
		text := fmt.Sprintf("Port %d\nListen 127.0.0.1\nBind %s\nTimeout 60\nMaxClients 50\nAllow 127.0.0.0/8\n", port,
			leaveFrom)
		for _, p := range ports {
			text += fmt.Sprintf("ConnectPort %d\n", p)
		}
		writeFile(t, conf, text)
		return TryStart(t, Command{Program: "tinyproxy", Args: []string{"-d", "-c", conf},
			Ready: func() error { return accepts(loopback(port)) }})
	})
	return loopback(port), proxy
}

func accepts(address string) error {
	nc, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		nc.Close()
	}
	return err
}
