package smtpout_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
)

// startTLSServer offers STARTTLS with a certificate and then takes mail.
func startTLSServer(nc net.Conn, config *tls.Config) {
	r := bufio.NewReader(nc)
	fmt.Fprint(nc, "220 mx\r\n")
	r.ReadString('\n')
	fmt.Fprint(nc, "250-mx\r\n250 STARTTLS\r\n")
	r.ReadString('\n')
	fmt.Fprint(nc, "220 go\r\n")
	secured := tls.Server(nc, config)
	defer secured.Close()
	r = bufio.NewReader(secured)
	if _, err := r.ReadString('\n'); err != nil {
		return
	}
	fmt.Fprint(secured, "250-mx\r\n250 PIPELINING\r\n")
	for range 3 {
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
	}
	fmt.Fprint(secured, "250 ok\r\n250 ok\r\n354 go\r\n")
	if _, err := readMail(r); err != nil {
		return
	}
	fmt.Fprint(secured, "250 ok\r\n")
	r.ReadString('\n')
}

// TestCertificates opens connections of every level of security to remotes with every kind of certificate.
func TestCertificates(t *testing.T) {
	a := theAuthority()
	certs := map[string]tls.Certificate{
		"right":          a.right,
		"other name":     a.issue(long(1), "other.example.net"),
		"expired":        a.issue(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), "mx.example.org"),
		"self-signed":    selfSigned(t, "mx.example.org"),
		"site name only": a.issue(long(1), "example.org"),
	}
	valid := map[string]bool{"right": true, "site name only": true}
	for name, cert := range certs {
		for _, security := range []queue.Security{"", queue.Opportunistic, queue.Required, queue.Verified} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				t.Run(fmt.Sprintf("%s/%s/%s", name, security, tls.VersionName(version)), func(t *testing.T) {
					client, server := newMemPipe(0)
					defer client.Close()
					go startTLSServer(server, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version})
					sender := smtpout.Sender{TLS: trusting(t),
						Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) { return client, nil }}
					conn, err := sender.Open(t.Context(),
						&delivery.Hop{Host: "mx.example.org", Domain: "example.org", Security: security})
					if security == queue.Verified && !valid[name] {
						var failure *delivery.Failure
						require.ErrorAs(t, err, &failure)
						require.Equal(t, queue.StateStartTLS, failure.Result.State)
						require.Equal(t, queue.Error, failure.Result.Result)
						require.Contains(t, failure.Result.Description, "x509")
						checkTLS(t, &failure.Result, version, valid[name])
						return
					}
					require.NoError(t, err)
					tx := transactions(1, queue.Bytes("x\r\n"))[0]
					conn.Deliver(t.Context(), tx, nil)
					require.True(t, tx.Result.Success(), tx.Result.Description)
					checkTLS(t, &tx.Result, version, valid[name])
					require.Equal(t, name == "self-signed", tx.Result.Certificate.SelfSigned)
					require.NoError(t, conn.Close())
				})
			}
		}
	}
}

func checkTLS(t *testing.T, r *queue.Result, version uint16, valid bool) {
	t.Helper()
	require.NotNil(t, r.Cipher)
	require.NotEmpty(t, r.Cipher.Name)
	require.Contains(t, []int{128, 256}, r.Cipher.Bits)
	require.Equal(t, map[uint16]string{tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}[version],
		r.Cipher.Version)
	c := r.Certificate
	require.NotNil(t, c)
	require.Equal(t, valid, c.Verified, c.Result)
	require.NotEmpty(t, c.Result)
	require.Equal(t, 3, c.Version)
	require.Equal(t, 1, c.KeyUsage)
	require.NotEmpty(t, c.AltNames)
	require.NotEmpty(t, c.Issuer.Common)
	require.NotNil(t, c.Subject)
	require.False(t, c.NotAfter.IsZero())
}

// TestSecretsStayHidden looks for the password in everything that is shown.
func TestSecretsStayHidden(t *testing.T) {
	for name, c := range map[string]struct{ lines, shown string }{
		"PLAIN": {"> 220 mx\n< *\n> 250-mx\n> 250 AUTH PLAIN\n< *\n> 535 no: s3cret AHVzZXIAczNjcmV0\n",
			"AUTH PLAIN ********\r\n"},
		"LOGIN": {"> 220 mx\n< *\n> 250-mx\n> 250 AUTH LOGIN\n< *\n> 334 x\n< *\n> 334 x\n< *\n> 535 no: s3cret\n",
			"334 x\r\n********\r\n334 x\r\n********\r\n"},
		"nonsense": {"> 220 mx\n< *\n> 250-mx\n> 250 AUTH PLAIN\n< *\n> s3cret\n", "AUTH PLAIN ********\r\n"},
		"CRAM-MD5": {"> 220 mx\n< *\n> 250-mx\n> 250 AUTH CRAM-MD5\n< *\n> 334 PDE4\n< *\n> 535 no: s3cret\n",
			"AUTH CRAM-MD5\r\n334 PDE4\r\n********\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			remote := &scripted{t: t, d: parseDialogue(t, name, c.lines)}
			defer remote.end()
			sender := smtpout.Sender{Dial: remote.dial, AllowPlaintextAuth: true}
			hop := &delivery.Hop{Monitor: remote, Credentials: &delivery.Credentials{Username: "user", Password: "s3cret"}}
			_, err := sender.Open(t.Context(), hop)
			var failure *delivery.Failure
			require.ErrorAs(t, err, &failure)
			said := remote.transcript()
			require.Contains(t, said, c.shown)
			for _, secret := range []string{"s3cret", "AHVzZXIAczNjcmV0", "czNjcmV0"} {
				require.NotContains(t, said, secret)
				require.NotContains(t, err.Error(), secret)
				require.NotContains(t, fmt.Sprint(failure.Cause), secret)
			}
			require.Contains(t, said, "220 mx\r\nEHLO ")
		})
	}
}

func (s *scripted) transcript() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// TestRefusedLogin tells that credentials that are wrong for good are not tried at another host.
func TestRefusedLogin(t *testing.T) {
	for reply, temporary := range map[string]bool{"535 5.7.8 wrong": false, "454 4.7.0 later": true} {
		remote := &scripted{t: t, d: parseDialogue(t, reply, "> 220 mx\n< *\n> 250-mx\n> 250 AUTH PLAIN\n< *\n> "+reply+"\n")}
		sender := smtpout.Sender{Dial: remote.dial}
		hop := &delivery.Hop{Credentials: &delivery.Credentials{Username: "user", Password: "x", Plaintext: true}}
		_, err := sender.Open(t.Context(), hop)
		var failure *delivery.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, temporary, failure.Temporary)
		require.Equal(t, "PLAIN", failure.Result.Authentication)
		remote.end()
	}
}
