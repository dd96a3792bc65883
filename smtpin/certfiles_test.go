package smtpin

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// twoCerts are an RSA certificate for rsa.test and an ECDSA certificate for ecdsa.test, in that order, read anew for
// every handshake.
func twoCerts(t testing.TB, log *slog.Logger) CertFiles {
	t.Helper()
	dir := t.TempDir()
	var fs CertFiles
	for _, kind := range []string{"rsa", "ecdsa"} {
		fs = append(fs, &CertFile{Cert: filepath.Join(dir, kind+".crt"), Key: filepath.Join(dir, kind+".key"),
			Every: time.Nanosecond, Logger: log})
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, err = smtptest.WriteSelfSignedWith(key, fs[0].Cert, fs[0].Key, "rsa.test")
	require.NoError(t, err)
	writeCert(t, fs[1].Cert, fs[1].Key, "ecdsa.test")
	require.NoError(t, fs.Load())
	return fs
}

// rsaOnly has a client that understands nothing else.
var rsaOnly = tls.Config{MaxVersion: tls.VersionTLS12,
	CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}

// shown returns the name in the certificate that a client gets.
func shown(fs CertFiles, client *tls.Config) (string, error) {
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		server := tls.Server(far, &tls.Config{GetCertificate: fs.GetCertificate, SessionTicketsDisabled: true})
		_ = server.Handshake() // the client says whether it worked
	}()
	config := client.Clone()
	config.InsecureSkipVerify = true
	conn := tls.Client(near, config)
	if err := conn.Handshake(); err != nil {
		return "", err
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// TestCertFilesWithOpenSSL shows each kind of client the certificate that suits it.
func TestCertFilesWithOpenSSL(t *testing.T) {
	testserver.Need(t, "openssl")
	fs := twoCerts(t, nil)
	config := &tls.Config{GetCertificate: fs.GetCertificate}
	address := serve(t, &Server{Backend: &recorder{}, TLS: func() *tls.Config { return config }}, nil)
	for _, test := range []struct{ options, want string }{
		{"", "ecdsa.test"},
		{"-tls1_2", "ecdsa.test"},
		{"-sigalgs ECDSA+SHA256", "ecdsa.test"},
		{"-sigalgs RSA-PSS+SHA256:ECDSA+SHA256", "ecdsa.test"},
		{"-sigalgs RSA-PSS+SHA256:RSA+SHA256", "rsa.test"},
		{"-tls1_2 -sigalgs RSA+SHA256", "rsa.test"},
		{"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "rsa.test"},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "ecdsa.test"},
		// a name counts where there is a certificate for it that the client understands
		{"-servername rsa.test", "rsa.test"},
		{"-servername other.test", "ecdsa.test"},
		{"-servername other.test -sigalgs RSA-PSS+SHA256", "rsa.test"},
		{"-servername ecdsa.test -sigalgs RSA-PSS+SHA256", "rsa.test"},
	} {
		t.Run(test.options, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			args := []string{"s_client", "-connect", address, "-starttls", "smtp", "-showcerts"}
			if !strings.Contains(test.options, "-servername") {
				args = append(args, "-noservername")
			}
			cmd := exec.CommandContext(ctx, testserver.Find("openssl"), append(args, strings.Fields(test.options)...)...)
			cmd.Stdin = strings.NewReader("QUIT\r\n")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			block, _ := pem.Decode(out)
			require.NotNil(t, block, string(out))
			cert, err := x509.ParseCertificate(block.Bytes)
			require.NoError(t, err)
			require.Equal(t, test.want, cert.Subject.CommonName)
		})
	}
}

// TestCertFilesWithoutAHello is what asks which names there are.
func TestCertFilesWithoutAHello(t *testing.T) {
	cert, err := twoCerts(t, nil).GetCertificate(nil)
	require.NoError(t, err)
	require.Equal(t, "ecdsa.test", cert.Leaf.Subject.CommonName)

	_, err = CertFiles{{Cert: "/nonexistent.crt", Key: "/nonexistent.key"}}.GetCertificate(nil)
	require.ErrorContains(t, err, "/nonexistent.crt")
}

// TestCertFilesOneBroken keeps the certificate whose new files make no sense, and takes the other's.
func TestCertFilesOneBroken(t *testing.T) {
	for broken, suffix := range map[string]string{"certificate": ".crt", "key": ".key"} {
		t.Run(broken, func(t *testing.T) {
			var log strings.Builder
			fs := twoCerts(t, slog.New(slog.NewTextHandler(&log, nil)))
			file := strings.TrimSuffix(fs[0].Cert, ".crt") + suffix
			require.NoError(t, os.WriteFile(file, []byte("broken"), 0o600))
			writeCert(t, fs[1].Cert, fs[1].Key, "new-ecdsa.test")
			name, err := shown(fs, &rsaOnly)
			require.NoError(t, err)
			require.Equal(t, "rsa.test", name)
			name, err = shown(fs, &tls.Config{})
			require.NoError(t, err)
			require.Equal(t, "new-ecdsa.test", name)
			require.Contains(t, log.String(), file)
			require.NotContains(t, log.String(), fs[1].Cert)
			require.ErrorContains(t, fs.Load(), file, "at start it is a mistake")
		})
	}
}

// TestCertFilesUnderLoad replaces both certificates again and again: no handshake fails, though a certificate and its
// key are two files.
func TestCertFilesUnderLoad(t *testing.T) {
	fs := twoCerts(t, slog.New(slog.DiscardHandler))
	key, err := tls.LoadX509KeyPair(fs[0].Cert, fs[0].Key)
	require.NoError(t, err)
	var clients sync.WaitGroup
	done := make(chan struct{})
	for _, client := range []*tls.Config{{}, &rsaOnly} {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := shown(fs, client); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 50 {
		writeCert(t, fs[1].Cert, fs[1].Key, "ecdsa.test")
		_, err = smtptest.WriteSelfSignedWith(key.PrivateKey.(*rsa.PrivateKey), fs[0].Cert, fs[0].Key, "rsa.test")
		require.NoError(t, err)
	}
	close(done)
	clients.Wait()
}

// TestResumedAfterANewCertificate takes sessions up again that began with the certificate before.
func TestResumedAfterANewCertificate(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			fs := twoCerts(t, nil)
			config := &tls.Config{GetCertificate: fs.GetCertificate}
			address := serve(t, &Server{Backend: &recorder{}, TLS: func() *tls.Config { return config }},
				&Listener{ImplicitTLS: true})
			handshake := func(sessions tls.ClientSessionCache) tls.ConnectionState {
				t.Helper()
				conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ClientSessionCache: sessions,
					MaxVersion: version})
				require.NoError(t, err)
				defer conn.Close()
				_, err = conn.Read(make([]byte, 4)) // the ticket comes before the greeting
				require.NoError(t, err)
				return conn.ConnectionState()
			}
			sessions := tls.NewLRUClientSessionCache(0)
			require.False(t, handshake(sessions).DidResume)
			writeCert(t, fs[1].Cert, fs[1].Key, "new-ecdsa.test")
			require.Equal(t, "new-ecdsa.test", handshake(nil).PeerCertificates[0].Subject.CommonName)
			require.True(t, handshake(sessions).DidResume)
		})
	}
}
