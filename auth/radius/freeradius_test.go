package radius_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
	"github.com/sluicemail/sluice/auth/radius"
	"github.com/sluicemail/sluice/internal/testserver"
)

var accounts = map[string]string{
	"alice": "secret-alice",
	"bob":   "geheim: jörg, 16+",
	"carol": strings.Repeat("long-", 25) + "128",
}

// users is the server's file: a password in plain text, a hash, and one of the greatest length.
func users(t *testing.T) string {
	hash := strings.TrimSpace(testserver.Run(t, "openssl", "passwd", "-6", accounts["bob"]))
	return `alice Cleartext-Password := "secret-alice"
	Reply-Message = "hello"
bob Crypt-Password := "` + hash + `"
carol Cleartext-Password := "` + accounts["carol"] + `"
`
}

func open(t *testing.T, address, query string) auth.Authenticator {
	a, err := radius.Open("radius", "mx1:"+url.PathEscape(testserver.RadiusSecret)+"@"+address+query)
	require.NoError(t, err)
	return a
}

// TestFreeRADIUS has servers that sign replies or do not, and demand signed requests or do not.
func TestFreeRADIUS(t *testing.T) {
	for name, c := range map[string]struct {
		config testserver.RadiusConfig
		query  string
	}{
		"signs":                  {testserver.RadiusConfig{Sign: true}, ""},
		"signs and demands":      {testserver.RadiusConfig{Sign: true, Require: true}, "?message-authenticator=required"},
		"does not sign":          {testserver.RadiusConfig{}, "?message-authenticator=optional"},
		"demands, does not sign": {testserver.RadiusConfig{Require: true}, "?message-authenticator=optional"},
		"signs, need not":        {testserver.RadiusConfig{Sign: true}, "?message-authenticator=optional"},
		"signs, at IPv6":         {testserver.RadiusConfig{Sign: true, Loopback: "::1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.Users = users(t)
			address := testserver.FreeRADIUS(t, c.config)
			authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
				return open(t, address, c.query),
					accounts
			})
		})
	}
}

func TestUnsignedRepliesAreRefused(t *testing.T) {
	address := testserver.FreeRADIUS(t, testserver.RadiusConfig{Users: users(t)})
	a := open(t, address, "")
	for name, password := range accounts {
		for _, password := range []string{password, "wrong"} {
			err := a.Authenticate(t.Context(), auth.Login{Username: name, Password: password})
			require.ErrorContains(t, err, "the reply has no Message-Authenticator")
			require.NotErrorIs(t, err, auth.ErrRejected)
		}
	}
}

// TestAnotherSecret has a server whose replies cannot be believed, nor its passwords read.
func TestAnotherSecret(t *testing.T) {
	address := testserver.FreeRADIUS(t, testserver.RadiusConfig{Users: users(t), Sign: true})
	a, err := radius.Open("radius", "mx1:another@"+address+"?timeout=200ms&retransmit=50ms")
	require.NoError(t, err)
	err = a.Authenticate(t.Context(), auth.Login{Username: "alice", Password: "secret-alice"})
	require.ErrorContains(t, err, "no answer within 200ms")
	require.NotErrorIs(t, err, auth.ErrRejected)
}

func TestManyLogins(t *testing.T) {
	address := testserver.FreeRADIUS(t, testserver.RadiusConfig{Users: users(t), Sign: true, Require: true})
	a := open(t, address, "")
	var logins sync.WaitGroup
	for i := range 400 {
		logins.Go(func() {
			password := "wrong"
			if i%2 == 0 {
				password = "secret-alice"
			}
			err := a.Authenticate(t.Context(), auth.Login{Username: "alice", Password: password})
			if right := i%2 == 0; right != (err == nil) {
				t.Errorf("right %v: %v", right, err)
			}
		})
	}
	logins.Wait()
}
