//go:build pam

package users_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
	"github.com/sluicemail/sluice/auth/users"
)

// skipWithPAM leaves out tests of files: PAM's rules on the machine are not ours, and a wrong password takes it
// seconds.
func skipWithPAM(t *testing.T) { t.Skip("built with PAM") }

// rules is a service that asks pam_unix, without the delay after a wrong password.
const rules = "auth required pam_unix.so nodelay\naccount required pam_unix.so\n"

func openPAM(t *testing.T, rules string, names ...string) *users.Authenticator {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mail"), []byte(rules), 0o600))
	a, err := users.New(users.Options{Names: names, Service: "mail", ServiceDir: dir})
	require.NoError(t, err)
	return a
}

func TestPAM(t *testing.T) {
	alice, bob := newUser(t, "a", "secret-alice"), newUser(t, "b", "geheim: jörg")
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		return openPAM(t, rules, alice, bob), map[string]string{alice: "secret-alice", bob: "geheim: jörg"}
	})
}

func TestPAMAccount(t *testing.T) {
	name := newUser(t, "", "secret-alice")
	a := openPAM(t, rules, "sluice*")
	require.NoError(t, login(a, name, "secret-alice"))
	for _, c := range [][2][]string{
		{{"usermod", "-L"}, {"usermod", "-U"}},
		{{"chage", "-E", "2001-01-01"}, {"chage", "-E", "-1"}},
		{{"chage", "-d", "0"}, {"chage", "-d", "2020-01-01"}},
		{{"chage", "-M", "10"}, {"chage", "-M", "-1"}},
	} {
		change(t, c[0][0], append(c[0][1:], name)...)
		require.ErrorIs(t, login(a, name, "secret-alice"), auth.ErrRejected, strings.Join(c[0], " "))
		change(t, c[1][0], append(c[1][1:], name)...)
		require.NoError(t, login(a, name, "secret-alice"), strings.Join(c[1], " "))
	}
	require.ErrorIs(t, login(openPAM(t, rules, "root"), name, "secret-alice"), auth.ErrRejected, "not listed")
	change(t, "usermod", "-p", "", name)
	require.ErrorIs(t, login(a, name, ""), auth.ErrRejected)
	require.ErrorIs(t, login(a, name, "x"), auth.ErrRejected)
}

func TestPAMCannotTell(t *testing.T) {
	a := openPAM(t, "auth required pam_no_such_module.so\naccount required pam_permit.so\n", "root")
	err := login(a, "root", "secret")
	require.Error(t, err)
	require.NotErrorIs(t, err, auth.ErrRejected)
	require.NotContains(t, err.Error(), "secret")
}

// TestPAMThatHangs has a module that takes long: who is gone is not waited for.
func TestPAMThatHangs(t *testing.T) {
	a := openPAM(t, "auth required pam_exec.so quiet /bin/sleep 1\naccount required pam_permit.so\n", "root")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := a.Authenticate(ctx, auth.Login{Username: "root", Password: "secret"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, auth.ErrRejected)
	require.Less(t, time.Since(start), 900*time.Millisecond)
	require.NoError(t, login(a, "root", "secret"), "the answer of the program counts when it is waited for")
}
