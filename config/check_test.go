package config

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// makePair writes a certificate and its key and returns the files' names.
func makePair(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	_, err := smtptest.WriteSelfSigned(cert, key)
	require.NoError(t, err)
	return cert, key
}

func TestCertificates(t *testing.T) {
	cert, key := makePair(t)
	_, otherKey := makePair(t)
	junk := write(t, "junk.pem", "no PEM\n")

	cfg, report := mustLoad(t, base+"smtp-certificate: "+cert+"\nsmtp-key: "+key+
		"\nsmtp-secure-port: 465\nsubmission-port: 587\nsmtp-auth: users://a\n"+
		"www-certificate: "+cert+"\nwww-privatekey: "+key+"\nwww-secure-port: 443\n")
	require.Equal(t, []string{cert}, cfg.SMTPCertificate)
	require.Empty(t, report.Warnings)

	tests := []struct{ name, cert, key, want string }{
		{"another's key", cert, otherKey, "expected a PEM certificate that fits smtp-key: " + cut(otherKey) +
			" (tls: private key does not match public key)"},
		{"not PEM", junk, key, "expected a PEM certificate that fits smtp-key"},
		{"no such certificate", "/nonexistent", key,
			`smtp-certificate: "/nonexistent": expected a readable PEM file with a certificate (no such file or directory)`},
		{"no such key", cert, "/nonexistent",
			`smtp-key: "/nonexistent": expected a readable PEM file with a private key (no such file or directory)`},
		{"the second's key", cert + ";" + cert, key + ", " + otherKey, `smtp-certificate: "` + cut(cert) +
			`": expected a PEM certificate that fits smtp-key: ` + cut(otherKey)},
		{"no second key", cert + "," + cert, key, `smtp-key: "` + cut(key) +
			`": expected one key for each of the 2 files of smtp-certificate, in their order`},
		{"a directory", "/", key, `smtp-certificate: "/": expected a readable PEM file with a certificate (is a directory)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := load(t, "smtp-certificate: "+test.cert+"\nsmtp-key: "+test.key+"\n")
			require.ErrorContains(t, err, test.want)
			require.Len(t, Errors(err), 1)
		})
	}
}

// TestSeveralCertificates keeps their order, and a file that is named twice.
func TestSeveralCertificates(t *testing.T) {
	cert, key := makePair(t)
	other, otherKey := makePair(t)
	cfg, _ := mustLoad(t, base+"smtp-certificate: "+cert+"; "+other+","+cert+"\nsmtp-key: "+key+", "+otherKey+";"+key+"\n")
	require.Equal(t, []string{cert, other, cert}, cfg.SMTPCertificate)
	require.Equal(t, []string{key, otherKey, key}, cfg.SMTPKey)
}

func TestChanged(t *testing.T) {
	old, _ := mustLoad(t, base+"www-password: a\nsmtp-port: 25\n")
	same, _ := mustLoad(t, base+"www-password: a\nsmtp-timeout: 5m\n")
	reload, restart := Changed(old, same)
	require.Empty(t, reload)
	require.Empty(t, restart)

	other,
		_ := mustLoad(t,
		"smtp-range: 10.0.0.0/8\nwww-password: b\nsmtp-port: 26\nrabbitmq-address: amqp://h\nsmtp-maxsize: 5MB\n")
	reload, restart = Changed(old, other)
	require.Equal(t, []string{"smtp-range"}, reload)
	require.Equal(t, []string{"smtp-port", "smtp-maxsize", "rabbitmq-address", "cluster-address", "www-password"}, restart)
}

func TestZeroReport(t *testing.T) {
	require.False(t, new(Report).Given("smtp-port"))
}

// TestCheck lets a program judge a value: what it complains of is an error like any other, with where the value stands
// and without its secrets, and it is not asked about a configuration that is wrong already.
func TestCheck(t *testing.T) {
	asked := 0
	src := Sources{SystemFiles: []string{},
		Args: []string{"--smarthost", "relay", "--config-file", write(t, "config.txt", "\nwww-url: http://a:secret@b/\n")}}
	src.Check = func(c *Config, complain func(key, want string, cause error)) {
		asked++
		require.Equal(t, "relay", c.Smarthost)
		complain("www-url", "somewhere else", errors.New("it is taken"))
		complain("smarthost", "another relay", nil)
	}
	_, _, err := Load(src)
	require.Len(t, Errors(err), 2)
	require.ErrorContains(t, err, `config.txt:2: www-url: "http://a:********@b/": expected somewhere else (it is taken)`)
	require.ErrorContains(t, err, `command line --smarthost: smarthost: "relay": expected another relay`)
	src.Args = append(src.Args, "--smtp-port=none")
	_, _, err = Load(src)
	require.Len(t, Errors(err), 1)
	require.Equal(t, 1, asked)
}
