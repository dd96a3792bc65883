package enqueue_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"net/textproto"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/smtpin"
)

// dialFrom connects from an address of loopback.
func dialFrom(t *testing.T, source, address string) (*textproto.Conn, int) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 10 * time.Second}
	nc, err := d.Dial("tcp", address)
	require.NoError(t, err)
	require.NoError(t, nc.SetDeadline(time.Now().Add(20*time.Second)))
	c := textproto.NewConn(nc)
	t.Cleanup(func() { c.Close() })
	return c, nc.LocalAddr().(*net.TCPAddr).Port
}

func is(address string) func(netip.Addr) bool {
	return func(a netip.Addr) bool { return a == netip.MustParseAddr(address) }
}

// TestBehindHAProxy has clients connect through HAProxy, which stands on 127.0.0.1, from addresses that are let in and
// others.
func TestBehindHAProxy(t *testing.T) {
	testserver.Need(t, "haproxy")
	h := newHouse(t, &smtpin.Listener{Proxies: is("127.0.0.1"), Allow: is("127.0.0.9")})
	fronts := testserver.HAProxy(t, h.addr)
	for name, front := range map[string]string{"v1": fronts.V1, "v2": fronts.V2, "v2 with TLVs": fronts.V2TLV} {
		t.Run(name, func(t *testing.T) {
			c, port := dialFrom(t, "127.0.0.9", front)
			say(t, c, "", 220)
			say(t, c, "EHLO client.example", 250)
			say(t, c, "MAIL FROM:<a@example.org>", 250)
			say(t, c, "RCPT TO:<x@remote.example>", 250)
			say(t, c, "DATA", 354)
			say(t, c, "Subject: x\r\n\r\ntext\r\n.", 250)
			m, mail := h.next(t, "outbox")
			require.Equal(t, "127.0.0.9", m.Connection.RemoteIP)
			require.Equal(t, port, m.Connection.RemotePort)
			require.Equal(t, "127.0.0.1", m.Connection.LocalIP)
			require.Equal(t, front, net.JoinHostPort(m.Connection.LocalIP, itoa(m.Connection.LocalPort)))
			require.Contains(t, mail, "from client.example ([127.0.0.9])")

			c, _ = dialFrom(t, "127.0.0.8", front)
			say(t, c, "", 554)
		})
	}
	t.Run("past HAProxy", func(t *testing.T) {
		c, _ := dialFrom(t, "127.0.0.9", h.addr)
		say(t, c, "", 220)
		say(t, c, "PROXY TCP4 127.0.0.9 127.0.0.1 1 25", 554)

		c, _ = dialFrom(t, "127.0.0.1", h.addr)
		require.NoError(t, c.PrintfLine("EHLO client.example"))
		_, err := c.ReadLine()
		require.Error(t, err, "a proxy without a header hears nothing")
	})
	t.Run("health checks", func(t *testing.T) {
		require.Eventually(t, func() bool {
			log := fronts.Log()
			return passed(log, "checked1/s") && passed(log, "checked2/s")
		}, 10*time.Second, 20*time.Millisecond)
		require.NotContains(t, fronts.Log(), "is DOWN")
	})
}

// passed reports whether HAProxy has found a server well by SMTP.
func passed(log, server string) bool {
	return strings.Contains(log, server+" succeeded, reason: Layer7 check passed")
}

// TestSwaks has swaks log in and send.
func TestSwaks(t *testing.T) {
	testserver.Need(t, "swaks")
	config, _, err := smtptest.SelfSigned()
	require.NoError(t, err)
	everybody := func(netip.Addr) bool { return true }
	h := newHouse(t, &smtpin.Listener{RequireTLS: true, RequireAuth: true, Allow: everybody},
		func(h *house, s *smtpin.Server) {
			s.TLS = func() *tls.Config { return config }
			h.Authenticator = auth.Func(func(ctx context.Context, l auth.Login) error {
				switch l.Username {
				case "down":
					return unreachable(ctx, l)
				case "guessed":
					return &auth.Limited{}
				}
				return onlyJoe(ctx, l)
			})
		})
	for _, tt := range []struct {
		name string
		args []string
		want string // in the dialogue; "": the mail is sent
	}{
		{"PLAIN", []string{"--tls", "--auth", "PLAIN", "--auth-user", "joe", "--auth-password", "secret"}, ""},
		{"LOGIN", []string{"--tls", "--auth", "LOGIN", "--auth-user", "joe", "--auth-password", "secret"}, ""},
		{"wrong PLAIN", []string{"--tls", "--auth", "PLAIN", "--auth-user", "joe", "--auth-password", "wrong"},
			"535 5.7.8 Wrong user name or password"},
		{"wrong LOGIN", []string{"--tls", "--auth", "LOGIN", "--auth-user", "joe", "--auth-password", "wrong"},
			"535 5.7.8 Wrong user name or password"},
		{"nobody knows", []string{"--tls", "--auth", "PLAIN", "--auth-user", "down", "--auth-password", "x"},
			"454 4.7.0 Cannot log you in for now"},
		{"too many", []string{"--tls", "--auth", "LOGIN", "--auth-user", "guessed", "--auth-password", "x"},
			"454 4.7.0 Too many failed logins"},
		{"without TLS", []string{"--auth", "PLAIN", "--auth-user", "joe", "--auth-password", "secret"}, "did not advertise"},
		{"without a login", []string{"--tls"}, "530 5.7.0 Log in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := swaks(t, h.addr, tt.args...)
			if tt.want != "" {
				require.Error(t, err)
				require.Contains(t, out, tt.want)
				require.Zero(t, h.stored(t))
				return
			}
			require.NoError(t, err, out)
			m, mail := h.next(t, "outbox")
			require.Equal(t, "joe", m.Connection.User)
			require.True(t, m.Connection.Secure)
			require.Contains(t, mail, "with ESMTPSA (TLS1.3 ")
		})
	}
}

func swaks(t *testing.T, address string, args ...string) (string, error) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	args = append([]string{"--server", host, "--port", port, "--helo", "client.example", "--from", "a@example.org", "--to",
		"x@remote.example"}, args...)
	out, err := exec.CommandContext(ctx, testserver.Find("swaks"), args...).CombinedOutput()
	return string(out), err
}
