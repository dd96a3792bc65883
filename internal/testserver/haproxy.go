package testserver

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// HAProxyFronts are the addresses where HAProxy passes connections on to one server, with the client's address in a
// PROXY header.
type HAProxyFronts struct {
	V1, V2 string // headers of version 1 and 2
	V2TLV  string // version 2 with a checksum and an id in TLVs
	// Process logs the outcome of health checks by SMTP, which bear headers too: for servers called checked1/s and
	// checked2/s.
	*Process
}

// HAProxy starts HAProxy in front of the SMTP server at an address. It connects to that from 127.0.0.1.
func HAProxy(t testing.TB, backend string) HAProxyFronts {
	t.Helper()
	Need(t, "haproxy")
	conf := filepath.Join(t.TempDir(), "haproxy.cfg")
	var fronts HAProxyFronts
	fronts.Process, _ = onFreePort(t, func(port int) (*Process, error) {
		fronts.V1, fronts.V2, fronts.V2TLV = loopback(FreePort(t)), loopback(FreePort(t)), loopback(FreePort(t))
		writeFile(t, conf, haproxyConfig(loopback(port), backend, fronts))
		return TryStart(t, Command{Program: "haproxy", Args: []string{"-db", "-f", conf}, Ready: func() error {
			nc, err := net.DialTimeout("tcp", loopback(port), time.Second)
			if err == nil {
				nc.Close()
			}
			return err
		}})
	})
	return fronts
}

func haproxyConfig(ready, backend string, fronts HAProxyFronts) string {
	var b strings.Builder
	b.WriteString("global\n  log stdout format raw local0\n  maxconn 256\ndefaults\n  mode tcp\n  log global\n")
	b.WriteString("  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n")
	fmt.Fprintf(&b, "frontend ready\n  bind %s\n  mode http\n  monitor-uri /\n", ready)
	for _, front := range []struct{ name, bind, options string }{
		{"v1", fronts.V1, "send-proxy"},
		{"v2", fronts.V2, "send-proxy-v2"},
		{"v2tlv", fronts.V2TLV, "send-proxy-v2 proxy-v2-options crc32c,unique-id"},
	} {
		fmt.Fprintf(&b, "listen %s\n  bind %s\n  unique-id-format %%{+X}o\\ %%ci:%%cp_%%rt\n  server s %s %s\n", front.name,
			front.bind, backend, front.options)
	}
	for name, options := range map[string]string{"checked1": "send-proxy", "checked2": "send-proxy-v2"} {
		fmt.Fprintf(&b, "backend %s\n  option smtpchk EHLO check.test\n  option log-health-checks\n", name)
		fmt.Fprintf(&b, "  server s %s %s check check-send-proxy inter 200ms\n", backend, options)
	}
	return b.String()
}
