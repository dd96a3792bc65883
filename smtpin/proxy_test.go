package smtpin

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor"
)

func everybody(netip.Addr) bool { return true }

// placed is a connection in memory that claims to be one of TCP.
type placed struct {
	net.Conn
	local, remote string
}

func (p *placed) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(p.local))
}
func (p *placed) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(p.remote))
}

// dialFrom connects from an address.
func (p *pipes) dialFrom(remote string) net.Conn {
	client, server := net.Pipe()
	p.conns <- &placed{server, "203.0.113.25:25", remote}
	return client
}

func TestProxyHeaderInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := &Server{Backend: &recorder{}, Hostname: "mx.test", Logger: slog.New(slog.NewTextHandler(&log, nil))}
		l := newPipes()
		proxies := func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.1") }
		go s.ServeListener(l, &Listener{Allow: everybody, Proxies: proxies})
		begin := time.Now()
		for _, sent := range []string{"", "PRO", "PROXY TCP4 192.0.2.7"} {
			nc := l.dialFrom("10.0.0.1:1")
			if sent != "" {
				io.WriteString(nc, sent)
			}
			answer, err := io.ReadAll(nc)
			require.NoError(t, err)
			require.Empty(t, answer, "an error has no reply")
			require.Equal(t, 5*time.Second, time.Since(begin))
			begin = time.Now()
		}
		nc := l.dialFrom("10.0.0.2:1") // no proxy: greeted at once
		p := make([]byte, 3)
		_, err := io.ReadFull(nc, p)
		require.NoError(t, err)
		require.Equal(t, "220", string(p))
		require.Zero(t, time.Since(begin))
		nc.Close()
		s.Close()
		require.Equal(t, 3, strings.Count(log.String(), "no PROXY header"), log.String())
	})
}

// TestProxiedTimeouts checks that the time for the header does not count for the rest.
func TestProxiedTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Backend: &recorder{}, Hostname: "mx.test", Timeout: time.Minute}
		l := newPipes()
		go s.ServeListener(l, &Listener{Allow: everybody, Proxies: everybody})
		nc := l.dialFrom("10.0.0.1:1")
		begin := time.Now()
		io.WriteString(nc, "PROXY TCP4 192.0.2.7 198.51.100.1 4321 25\r\n")
		answer, err := io.ReadAll(nc)
		require.NoError(t, err)
		require.Contains(t, string(answer), "421 4.4.2")
		require.InDelta(t, 60, time.Since(begin).Seconds(), 1.5)
		s.Close()
	})
}

func TestShutdownDoesNotWaitForHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{Backend: &recorder{}, Hostname: "mx.test"}
		l := newPipes()
		go s.ServeListener(l, &Listener{Proxies: everybody})
		nc := l.dialFrom("10.0.0.1:1")
		synctest.Wait()
		begin := time.Now()
		require.NoError(t, s.Shutdown(context.Background()))
		require.Zero(t, time.Since(begin))
		nc.Close()
	})
}

func TestProxyBeforeTLS(t *testing.T) {
	b := &recorder{}
	address := serve(t, &Server{Backend: b, TLS: testTLS(t)},
		&Listener{ImplicitTLS: true, Allow: everybody, Proxies: everybody})
	for name, header := range map[string]string{
		"v1": "PROXY TCP4 192.0.2.7 198.51.100.1 4321 465\r\n",
		"v2": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x10\xe1\x01\xd1",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, address)
			c.Conn = &glued{Conn: c.Conn, first: header}
			tc := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
			require.NoError(t, tc.Handshake())
			c.Conn = tc
			c.expect("", "220")
			c.expect("EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n.\r\n", "250", "250", "250",
				"354", "250")
			mails := b.got()
			require.Equal(t, "192.0.2.7:4321", mails[len(mails)-1].remote)
			require.Equal(t, "198.51.100.1:465", mails[len(mails)-1].local)
			require.Equal(t, "ESMTPS", mails[len(mails)-1].with)
		})
	}
	t.Run("header within TLS", func(t *testing.T) {
		c := dial(t, address)
		require.Error(t, tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true}).Handshake())
	})
}

// glued sends something along with the first write, in one packet.
type glued struct {
	net.Conn
	first string
}

func (g *glued) Write(p []byte) (int, error) {
	n := len(g.first)
	if n == 0 {
		return g.Conn.Write(p)
	}
	all := append([]byte(g.first), p...)
	g.first = ""
	sent, err := g.Conn.Write(all)
	return max(0, sent-n), err
}

// TestMonitorOfProxied checks that the client's address is the one that counts, and that probes do not.
func TestMonitorOfProxied(t *testing.T) {
	m := &addresses{}
	s := &Server{Backend: &recorder{}, Monitor: m, ConnectionsPerClient: 1, Busy: BusyReject}
	address := serve(t, s, &Listener{Allow: everybody, Proxies: everybody})
	probe := dial(t, address)
	probe.expect("PROXY UNKNOWN\r\n", "220")
	probe.expect("EHLO proxy.test\r\nQUIT\r\n", "250", "221")
	require.Equal(t, "", probe.line())
	self := dial(t, address)
	self.expect(fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d 25\r\n", self.LocalAddr().(*net.TCPAddr).Port), "220")
	self.expect("EHLO proxy.test\r\nMAIL FROM:<a@b.test>\r\nQUIT\r\n", "250", "554", "221")
	require.Empty(t, m.all(), "a probe is in no statistics")

	first := dial(t, address)
	first.expect("PROXY TCP4 192.0.2.7 198.51.100.1 4321 25\r\n", "220")
	other := dial(t, address)
	other.expect("PROXY TCP4 192.0.2.8 198.51.100.1 4321 25\r\n", "220")
	second := dial(t, address)
	second.expect("PROXY TCP4 192.0.2.7 198.51.100.1 4322 25\r\n", "421")
	probe = dial(t, address)
	probe.expect("PROXY UNKNOWN\r\n", "220")

	require.Equal(t, []string{
		"connected 192.0.2.7:4321 to 198.51.100.1", "tap 192.0.2.7:4321",
		"connected 192.0.2.8:4321 to 198.51.100.1", "tap 192.0.2.8:4321",
		"refused 192.0.2.7:4322 to 198.51.100.1",
	}, m.all())
}

// addresses is a monitor that keeps who came.
type addresses struct {
	events
	lines []string
}

func (a *addresses) Observe(e *monitor.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	word := map[monitor.Kind]string{monitor.ClientConnected: "connected", monitor.ClientRefused: "refused",
		monitor.ClientDisconnected: "disconnected"}[e.Kind]
	a.lines = append(a.lines, word+" "+e.Remote.String()+" to "+e.MTA.String())
}

func (a *addresses) Tap(s monitor.Session) monitor.Transcript {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines = append(a.lines, "tap "+s.Remote.String())
	return monitor.Discard.Tap(s)
}

func (a *addresses) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.lines...)
}

// TestNameOfProxied checks that the greeting's name goes by the address that the client connected to.
func TestNameOfProxied(t *testing.T) {
	s := &Server{Backend: &recorder{}, Name: func(a netip.Addr) string {
		return map[string]string{"198.51.100.1": "one.test", "198.51.100.2": "two.test"}[a.String()]
	}}
	address := serve(t, s, &Listener{Allow: everybody, Proxies: everybody})
	for server, want := range map[string]string{"198.51.100.1": "one.test", "198.51.100.2": "two.test",
		"198.51.100.3": "mx.test"} {
		c := dial(t, address)
		c.send("PROXY TCP4 192.0.2.7 " + server + " 4321 25\r\n")
		require.Equal(t, "220 "+want+" ESMTP ready", c.line())
	}
}
