package smtpout_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

// greeter greets, offers one thing before STARTTLS and another behind it, and reads the rest.
func greeter(t *testing.T, before, behind string) netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		say := func(conn net.Conn, r *bufio.Reader, text string) {
			if r != nil {
				_, _ = r.ReadString('\n')
			}
			_, _ = io.WriteString(conn, text)
		}
		r := bufio.NewReader(conn)
		say(conn, nil, "220 mx.example.org\r\n")
		say(conn, r, "250-mx.example.org\r\n"+before+"250 STARTTLS\r\n")
		say(conn, r, "220 go\r\n")
		secured := tls.Server(conn, serverConfig())
		say(secured, bufio.NewReader(secured), "250-mx.example.org\r\n"+behind+"250 PIPELINING\r\n")
		_, _ = io.Copy(io.Discard, secured)
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// TestLimitsBehindSTARTTLS has a remote say one thing in clear text, where others could say it in its place, and
// another over TLS: the latter alone counts (RFC 3207 §4.2), whether it is more, less or nonsense.
func TestLimitsBehindSTARTTLS(t *testing.T) {
	for _, c := range []struct {
		before, behind string
		want           delivery.Announced
	}{
		{"", "RCPTMAX=1", delivery.Announced{Recipients: 1}},
		{"RCPTMAX=1", "", delivery.Announced{}},
		{"RCPTMAX=1 MAILMAX=1", "RCPTMAX=50", delivery.Announced{Recipients: 50}},
		{"RCPTMAX=50", "RCPTMAX=2 MAILMAX=3", delivery.Announced{Recipients: 2, Mails: 3}},
		{"RCPTMAX=5", "RCPTMAX=0", delivery.Announced{}},
		{"MAILMAX=5 RCPTDOMAINMAX=1", "MAILMAX=0 RCPTMAX=\xff\xfe MAILMAX RCPTDOMAINMAX=1e9", delivery.Announced{}},
		{"", "RCPTMAX=5 RCPTMAX=2", delivery.Announced{Recipients: 2}},
		{"RCPTMAX=5", strings.Repeat("X=1 ", 1000), delivery.Announced{}},
	} {
		line := func(limits string) string {
			if limits == "" {
				return ""
			}
			return "250-LIMITS " + limits + "\r\n"
		}
		sender := &smtpout.Sender{TLS: trusting(t)}
		conn, err := sender.Open(t.Context(), &delivery.Hop{Source: netip.MustParseAddr("127.0.0.1"),
			Target: greeter(t, line(c.before), line(c.behind)), Host: "mx.example.org", Domain: "example.org",
			Hostname: "client.example.com", Security: queue.Verified})
		require.NoError(t, err, "%.60q", c.behind)
		require.Equal(t, c.want, conn.(delivery.Limited).Limits(), "%q, then %.60q", c.before, c.behind)
		require.NoError(t, conn.Close())
	}
}
