package smtpin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// writeCert writes a new self-signed certificate with its key.
func writeCert(t testing.TB, certFile, keyFile, name string) {
	t.Helper()
	_, err := smtptest.WriteSelfSigned(certFile, keyFile, name)
	require.NoError(t, err)
}

func testTLS(t testing.TB) func() *tls.Config {
	t.Helper()
	f := &CertFile{Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem")}
	writeCert(t, f.Cert, f.Key, "mx.test")
	require.NoError(t, f.Load())
	config := &tls.Config{GetCertificate: f.GetCertificate}
	return func() *tls.Config { return config }
}

func (c *client) startTLS() {
	c.t.Helper()
	tc := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	require.NoError(c.t, tc.Handshake())
	c.Conn = tc
}

func TestSTARTTLS(t *testing.T) {
	b := &recorder{auth: true}
	s := &Server{Backend: b, TLS: testTLS(t), REQUIRETLS: true}
	c := dial(t, serve(t, s, &Listener{RequireTLS: true, RequireAuth: true}))
	c.expect("", "220")
	c.send("EHLO a\r\n")
	_, lines := c.reply()
	require.Contains(t, lines, "STARTTLS")
	require.NotContains(t, lines, "AUTH PLAIN LOGIN")
	require.NotContains(t, lines, "REQUIRETLS")
	c.expect("STARTTLS x\r\n", "501")
	c.expect("STARTTLS\r\n", "220")
	c.startTLS()
	c.expect("MAIL FROM:<a@b.test>\r\n", "503") // EHLO is needed again
	c.send("EHLO a\r\n")
	_, lines = c.reply()
	require.NotContains(t, lines, "STARTTLS")
	require.Contains(t, lines, "AUTH PLAIN LOGIN")
	require.Contains(t, lines, "REQUIRETLS")
	c.expect("STARTTLS\r\n", "503")
	c.expect("MAIL FROM:<a@b.test>\r\n", "530")
	c.expect("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "235")
	c.expect("MAIL FROM:<a@b.test> REQUIRETLS\r\nRCPT TO:<c@d.test>\r\nDATA\r\n", "250", "250", "354")
	c.expect(".\r\nQUIT\r\n", "250", "221")
	require.True(t, b.got()[0].opts.RequireTLS)
	require.Equal(t, "ESMTPSA", b.got()[0].with)
	require.NoError(t, s.Close())
	require.Equal(t, 2, b.logouts, "a session before TLS and one after")
}

// What an attacker puts after STARTTLS in the clear must not be carried out under TLS.
func TestSTARTTLSInjection(t *testing.T) {
	b := &recorder{}
	c := dial(t, serve(t, &Server{Backend: b, TLS: testTLS(t)}, nil))
	c.expect("", "220")
	c.expect("EHLO a\r\n", "250")
	c.expect("STARTTLS\r\nEHLO b\r\nMAIL FROM:<x@y.test>\r\n", "554")
	require.Equal(t, "", c.line())
}

func TestTLSGarbage(t *testing.T) {
	s := &Server{Backend: &recorder{}, TLS: testTLS(t)}
	address := serve(t, s, nil)
	c := dial(t, address)
	c.expect("", "220")
	c.expect("EHLO a\r\nSTARTTLS\r\n", "250", "220")
	c.send("this is no handshake\r\nMAIL FROM:<x@y.test>\r\n")
	rest, _ := io.ReadAll(c)
	require.NotContains(t, string(rest), "250")
	again := dial(t, address)
	again.expect("", "220")
}

func TestImplicitTLS(t *testing.T) {
	b := &recorder{}
	address := serve(t, &Server{Backend: b, TLS: testTLS(t)}, &Listener{ImplicitTLS: true})
	c := dial(t, address)
	c.startTLS()
	c.expect("", "220")
	c.expect("EHLO a\r\n"+envelope+"DATA\r\n", "250", "250", "250", "354")
	c.expect(".\r\n", "250")
	require.Equal(t, "ESMTPS", b.got()[0].with)

	refused := dial(t, serve(t, &Server{Backend: b, TLS: testTLS(t)},
		&Listener{ImplicitTLS: true, Allow: func(netip.Addr) bool { return false }}))
	require.Equal(t, "", refused.line(), "nothing is said in the clear")
	none := dial(t, serve(t, &Server{Backend: b}, &Listener{ImplicitTLS: true}))
	require.Equal(t, "", none.line(), "without a certificate")
}

func TestCertFile(t *testing.T) {
	dir := t.TempDir()
	var log strings.Builder
	f := &CertFile{Cert: dir + "/cert", Key: dir + "/key", Logger: slog.New(slog.NewTextHandler(&log, nil))}
	require.ErrorIs(t, f.Load(), os.ErrNotExist)
	_, err := f.GetCertificate(nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	writeCert(t, f.Cert, f.Key, "one.test")
	require.NoError(t, f.Load())
	name := func() string {
		cert, err := f.GetCertificate(nil)
		require.NoError(t, err)
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		require.NoError(t, err)
		return leaf.Subject.CommonName
	}
	require.Equal(t, "one.test", name())
	synctest.Test(t, func(t *testing.T) {
		f.Load()
		writeCert(t, f.Cert, f.Key, "two-longer-name.test")
		require.Equal(t, "one.test", func() string { time.Sleep(9 * time.Second); return name() }(), "not looked at yet")
		time.Sleep(time.Second)
		require.Equal(t, "two-longer-name.test", name())
		require.NoError(t, os.WriteFile(f.Cert, []byte("broken"), 0o600))
		time.Sleep(10 * time.Second)
		require.Equal(t, "two-longer-name.test", name(), "the old one stays in use")
	})
	require.Contains(t, log.String(), "certificate")
}

// go-smtp's own client is content with us.
func TestGoSMTPClient(t *testing.T) {
	b := &recorder{auth: true}
	address := serve(t, &Server{Backend: b, TLS: testTLS(t), DSN: true, SMTPUTF8: true}, nil)
	c, err := smtp.DialStartTLS(address, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Auth(sasl.NewPlainClient("", "user", "secret")))
	opts := &smtp.MailOptions{Return: smtp.DSNReturnHeaders, EnvelopeID: "id=1", UTF8: true, Size: 100}
	require.NoError(t, c.Mail("a@b.test", opts))
	require.NoError(t, c.Rcpt("c@d.test", &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure}}))
	w, err := c.Data()
	require.NoError(t, err)
	_, err = io.WriteString(w, "Subject: hello\n\n.dot\n..\nend")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, c.Quit())
	m := b.got()[0]
	require.Equal(t, "Subject: hello\r\n\r\n.dot\r\n..\r\nend\r\n", m.body)
	require.Equal(t, "id=1", m.opts.EnvelopeID)
	require.Equal(t, "UTF8SMTPSA", m.with)
	require.Equal(t, "user", m.user)

	c, err = smtp.Dial(address)
	require.NoError(t, err)
	defer c.Close()
	var reply *smtp.SMTPError
	require.ErrorAs(t, c.Auth(sasl.NewPlainClient("", "user", "wrong")), &reply)
	require.Equal(t, 535, reply.Code)
	require.NoError(t, c.Close())
}

func TestGoSMTPClientOverLMTP(t *testing.T) {
	b := &recorder{each: true, refuse: map[string]error{"each bad@d.test": &smtp.SMTPError{Code: 550, Message: "no"}}}
	nc, err := net.Dial("tcp", serve(t, &Server{Backend: b}, &Listener{LMTP: true}))
	require.NoError(t, err)
	c := smtp.NewClientLMTP(nc)
	defer c.Close()
	require.NoError(t, c.Mail("a@b.test", nil))
	require.NoError(t, c.Rcpt("c@d.test", nil))
	require.NoError(t, c.Rcpt("bad@d.test", nil))
	w, err := c.Data()
	require.NoError(t, err)
	_, err = io.WriteString(w, "text")
	require.NoError(t, err)
	answers, err := w.CloseWithLMTPResponse()
	require.Error(t, err)
	require.Contains(t, answers, "c@d.test")
	require.NotContains(t, answers, "bad@d.test")
}

func TestSwaks(t *testing.T) {
	testserver.Need(t, "swaks")
	b := &recorder{auth: true}
	host, port, err := net.SplitHostPort(serve(t, &Server{Backend: b}, nil))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, testserver.Find("swaks"), "--server", host, "--port", port, "--helo", "client.test",
		"--from", "a@b.test",
		"--to", "c@d.test,e@f.test", "--auth", "LOGIN", "--auth-user", "user", "--auth-password", "secret", "--body",
		".\nbody", "--pipeline")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Len(t, b.got(), 1)
	require.Equal(t, []string{"c@d.test", "e@f.test"}, b.got()[0].to)
	require.Contains(t, b.got()[0].body, "\r\n.\r\nbody")
}
