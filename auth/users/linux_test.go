package users_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
	"github.com/sluicemail/sluice/auth/users"
	"github.com/sluicemail/sluice/internal/testserver"
)

// newUser makes a Linux user, and removes it when the test ends.
func newUser(t *testing.T, suffix, password string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: no Linux user can be made")
	}
	testserver.Need(t, "useradd", "usermod", "userdel", "chage", "mkpasswd")
	name := fmt.Sprintf("sluice%d%s", os.Getpid(), suffix)
	change(t, "useradd", "-M", "-N", "-s", "/usr/sbin/nologin", name)
	t.Cleanup(func() { change(t, "userdel", name) })
	setPassword(t, name, password, "-m", "sha-512", "-R", "1000")
	return name
}

func setPassword(t *testing.T, name, password string, method ...string) {
	t.Helper()
	made := testserver.Run(t, "mkpasswd", append(method, password)...)
	change(t, "usermod", "-p", strings.TrimSpace(made), name)
}

// change runs a program that locks /etc/passwd, which others may hold at the moment.
func change(t *testing.T, program string, args ...string) {
	t.Helper()
	var out []byte
	require.Eventually(t, func() bool {
		var err error
		out, err = exec.Command(testserver.Find(program), args...).CombinedOutput()
		return err == nil || !strings.Contains(string(out), "try again later")
	}, 20*time.Second, 50*time.Millisecond, "%s: %s", program, out)
}

func openUsers(t *testing.T, raw string) auth.Authenticator {
	a, err := users.Open("users", raw)
	require.NoError(t, err)
	return a
}

func TestLinuxUsers(t *testing.T) {
	skipWithPAM(t)
	alice, bob := newUser(t, "a", "secret-alice"), newUser(t, "b", "geheim: jörg")
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		return openUsers(t, alice+","+bob[:len(bob)-1]+"[b]"), map[string]string{alice: "secret-alice", bob: "geheim: jörg"}
	})
}

// TestLinuxUser changes a user with the system's own programs.
func TestLinuxUser(t *testing.T) {
	skipWithPAM(t)
	name := newUser(t, "", "secret-alice")
	a := openUsers(t, "sluice*")
	enters := func(what string) { t.Helper(); require.NoError(t, login(a, name, "secret-alice"), what) }
	stays := func(what string) {
		t.Helper()
		require.ErrorIs(t, login(a, name, "secret-alice"), auth.ErrRejected, what)
	}
	enters("as made")
	for _, method := range []string{"yescrypt", "sha-256", "bcrypt", "md5"} {
		setPassword(t, name, "another", "-m", method)
		stays(method)
		setPassword(t, name, "secret-alice", "-m", method)
		enters(method)
	}
	for _, c := range [][2][]string{
		{{"usermod", "-L"}, {"usermod", "-U"}},
		{{"chage", "-E", "0"}, {"chage", "-E", "-1"}},
		{{"chage", "-E", "2001-01-01"}, {"chage", "-E", "2999-01-01"}},
		{{"chage", "-d", "0"}, {"chage", "-d", "2020-01-01"}},
		{{"chage", "-M", "10"}, {"chage", "-M", "-1"}},
	} {
		change(t, c[0][0], append(c[0][1:], name)...)
		stays(strings.Join(c[0], " "))
		change(t, c[1][0], append(c[1][1:], name)...)
		enters(strings.Join(c[1], " "))
	}
	require.ErrorIs(t, login(openUsers(t, ""), name, "secret-alice"), auth.ErrRejected, "users:// alone allows nobody")
	require.ErrorIs(t, login(openUsers(t, "root,www*"), name, "secret-alice"), auth.ErrRejected)
	change(t, "usermod", "-p", "", name)
	require.ErrorIs(t, login(a, name, ""), auth.ErrRejected, "an empty hash")
	stays("an empty hash")
}
