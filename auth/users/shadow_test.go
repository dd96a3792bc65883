package users_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
	"github.com/sluicemail/sluice/auth/crypt"
	"github.com/sluicemail/sluice/auth/users"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	password = "secret-alice"
	hash     = "$6$rounds=1000$saltsalt$U0NFJHAxSZV6jmg1pmrwaMCmVqeMMTfSow8N5NJeJ/s63bJ1kKK1teT6axBDzIl76Lgk1CrbNQj2XRwGxezmZ."
	bobs     = "secret-bob"
	bobHash  = "$y$j9T$gdThSnUpULgm9vJ4ZrrmU1$hhUgMdo0WnaLX4IsbMoOLuRKZBd7FbPEBMxDBYuBFv7"
)

// today is 20000 days after 1970-01-01.
var today = time.Date(2024, 10, 4, 12, 0, 0, 0, time.UTC)

// system is a pair of files like those of /etc.
type system struct{ passwd, shadow string }

// newSystem has users by their lines of the shadow file.
func newSystem(t *testing.T, lines ...string) *system {
	dir := t.TempDir()
	s := &system{filepath.Join(dir, "passwd"), filepath.Join(dir, "shadow")}
	var passwd strings.Builder
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		fmt.Fprintf(&passwd, "%s:x:1000:1000::/home/%s:/usr/sbin/nologin\n", name, name)
	}
	s.write(t, passwd.String(), lines...)
	return s
}

func (s *system) write(t *testing.T, passwd string, lines ...string) {
	t.Helper()
	require.NoError(t, os.WriteFile(s.passwd, []byte(passwd), 0o600))
	require.NoError(t, os.WriteFile(s.shadow, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

func (s *system) open(t *testing.T, names ...string) *users.Authenticator {
	t.Helper()
	a, err := users.New(users.Options{Names: names, Passwd: s.passwd, Shadow: s.shadow,
		Now: func() time.Time { return today }})
	require.NoError(t, err)
	return a
}

func login(a auth.Authenticator, name, password string) error {
	return a.Authenticate(context.Background(), auth.Login{Username: name, Password: password})
}

func TestFiles(t *testing.T) {
	s := newSystem(t, "root:*:19000:0:99999:7:::", "alice:"+hash+":19000:0:99999:7:::", "bob:"+hash+":19000::::::")
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		return s.open(t, "alice", "b*"), map[string]string{"alice": password, "bob": password}
	})
}

func TestAccounts(t *testing.T) {
	for _, c := range []struct {
		what, line string
		reason     string // "": logs in
	}{
		{"usual", hash + ":19000:0:99999:7:::", ""},
		{"no dates", hash + ":::::::", ""},
		{"-1 for no date", hash + ":19000:-1:-1:-1:-1:-1:", ""},
		{"changed in the future", hash + ":20100:0:30:7:::", ""},
		{"expires tomorrow", hash + ":19000:0:99999:7::20001:", ""},
		{"password's last day", hash + ":19900:0:100:7:::", ""},
		{"expires today", hash + ":19000:0:99999:7::20000:", "the account has expired"},
		{"expired in 1970", hash + ":19000:0:99999:7::0:", "the account has expired"},
		{"password expired", hash + ":19899:0:100:7:::", "the password has expired"},
		{"password expired, within the grace of inactive", hash + ":19899:0:100:7:30::", "the password has expired"},
		{"must be changed", hash + ":0:0:99999:7:::", "the password must be changed"},
		{"locked", "!" + hash + ":19000:0:99999:7:::", "locked"},
		{"locked twice", "!!:19000:0:99999:7:::", "locked"},
		{"locked for ever", "*:19000:0:99999:7:::", "locked"},
		{"no password", ":19000:0:99999:7:::", "the hash is empty"},
		{"plain text", password + ":19000:0:99999:7:::", "plain text"},
		{"DES", "ab1MAnuhVYRqg:19000:0:99999:7:::", "DES"},
		{"a short line", hash, "has 2 fields, expected are 9"},
		{"a long line", hash + "::::::::", "has 10 fields"},
		{"a broken date", hash + ":19000:0:x:7:::", "not a number"},
	} {
		s := newSystem(t, "alice:"+c.line)
		err := login(s.open(t, "alice"), "alice", password)
		if c.reason == "" {
			require.NoError(t, err, c.what)
			require.ErrorIs(t, login(s.open(t, "alice"), "alice", "wrong"), auth.ErrRejected, c.what)
			continue
		}
		require.ErrorIs(t, err, auth.ErrRejected, c.what)
		require.ErrorContains(t, err, c.reason, c.what)
		require.NotContains(t, err.Error(), hash)
	}
}

func TestEmptyPasswordOfAccountWithout(t *testing.T) {
	s := newSystem(t, "alice::19000:0:99999:7:::")
	require.ErrorIs(t, login(s.open(t, "*"), "alice", ""), auth.ErrRejected)
}

func TestList(t *testing.T) {
	line := ":" + hash + ":19000:0:99999:7:::"
	s := newSystem(t, "alice"+line, "client1"+line, "client22"+line, "Client1"+line, "a,b"+line, "x*"+line, "root"+line)
	for raw, want := range map[string]string{
		"":                  "",
		" ":                 "",
		"alice":             "alice",
		"alice, client1":    "alice client1",
		"client*":           "client1 client22",
		"client?":           "client1",
		"[Cc]lient?":        "client1 Client1",
		"[!c]lient1":        "Client1",
		"a%2Cb":             "a,b",
		`x\*`:               "x*",
		"*":                 "alice client1 client22 Client1 a,b x* root",
		"nobody":            "",
		"alice,nobody,x%2A": "alice x*",
	} {
		opened, err := users.Open("users", raw)
		require.NoError(t, err)
		a := s.open(t, split(opened)...)
		var got []string
		for _, name := range []string{"alice", "client1", "client22", "Client1", "a,b", "x*", "root", "clientX", "",
			"alice,client1"} {
			if err := login(a, name, password); err == nil {
				got = append(got, name)
			} else {
				require.ErrorIs(t, err, auth.ErrRejected)
			}
		}
		require.Equal(t, want, strings.Join(got, " "), raw)
	}
}

// split returns the names that an opened list was made of.
func split(a auth.Authenticator) []string {
	list := strings.TrimPrefix(fmt.Sprint(a), "users ")
	switch {
	case list == "":
		return nil
	case list == "a,b":
		return []string{list}
	}
	return strings.Split(list, ",")
}

func TestOpenRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"alice,,bob": "user 2 of 3 is empty",
		",":          "user 1 of 2 is empty",
		"al%ice":     "a % is not followed",
		"a%0Ab":      "no name has a colon, a line break or a NUL",
		"a:b":        "no name has a colon",
		"client[a":   `pattern "client[a"`,
	} {
		a, err := users.Open("users", raw)
		require.ErrorContains(t, err, want)
		require.Nil(t, a)
	}
	_, err := users.Open("user", "")
	require.ErrorContains(t, err, "expected the scheme users")
	_, err = users.New(users.Options{Names: []string{"[a"}})
	require.ErrorContains(t, err, "users: user: pattern")
	a, err := users.New(users.Options{})
	require.NoError(t, err)
	require.ErrorIs(t, login(a, "root", "x"), auth.ErrRejected)
}

func TestUnreadable(t *testing.T) {
	s := newSystem(t, "alice:"+hash+":19000:0:99999:7:::")
	a := s.open(t, "alice")
	require.NoError(t, login(a, "alice", password))
	for _, name := range []string{s.shadow, s.passwd} {
		require.NoError(t, os.Rename(name, name+"-"))
		err := login(a, "alice", password)
		require.ErrorIs(t, err, os.ErrNotExist)
		require.NotErrorIs(t, err, auth.ErrRejected)
		require.NoError(t, os.Rename(name+"-", name))
	}
	require.NoError(t, os.WriteFile(s.shadow, []byte(strings.Repeat("x", 1<<20)), 0o600))
	err := login(a, "alice", password)
	require.ErrorContains(t, err, s.shadow)
	require.NotErrorIs(t, err, auth.ErrRejected)
}

func TestChangesCountAtOnce(t *testing.T) {
	line := "alice:" + hash + ":19000:0:99999:7:::"
	s := newSystem(t, line)
	passwd := "alice:x:1:1::/:/bin/sh\n"
	a := s.open(t, "*")
	for range 3 {
		require.NoError(t, login(a, "alice", password))
		s.write(t, passwd, strings.Replace(line, ":", ":!", 1)) // as usermod -L
		require.ErrorIs(t, login(a, "alice", password), auth.ErrRejected)
		s.write(t, passwd, strings.Replace(line, hash, bobHash, 1))
		require.NoError(t, login(a, "alice", bobs))
		require.ErrorIs(t, login(a, "alice", password), auth.ErrRejected)
		s.write(t, "", line) // the user is gone
		require.ErrorIs(t, login(a, "alice", password), auth.ErrRejected)
		s.write(t, "alice:"+hash+":1:1::/:/bin/sh\n", line) // not shadowed
		require.ErrorIs(t, login(a, "alice", password), auth.ErrRejected)
		s.write(t, passwd, line)
	}
	s.write(t, passwd, line, strings.Replace(line, hash, bobHash, 1))
	require.NoError(t, login(a, "alice", password), "the first line of a user counts")
	require.ErrorIs(t, login(a, "alice", bobs), auth.ErrRejected)
}

// TestStrangersTakeTime has those who cannot log in wait for a hash that takes some 50 ms.
func TestStrangersTakeTime(t *testing.T) {
	slow := strings.Replace(hash, "1000", "50000", 1)
	s := newSystem(t, "alice:"+slow+":19000:0:99999:7:::", "bob:!:19000:0:99999:7:::", "old:"+hash+":19000:0:1:7:::")
	a := s.open(t, "alice", "bob", "old", "nobody")
	for _, name := range []string{"alice", "bob", "old", "nobody", "unlisted"} {
		start := time.Now()
		require.ErrorIs(t, login(a, name, "wrong"), auth.ErrRejected)
		require.Greater(t, time.Since(start), 5*time.Millisecond, name)
	}
}

func TestGone(t *testing.T) {
	a := newSystem(t, "alice:"+hash+":19000:0:99999:7:::").open(t, "alice")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"alice", "nobody"} {
		err := a.Authenticate(gone, auth.Login{Username: name, Password: password})
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, auth.ErrRejected)
	}
}

// TestVerifierIsShared has a login wait for the one place, which others keep taken.
func TestVerifierIsShared(t *testing.T) {
	s := newSystem(t, "alice:"+strings.Replace(hash, "1000", "100000", 1)+":19000:0:99999:7:::")
	v := &crypt.Verifier{Concurrent: 1}
	a, err := users.New(users.Options{Names: []string{"alice"}, Passwd: s.passwd, Shadow: s.shadow, Verifier: v})
	require.NoError(t, err)
	done := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = login(a, "alice", "wrong")
			}
		}
	})
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		err := a.Authenticate(ctx, auth.Login{Username: "alice", Password: "wrong"})
		return errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, auth.ErrRejected)
	}, 10*time.Second, time.Millisecond)
	close(done)
	others.Wait()
}

// FuzzShadow reads broken files.
func FuzzShadow(f *testing.F) {
	f.Add("alice:" + hash + ":19000:0:99999:7:::\n")
	f.Add(":::\nalice\nalice::\n\x00")
	dir := f.TempDir()
	passwd, shadow := filepath.Join(dir, "passwd"), filepath.Join(dir, "shadow")
	require.NoError(f, os.WriteFile(passwd, []byte("alice:x:\n"), 0o600))
	a, err := users.New(users.Options{Names: []string{"*"}, Passwd: passwd, Shadow: shadow})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		require.NoError(t, os.WriteFile(shadow, []byte(text), 0o600))
		require.Error(t, login(a, "alice", "wrong"))
	})
}
