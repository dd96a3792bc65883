package smtpout_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
)

// TestOddTLS sends to servers whose TLS is OpenSSL's, set up in odd ways: mail goes over TLS where both can, in clear
// text where it may, and not at all where TLS is a must.
func TestOddTLS(t *testing.T) {
	testserver.Need(t, "openssl")
	for name, c := range map[string]struct {
		options string
		tls     bool // both can
	}{
		"TLS 1.3 alone":           {"-tls1_3", true},
		"TLS 1.2 alone":           {"-tls1_2", true},
		"no tickets":              {"-no_ticket", true},
		"small records":           {"-split_send_frag 512 -max_send_frag 512", true},
		"a curve of its own":      {"-groups P-521", true},
		"CHACHA20 alone":          {"-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", true},
		"a certificate is wanted": {"-verify 1", true},
		"many tickets":            {"-num_tickets 16", true},
		"TLS 1.0":                 {"-tls1 -cipher ALL:@SECLEVEL=0", false},
		"TLS 1.1":                 {"-tls1_1 -cipher ALL:@SECLEVEL=0", false},
		"a curve that Go has not": {"-tls1_3 -groups X448", false},
		"anonymous":               {"-tls1_2 -nocert -cipher aNULL:@SECLEVEL=0", false},
		"a certificate is a must": {"-tls1_2 -Verify 1", false},
		"the same in TLS 1.3":     {"-tls1_3 -Verify 1", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for security, want := range map[queue.Security]string{queue.Opportunistic: "clear", queue.Required: "fails"} {
				if c.tls {
					want = "tls"
				}
				require.Equal(t, want, sendOdd(t, oddServer(t, strings.Fields(c.options)), security), security)
			}
		})
	}
}

// TestTicketsWithoutEnd ends a connection over which nothing comes but tickets, which would be kept and read for ever:
// the mail waits.
func TestTicketsWithoutEnd(t *testing.T) {
	testserver.Need(t, "openssl")
	for _, version := range []string{"-tls1_3", "-tls1_2"} {
		want := map[string]string{"-tls1_3": "fails", "-tls1_2": "tls"}[version] // which has one ticket, in the handshake
		require.Equal(t, want, sendOdd(t, oddServer(t, []string{version, "-num_tickets", "100000"}), queue.Opportunistic))
	}
}

// sendOdd sends a mail, and says how it went: "tls", "clear" or "fails".
func sendOdd(t *testing.T, target netip.AddrPort, security queue.Security) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	sender := &smtpout.Sender{TLS: &tls.Config{}, ClearFallback: true}
	conn, err := sender.Open(ctx, &delivery.Hop{Target: target, Host: "mx.odd.test", Domain: "odd.test", Hostname: "client.test",
		Security: security})
	if err != nil {
		t.Log(security, err)
		return "fails"
	}
	defer conn.Close()
	tx := &delivery.Transaction{Message: &queue.Message{Envelope: "a@client.test", Recipient: "b@odd.test"},
		Body: queue.Bytes("Subject: x\r\n\r\nx\r\n")}
	conn.Deliver(ctx, tx, nil)
	switch {
	case !tx.Result.Success():
		return fmt.Sprintf("%+v", tx.Result)
	case tx.Result.Cipher != nil:
		return "tls"
	}
	return "clear"
}

// oddServer takes mail; what comes after STARTTLS goes through openssl s_server with options.
func oddServer(t *testing.T, options []string) netip.AddrPort {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	_, err := smtptest.WriteSelfSigned(cert, key, "mx.odd.test")
	require.NoError(t, err)
	behind := fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
	cmd := exec.Command(testserver.Find("openssl"), append([]string{"s_server", "-quiet", "-accept", behind, "-cert", cert,
		"-key", key}, options...)...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var all sync.WaitGroup
	all.Go(func() { converse(bufio.NewReader(out), in, false) })
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { front(conn, behind) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		in.Close()
		all.Wait()
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", behind)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	return netip.MustParseAddrPort(l.Addr().String())
}

// front speaks until TLS begins, and passes on from then.
func front(conn net.Conn, behind string) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 mx.odd.test ESMTP\r\n")
	if !converse(r, conn, true) {
		return
	}
	there, err := net.Dial("tcp", behind)
	if err != nil {
		return
	}
	defer there.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(conn, there)
		conn.Close()
	}()
	_, _ = io.Copy(there, r)
	there.Close()
	<-ended
}

// converse takes mail, and reports whether TLS is to begin.
func converse(r *bufio.Reader, w io.Writer, offered bool) bool {
	inMail := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		reply := "250 2.0.0 fine"
		switch {
		case inMail && line != ".\r\n":
			continue
		case inMail:
			inMail = false
		case verb == "EHLO" && offered:
			reply = "250-mx.odd.test\r\n250 STARTTLS"
		case verb == "STARTTLS":
			fmt.Fprint(w, "220 2.0.0 go on\r\n")
			return true
		case verb == "DATA":
			inMail, reply = true, "354 go on"
		case verb == "QUIT":
			reply = "221 2.0.0 bye"
		}
		fmt.Fprint(w, reply, "\r\n")
		if verb == "QUIT" && offered {
			return false
		}
	}
}
