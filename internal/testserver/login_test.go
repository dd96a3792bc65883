package testserver_test

import (
	"strings"
	"testing"

	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/stretchr/testify/require"
)

func TestOpenLDAP(t *testing.T) {
	testserver.Need(t, "ldapwhoami")
	s := testserver.OpenLDAP(t, testserver.LDAPUser("alice", "secret"))
	for range 2 {
		out := testserver.Run(t, "ldapwhoami", "-x", "-H", "ldap://"+s.Address, "-D", "uid=alice,"+testserver.LDAPBase, "-w",
			"secret")
		require.Contains(t, out, "uid=alice")
		s.Stop()
		s.Start()
	}
}

func TestFreeRADIUS(t *testing.T) {
	testserver.Need(t, "radclient", "sh")
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		t.Run(loopback, func(t *testing.T) {
			address := testserver.FreeRADIUS(t, testserver.RadiusConfig{Users: `alice Cleartext-Password := "secret"`,
				Loopback: loopback})
			out := testserver.Run(t, "sh", "-c", "echo 'User-Name=alice,User-Password=secret' | radclient "+address+" auth "+
				testserver.RadiusSecret)
			require.True(t, strings.Contains(out, "Access-Accept"), out)
		})
	}
}
