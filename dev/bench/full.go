package main

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// full runs a relay that does what senders of bulk mail really do: it receives over TLS, signs each mail with a key of
// its own for RSA-2048 (or Ed25519), sends over TLS, so many mails a connection, logs every attempt, and keeps to a
// limit a minute that it never reaches.
func (b *bench) full(kind, work, in, out string) (*relay, error) {
	k, err := newKeys(work, strings.HasSuffix(kind, "ed25519"))
	if err != nil {
		return nil, err
	}
	switch kind {
	case "mtad", "mtad-go", "mtad-ed25519":
		return b.fullMTA(k, work, in, out, kind == "mtad-go")
	case "ceiling":
		return b.program(b.bin("ceiling"), "-listen", "127.0.0.1:"+in, "-target", "127.0.0.1:"+out, "-file",
			filepath.Join(work, "log"), "-certificate", k.certificate, "-key", k.private, "-dkim", k.dkim,
			"-per-connection", b.perConnection())
	case "postfix":
		return b.fullPostfix(k, work, in, out)
	}
	return nil, fmt.Errorf("unknown relay %q", "full-"+kind)
}

// perConnection is how many mails the full rows send over one connection.
func (b *bench) perConnection() string { return strconv.Itoa(cmp.Or(b.carries, 20)) }

func (b *bench) fullMTA(k *keys, work, in, out string, pure bool) (*relay, error) {
	address := "sqlite://" + filepath.Join(work, "settings.db")
	db, err := settings.Open(b.ctx, address, settings.Options{})
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(k.dkim)
	if err != nil {
		return nil, err
	}
	row := settings.DKIMKey{Domain: "source.test", Selector: "bench", PrivateKey: settings.Secret(text), Enabled: true}
	if err := errors.Join(settings.Insert(b.ctx, db, &row), db.Close()); err != nil {
		return nil, err
	}
	library := "auto"
	if pure {
		library = "go"
	}
	return b.program(b.bin("mtad"), "--config-file", "/dev/null", "--smtp-ip", "127.0.0.1", "--smtp-port", in,
		"--smtp-range", "127.0.0.0/8", "--queue-address", "disk://"+filepath.Join(work, "queue"), "--www-port", "0",
		"--smtp-sink-address", "127.0.0.1", "--smtp-sink-port", out, "--database-address", address,
		"--smtp-certificate", k.certificate, "--smtp-key", k.private, "--sign-library", library,
		"--send-bin-log-file", filepath.Join(work, "send.json"), "--domain-maxmessages", "10000000",
		"--connection-maxmessages", b.perConnection())
}

// fullPostfix has OpenDKIM sign for Postfix, which asks it as a milter.
func (b *bench) fullPostfix(k *keys, work, in, out string) (*relay, error) {
	signer, err := exec.LookPath("opendkim")
	if err != nil {
		return nil, errors.New("OpenDKIM is not installed")
	}
	port, conf := freePort(), filepath.Join(work, "opendkim.conf")
	text := fmt.Sprintf("Socket inet:%s@127.0.0.1\nDomain source.test\nSelector bench\nKeyFile %s\nMode s\n"+
		"Canonicalization relaxed/relaxed\nInternalHosts 127.0.0.0/8\nBackground no\nRequireSafeKeys no\nPidFile %s\n",
		port, k.dkim, filepath.Join(work, "opendkim.pid"))
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	milter, err := b.program(signer, "-f", "-x", conf)
	if err != nil {
		return nil, err
	}
	if err := waitPort(b.ctx, port); err != nil {
		milter.stop()
		return nil, fmt.Errorf("opendkim does not listen: %w", err)
	}
	r, err := b.postfix(work, in, out, fmt.Sprintf(`smtpd_tls_security_level = may
smtpd_tls_chain_files = %s, %s
smtp_tls_security_level = encrypt
smtp_tls_connection_reuse = yes
smtp_connection_cache_on_demand = yes
smtp_connection_reuse_count_limit = %s
smtpd_milters = inet:127.0.0.1:%s
milter_default_action = tempfail
`, k.private, k.certificate, b.perConnection(), port))
	if err != nil {
		milter.stop()
		return nil, err
	}
	end := r.stop
	r.beside, r.stop = milter, func() { end(); milter.stop() }
	return r, nil
}

// keys are the files that a relay has for TLS and for its signatures.
type keys struct{ certificate, private, dkim string }

// newKeys makes a certificate with ECDSA, and a key to sign with, which is RSA-2048 or Ed25519.
func newKeys(dir string, ed bool) (*keys, error) {
	k := &keys{filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "private.pem"), filepath.Join(dir, "dkim.pem")}
	if _, err := smtptest.WriteSelfSigned(k.certificate, k.private); err != nil {
		return nil, err
	}
	var signs any
	var err error
	if ed {
		_, signs, err = ed25519.GenerateKey(rand.Reader)
	} else {
		signs, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(signs)
	if err != nil {
		return nil, err
	}
	return k, os.WriteFile(k.dkim, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
