package ldap_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
	"github.com/sluicemail/sluice/auth/ldap"
	"github.com/sluicemail/sluice/internal/testserver"
)

// people are the users of the tests, by name; their DNs need escaping in every way.
var people = map[string]string{
	"alice":            "secret-alice",
	"Smith, John+x":    "secret-smith",
	`#"q"<\>;=`:        "secret-sharp",
	"jörg@example.com": "geheim-jörg",
}

const ldif = "dn: uid=Smith\\2C John\\2Bx,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nuserPassword: secret-smith\n\n" +
	"dn: uid=\\23\\22q\\22\\3C\\5C\\3E\\3B\\3D,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nuserPassword: secret-sharp\n\n" +
	"dn: uid=j\\C3\\B6rg@example.com,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nuserPassword:: Z2VoZWltLWrDtnJn\n\n" +
	"dn: ou=people,dc=example,dc=com\nobjectClass: organizationalUnit\nou: people\n\n" +
	"dn: uid=bob,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: x\nsn: x\nuserPassword: secret-bob\n\n" +
	"dn: uid=nopassword,dc=example,dc=com\nobjectClass: inetOrgPerson\ncn: x\nsn: x\n\n"

func directory(t *testing.T) *testserver.LDAPServer {
	return testserver.OpenLDAP(t, testserver.LDAPUser("alice", "secret-alice")+ldif)
}

func open(t *testing.T, scheme, raw string) *ldap.Authenticator {
	a, err := ldap.Open(scheme, raw)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.(*ldap.Authenticator).Close()) })
	return a.(*ldap.Authenticator)
}

func TestOpenLDAP(t *testing.T) {
	s := directory(t)
	base := "/" + testserver.LDAPBase
	for name, a := range map[string][2]string{
		"plain":    {"ldap", s.Address + base},
		"StartTLS": {"ldap", s.Address + base + "?starttls=1&ca=" + s.CAFile},
		"ldaps":    {"ldaps", s.TLSAddress + base + "?ca=" + s.CAFile},
	} {
		t.Run(name, func(t *testing.T) {
			authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) { return open(t, a[0], a[1]), people })
		})
	}
}

func TestOnlyBelowTheBase(t *testing.T) {
	s := directory(t)
	a := open(t, "ldap", s.Address+"/"+testserver.LDAPBase)
	for _, name := range []string{"bob", "bob,ou=people", "bob,ou=people,dc=example,dc=com", "nopassword",
		`alice\2Cdc=example`, "alice,", "admin"} {
		require.ErrorIs(t, a.Authenticate(t.Context(), auth.Login{Username: name, Password: "secret-bob"}), auth.ErrRejected,
			name)
	}
	a = open(t, "ldap", s.Address+"/ou=people%2c"+testserver.LDAPBase)
	require.NoError(t, a.Authenticate(t.Context(), auth.Login{Username: "bob", Password: "secret-bob"}))
	require.ErrorIs(t, a.Authenticate(t.Context(), auth.Login{Username: "alice", Password: "secret-alice"}),
		auth.ErrRejected)
}

// TestSameName has names that the directory would take for alice.
func TestSameName(t *testing.T) {
	s := directory(t)
	a := open(t, "ldap", s.Address+"/"+testserver.LDAPBase)
	for _, name := range []string{" alice", "alice ", "alice\n", "\talice", "alice\x00", "al\u00adice", "alice\u200b",
		"\u202ealice", "alice\u00a0", "alice\xff"} {
		require.ErrorIs(t, a.Authenticate(t.Context(), auth.Login{Username: name, Password: "secret-alice"}),
			auth.ErrRejected, "%q", name)
	}
	require.NoError(t, a.Authenticate(t.Context(), auth.Login{Username: "ALICE", Password: "secret-alice"}),
		"uid ignores case")
}

func TestCertificates(t *testing.T) {
	s := directory(t)
	for _, a := range [][2]string{
		{"ldaps", s.TLSAddress + "/" + testserver.LDAPBase},
		{"ldap", s.Address + "/" + testserver.LDAPBase + "?starttls=1"},
		{"ldaps", s.TLSAddress + "/" + testserver.LDAPBase + "?server-name=ldap.example.net&ca=" + s.CAFile},
		{"ldaps", s.Address + "/" + testserver.LDAPBase + "?ca=" + s.CAFile}, // no TLS there
	} {
		err := open(t, a[0], a[1]).Authenticate(t.Context(), auth.Login{Username: "alice", Password: "secret-alice"})
		require.Error(t, err)
		require.NotErrorIs(t, err, auth.ErrRejected)
	}
}

func TestServerRestarts(t *testing.T) {
	s := directory(t)
	alice := auth.Login{Username: "alice", Password: "secret-alice"}
	base := "/" + testserver.LDAPBase
	all := []*ldap.Authenticator{
		open(t, "ldap", s.Address+base),
		open(t, "ldap", s.Address+base+"?starttls=1&ca="+s.CAFile),
		open(t, "ldaps", s.TLSAddress+base+"?ca="+s.CAFile),
	}
	for range 2 {
		for _, a := range all { // several connections each
			var logins sync.WaitGroup
			for range 20 {
				logins.Go(func() {
					if err := a.Authenticate(t.Context(), alice); err != nil {
						t.Error(err)
					}
				})
			}
			logins.Wait()
		}
		s.Stop()
		for _, a := range all {
			err := a.Authenticate(t.Context(), alice)
			require.ErrorContains(t, err, "connection refused")
			require.NotErrorIs(t, err, auth.ErrRejected)
		}
		s.Start()
	}
	for _, a := range all {
		require.NoError(t, a.Authenticate(t.Context(), alice))
	}
}

func TestRestartBetweenTwoLogins(t *testing.T) {
	s := directory(t)
	a := open(t, "ldap", s.Address+"/"+testserver.LDAPBase)
	for range 3 {
		require.NoError(t, a.Authenticate(t.Context(), auth.Login{Username: "alice", Password: "secret-alice"}))
		s.Stop()
		s.Start()
	}
}
