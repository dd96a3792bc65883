package ldap

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		scheme, raw string
		want        Options
	}{
		{"ldap", "host:389/dc=example,dc=com", Options{Address: "host:389", BaseDN: "dc=example,dc=com", Attribute: "uid",
			Timeout: 10 * time.Second, Connections: 64}},
		{"ldap", "host/ou=a%20b%3F,dc=x?starttls=1&timeout=3&connections=5&attribute=cn", Options{Address: "host:389",
			BaseDN: "ou=a b?,dc=x", Attribute: "cn", Security: StartTLS, Timeout: 3 * time.Second, Connections: 5}},
		{"ldap", "host/dc=x?starttls=0", Options{Address: "host:389", BaseDN: "dc=x", Attribute: "uid",
			Timeout:     10 * time.Second,
			Connections: 64}},
		{"ldaps", "[::1]/dc=x?server-name=ldap.example.com", Options{Address: "[::1]:636", BaseDN: "dc=x", Attribute: "uid",
			Security: TLS, Timeout: 10 * time.Second, Connections: 64, TLSConfig: &tls.Config{ServerName: "ldap.example.com"}}},
	} {
		opened, err := Open(c.scheme, c.raw)
		require.NoError(t, err)
		got := opened.(*Authenticator).options
		if c.want.TLSConfig != nil {
			require.Equal(t, c.want.TLSConfig.ServerName, got.TLSConfig.ServerName)
		}
		got.TLSConfig, c.want.TLSConfig, got.Dial, got.IdleTime = nil, nil, nil, 0
		require.Equal(t, c.want, got)
	}
}

func TestOpenRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct{ scheme, raw, want string }{
		{"ldap", "", "host \"\": expected HOST"},
		{"ldap", "host:x/dc=x", `port "x"`},
		{"ldap", "host", "there is no base DN"},
		{"ldap", "host/", "there is no base DN"},
		{"ldap", "host/nonsense", `base DN "nonsense"`},
		{"ldap", "host/dc=%zz", "base DN: a % is not followed"},
		{"ldap", "host/dc=x?StartTLS=1", `parameter "StartTLS" is unknown: expected starttls, ca`},
		{"ldap", "host/dc=x?starttls=yes", `parameter starttls="yes": expected 0 or 1`},
		{"ldap", "host/dc=x?timeout=soon", `parameter timeout="soon"`},
		{"ldap", "host/dc=x?connections=0", `parameter connections="0"`},
		{"ldap", "host/dc=x?ca=/a.pem", "need ldaps or starttls=1"},
		{"ldap", "host/dc=x?attribute=a%2Cb", `attribute "a,b"`},
		{"ldaps", "host/dc=x?starttls=1", "does not go with ldaps"},
		{"ldaps", "host/dc=x?ca=/does/not/exist", "/does/not/exist"},
		{"ldaps", "host/dc=x?ca=" + empty, "there is no certificate in it"},
		{"ldapi", "host/dc=x", "expected the scheme ldap or ldaps"},
		{"ldap", "admin:hunter2@host/dc=x", "is not taken here"},
	} {
		a, err := Open(c.scheme, c.raw)
		require.ErrorContains(t, err, c.want)
		require.Nil(t, a)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := New(Options{Address: "host", BaseDN: "dc=x", Security: 7})
	require.ErrorContains(t, err, "Plain, StartTLS or TLS")
}

func TestString(t *testing.T) {
	a, err := Open("ldap", "host/dc=x?starttls=1")
	require.NoError(t, err)
	require.Equal(t, "ldap with StartTLS host:389 dc=x", fmt.Sprint(a))
}
