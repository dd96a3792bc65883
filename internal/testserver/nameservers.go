package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Dnsmasq starts dnsmasq, answering for domain alone, with options such as "--mx-host=example.test,mx.example.test,10",
// and returns its address.
func Dnsmasq(t testing.TB, domain string, options ...string) string {
	t.Helper()
	Need(t, "dnsmasq")
	_, port := onFreePort(t, func(port int) (*Process, error) {
		args := []string{"-k", "-C", "/dev/null", "--no-daemon", "--port=" + strconv.Itoa(port), "--listen-address=127.0.0.1",
			"--bind-interfaces", "--no-resolv", "--no-hosts", "--local=/" + domain + "/", "--pid-file=", "--log-facility=-"}
		if os.Geteuid() == 0 {
			args = append(args, "--user=root")
		}
		return TryStart(t, Command{Program: "dnsmasq", Args: append(args, options...),
			Ready: dnsReady(loopback(port), domain, dns.TypeA)})
	})
	return loopback(port)
}

// KnotServer is a running knotd.
type KnotServer struct {
	Address string
	// TrustAnchor is a file with the DNSKEY records of the signed zones, for Unbound.
	TrustAnchor string
}

// Knot starts knotd with zones given as the text of zone files without $ORIGIN, by name. Those named in signed are
// signed by DNSSEC.
func Knot(t testing.TB, zones map[string]string, signed ...string) KnotServer {
	t.Helper()
	Need(t, "knotd", "keymgr")
	dir := shortTempDir(t)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o755); err != nil {
		t.Fatal(err)
	}
	var some string
	for name, text := range zones {
		some = name
		writeFile(t, filepath.Join(dir, name+".zone"), "$ORIGIN "+name+".\n$TTL 60\n"+text+"\n")
	}
	conf := filepath.Join(dir, "knot.conf")
	_, port := onFreePort(t, func(port int) (*Process, error) {
		writeFile(t, conf, knotConfig(dir, port, zones, signed))
		return TryStart(t, Command{Program: "knotd", Args: []string{"-c", conf},
			Ready: dnsReady(loopback(port), some, dns.TypeSOA)})
	})
	k := KnotServer{Address: loopback(port), TrustAnchor: filepath.Join(dir, "anchors")}
	var anchors strings.Builder
	for _, name := range signed {
		anchors.Write(zoneKeys(t, conf, name))
	}
	writeFile(t, k.TrustAnchor, anchors.String())
	return k
}

// zoneKeys returns the DNSKEY records of a zone, waiting until knotd has made them.
func zoneKeys(t testing.TB, conf, name string) []byte {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command(Find("keymgr"), "-c", conf, name, "dnskey").CombinedOutput()
		if err == nil && len(out) > 0 {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("keymgr %s dnskey: %v: %s", name, err, out)
		}
	}
}

func knotConfig(dir string, port int, zones map[string]string, signed []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server:\n  rundir: %s\n  listen: 127.0.0.1@%d\n  pidfile: %s/pid\n", dir, port, dir)
	fmt.Fprintf(&b, "log:\n  - target: stdout\n    any: info\ndatabase:\n  storage: %s/db\n", dir)
	b.WriteString("policy:\n  - id: p\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n")
	fmt.Fprintf(&b, "template:\n  - id: default\n    storage: %s\n    file: \"%%s.zone\"\n", dir)
	b.WriteString("    zonefile-sync: -1\n    journal-content: none\nzone:\n")
	for name := range zones {
		fmt.Fprintf(&b, "  - domain: %s\n", name)
		for _, s := range signed {
			if s == name {
				b.WriteString("    dnssec-signing: on\n    dnssec-policy: p\n")
			}
		}
	}
	return b.String()
}

// Unbound starts a validating resolver in front of authoritative servers: stubs are their addresses by zone, anchors
// the file with the keys of the signed ones, insecure the zones that are not signed. It returns its address.
func Unbound(t testing.TB, stubs map[string]string, anchors string, insecure ...string) string {
	t.Helper()
	Need(t, "unbound")
	dir := shortTempDir(t)
	conf := filepath.Join(dir, "unbound.conf")
	var some string
	_, port := onFreePort(t, func(port int) (*Process, error) {
		var b strings.Builder
		fmt.Fprintf(&b, "server:\n  directory: %q\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"%s/pid\"\n", dir, dir)
		fmt.Fprintf(&b, "  interface: 127.0.0.1@%d\n  port: %d\n  do-ip6: no\n  do-daemonize: no\n", port, port)
		b.WriteString("  use-syslog: no\n  logfile: \"\"\n  verbosity: 1\n  num-threads: 1\n  do-not-query-localhost: no\n")
		b.WriteString("  access-control: 127.0.0.0/8 allow\n  local-zone: \"test.\" nodefault\n  module-config: \"validator iterator\"\n")
		fmt.Fprintf(&b, "  trust-anchor-file: %q\n", anchors)
		for _, zone := range insecure {
			fmt.Fprintf(&b, "  domain-insecure: %q\n", zone)
		}
		b.WriteString("remote-control:\n  control-enable: no\n")
		for zone, address := range stubs {
			some = zone
			fmt.Fprintf(&b, "stub-zone:\n  name: %q\n  stub-addr: %s\n", zone, strings.Replace(address, ":", "@", 1))
		}
		if len(insecure) > 0 { // signatures of others may be meant to be wrong
			some = insecure[0]
		}
		writeFile(t, conf, b.String())
		return TryStart(t, Command{Program: "unbound", Args: []string{"-d", "-c", conf},
			Ready: dnsReady(loopback(port), some, dns.TypeSOA)})
	})
	return loopback(port)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shortTempDir is t.TempDir with a short name: the paths of Unix sockets are limited to about a hundred bytes.
func shortTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ts")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
