package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var alice = auth.Login{Username: "alice", Password: "secret"}

func cannotTell(t *testing.T, err error, text string) {
	t.Helper()
	require.ErrorContains(t, err, text)
	require.NotErrorIs(t, err, auth.ErrRejected)
	require.NotContains(t, err.Error(), "secret")
}

func TestResults(t *testing.T) {
	rejected := map[int64]bool{49: true, 32: true, 34: true, 21: true, 64: true, 48: true, 50: true, 19: true, 53: true}
	for code := int64(1); code < 130; code++ {
		d := &directory{answer: func(string, string) (int64, string) { return code, "why\nnot" }}
		err := d.authenticator(t, Options{}).Authenticate(t.Context(), alice)
		if rejected[code] {
			require.ErrorIs(t, err, auth.ErrRejected, code)
			continue
		}
		cannotTell(t, err, fmt.Sprintf("(%d)", code))
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestUnusableLoginsAskNobody(t *testing.T) {
	d := &directory{answer: func(string, string) (int64, string) { return 0, "" }}
	a := d.authenticator(t, Options{})
	for _, login := range []auth.Login{
		{}, {Username: "alice"}, {Password: "secret"},
		{Username: strings.Repeat("a", maxName+1), Password: "secret"},
		{Username: "alice", Password: strings.Repeat("a", 1<<20)},
		{Username: "alice", Password: "secret\x00"},
	} {
		require.ErrorIs(t, a.Authenticate(t.Context(), login), auth.ErrRejected)
	}
	dials, _ := d.counts()
	require.Zero(t, dials)
}

func TestConnectionsAreReused(t *testing.T) {
	d := &directory{answer: accept}
	a := d.authenticator(t, Options{})
	for range 3 {
		require.NoError(t, a.Authenticate(t.Context(), alice))
		require.ErrorIs(t, a.Authenticate(t.Context(), auth.Login{Username: "alice", Password: "wrong"}), auth.ErrRejected)
	}
	dials, binds := d.counts()
	require.Equal(t, 1, dials)
	require.Equal(t, 6, binds)
}

func TestRestartBetweenLogins(t *testing.T) {
	d := &directory{answer: accept}
	a := d.authenticator(t, Options{})
	for range 3 {
		require.NoError(t, a.Authenticate(t.Context(), alice))
		d.hangUp() // whether or not it is noticed before the next login
	}
}

// TestDeadOnArrival has a server that hangs up at the second bind: only the question shows that the connection is dead.
func TestDeadOnArrival(t *testing.T) {
	d := &directory{}
	d.answer = func(dn, password string) (int64, string) {
		if _, binds := d.counts(); binds == 2 {
			return -1, ""
		}
		return accept(dn, password)
	}
	a := d.authenticator(t, Options{})
	require.NoError(t, a.Authenticate(t.Context(), alice))
	require.NoError(t, a.Authenticate(t.Context(), alice), "a dead connection of the pool is no reason not to tell")
	dials, binds := d.counts()
	require.Equal(t, 2, dials)
	require.Equal(t, 3, binds)
}

func TestServerThatAlwaysHangsUp(t *testing.T) {
	d := &directory{answer: func(string, string) (int64, string) { return -1, "" }}
	cannotTell(t, d.authenticator(t, Options{}).Authenticate(t.Context(), alice), "ldap: directory:389: ")
	_, binds := d.counts()
	require.Equal(t, 1, binds, "a fresh connection is tried once")
}

func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{answer: func(dn, password string) (int64, string) {
			time.Sleep(300 * time.Millisecond)
			return accept(dn, password)
		}}
		a := d.authenticator(t, Options{})
		start := time.Now()
		var logins sync.WaitGroup
		for range 200 {
			logins.Go(func() {
				if err := a.Authenticate(t.Context(), alice); err != nil {
					t.Error(err)
				}
			})
		}
		logins.Wait()
		require.Equal(t, 4*300*time.Millisecond, time.Since(start), "64 at a time")
		dials, _ := d.counts()
		require.Equal(t, 64, dials)

		time.Sleep(defaultIdleTime + time.Second)
		a.pool.mu.Lock()
		require.Empty(t, a.pool.idle, "unused connections are closed")
		a.pool.mu.Unlock()
	})
}

func TestTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{answer: func(string, string) (int64, string) {
			time.Sleep(time.Hour)
			return 0, ""
		}}
		a := d.authenticator(t, Options{Connections: 1, Timeout: 2 * time.Second})
		var logins sync.WaitGroup
		start := time.Now()
		for range 3 { // one is asked for, the others wait for the connection
			logins.Go(func() { cannotTell(t, a.Authenticate(t.Context(), alice), "no answer within 2s") })
		}
		logins.Wait()
		require.Equal(t, 2*time.Second, time.Since(start))

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		err := a.Authenticate(ctx, alice)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, auth.ErrRejected)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// TestServerThatDoesNotRead never takes the request from the wire.
func TestServerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, security := range []Security{Plain, StartTLS, TLS} {
			ours, theirs := net.Pipe()
			a, err := New(Options{Address: "directory", BaseDN: "dc=x", Security: security,
				Dial: func(context.Context, string, string) (net.Conn, error) { return theirs, nil }})
			require.NoError(t, err)
			cannotTell(t, a.Authenticate(t.Context(), alice), "no answer within 10s")
			require.NoError(t, a.Close())
			require.NoError(t, ours.Close())
		}
	})
}

func TestServerThatFloods(t *testing.T) {
	for name, raw := range map[string][]byte{
		"a long answer":    append([]byte{0x30, 0x84, 0x7f, 0, 0, 0, 0x04, 0x84, 0x70, 0, 0, 0}, make([]byte, 1<<20)...),
		"many answers":     []byte(strings.Repeat(string(bindResponse(99, 0, "")), 1<<16)),
		"nonsense":         []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"another's answer": nil,
	} {
		t.Run(name, func(t *testing.T) {
			d := &directory{answer: accept, raw: raw}
			if raw == nil {
				d.raw = bindResponse(7, 0, "")
			}
			a := d.authenticator(t, Options{Timeout: 300 * time.Millisecond})
			err := a.Authenticate(t.Context(), alice)
			require.Error(t, err)
			require.NotErrorIs(t, err, auth.ErrRejected)
		})
	}
}

func TestDialFails(t *testing.T) {
	a, err := New(Options{Address: "directory", BaseDN: "dc=x",
		Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }})
	require.NoError(t, err)
	cannotTell(t, a.Authenticate(t.Context(), alice), "ldap: directory:389: no route")
}

// TestStartTLSRefused takes care that a server without TLS never sees the password.
func TestStartTLSRefused(t *testing.T) {
	d := &directory{answer: accept}
	for _, code := range []int64{ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultProtocolError,
		ldap.LDAPResultUnavailable, 0} {
		d.startTLS = code
		err := d.authenticator(t, Options{Security: StartTLS}).Authenticate(t.Context(), alice)
		cannotTell(t, err, "ldap: directory:389: StartTLS: ")
		require.Less(t, len(err.Error()), 1000)
	}
	err := d.authenticator(t, Options{Security: TLS, TLSConfig: &tls.Config{}}).Authenticate(t.Context(), alice)
	cannotTell(t, err, "ldap: directory:636: ")
	_, binds := d.counts()
	require.Zero(t, binds)
}

func TestNamesStayInTheirPlace(t *testing.T) {
	d := &directory{answer: accept}
	a := d.authenticator(t, Options{})
	for _, name := range []string{"bob,dc=x", "x+cn=y", "#", "a\x00", "*", `\2c`, " alice"} {
		require.ErrorIs(t, a.Authenticate(t.Context(), auth.Login{Username: name, Password: "secret"}), auth.ErrRejected)
	}
	for _, dn := range d.binds {
		parsed, err := ldap.ParseDN(dn)
		require.NoError(t, err)
		require.Len(t, parsed.RDNs, 2)
		require.Len(t, parsed.RDNs[0].Attributes, 1)
	}
}

func TestClose(t *testing.T) {
	d := &directory{answer: accept}
	a := d.authenticator(t, Options{})
	require.NoError(t, a.Authenticate(t.Context(), alice))
	require.NoError(t, a.Close())
	require.NoError(t, a.Authenticate(t.Context(), alice))
	require.NoError(t, a.Close())
	dials, _ := d.counts()
	require.Equal(t, 2, dials)
}
