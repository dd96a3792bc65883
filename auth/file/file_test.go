package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
	"github.com/sluicemail/sluice/auth/crypt"
	"github.com/sluicemail/sluice/auth/file"
)

const password = "open sesame"

// hashed makes a hash with the programs that the documentation names.
func hashed(t *testing.T, password string, args ...string) string {
	t.Helper()
	if len(args) == 0 {
		args = []string{"mkpasswd", "-m", "sha-512", "-R", "1000", "-s"}
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		if os.Getenv("SLUICE_REQUIRE_SERVERS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(password + "\n")
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// write puts a file in place that was last changed some time ago, so that nobody waits for it to come to rest.
func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	long := time.Now().Add(-time.Minute)
	require.NoError(t, os.Chtimes(path+".new", long, long))
	require.NoError(t, os.Rename(path+".new", path))
}

func open(t *testing.T, text string) (*file.File, string, *logbook) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.txt")
	write(t, path, text)
	logged := new(logbook)
	f, err := file.New(path, &file.Options{Logger: slog.New(slog.NewTextHandler(logged, nil))})
	require.NoError(t, err)
	return f, path, logged
}

// logbook collects what is logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func ask(t *testing.T, f auth.Authenticator, name, password string) error {
	t.Helper()
	return f.Authenticate(t.Context(), auth.Login{Username: name, Password: password})
}

func TestExam(t *testing.T) {
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		accounts := map[string]string{"alice": "Öffne dich, Sesam: *", "bob@example.com": "hunter2-hunter2",
			"carol": "with:colons:in it"}
		var text strings.Builder
		for name, password := range accounts {
			fmt.Fprintf(&text, "%s:%s\n", name, hashed(t, password))
		}
		f, _, _ := open(t, text.String())
		return f, accounts
	})
}

// TestEveryKind is a file with every kind of hash, as the usual programs make them.
func TestEveryKind(t *testing.T) {
	var text strings.Builder
	commands := []string{
		"mkpasswd -m sha-512 -s", "mkpasswd -m sha-256 -s", "mkpasswd -m yescrypt -s", "mkpasswd -m bcrypt -s",
		"mkpasswd -m bcrypt-a -s", "mkpasswd -m md5 -s", "openssl passwd -6 -stdin", "openssl passwd -5 -stdin",
		"openssl passwd -1 -stdin",
	}
	for i, command := range commands {
		fmt.Fprintf(&text, "user%d:%s\n", i, hashed(t, password, strings.Fields(command)...))
	}
	text.WriteString("argon:$argon2id$v=19$m=4096,t=3,p=1$c29tZS1zYWx0LTEy$" + "\n")
	f, _, _ := open(t, text.String())
	for i, command := range commands {
		name := fmt.Sprint("user", i)
		require.NoError(t, ask(t, f, name, password), command)
		require.ErrorIs(t, ask(t, f, name, password+" "), auth.ErrRejected, command)
	}
	require.ErrorIs(t, ask(t, f, "argon", password), auth.ErrRejected)
}

// TestLines is about what a line may look like, and that a broken one harms nobody else.
func TestLines(t *testing.T) {
	hash := hashed(t, password)
	text := "\ufeff# users\n\n   \n" +
		"plain:" + hash + "\n" + // line 4
		"\t spaced:" + hash + " \r\n" +
		"passwd:" + hash + ":1000:1000:Name:/home/passwd:/bin/sh\n" +
		"shadow:" + hash + ":19000:0:99999:7:::\n" +
		"locked:!" + hash + "\n" +
		"starred:*\n" +
		"nocolon\n" + // line 10
		":" + hash + "\n" +
		"empty:\n" +
		"text:" + password + "\n" + // line 13
		"des:u/4QMF6RpsOso\n" +
		"cut:" + hash[:40] + "\n" +
		"plain:" + hashed(t, "another") + "\n" + // line 16
		"long:" + strings.Repeat("x", 5000) + "\n" +
		"last:" + hash
	f, _, logged := open(t, text)
	for _, name := range []string{"plain", "spaced", "passwd", "shadow", "last"} {
		require.NoError(t, ask(t, f, name, password), name)
	}
	for _, name := range []string{"locked", "starred", "nocolon", "empty", "text", "des", "cut", "long", "nobody",
		"# users", " spaced"} {
		require.ErrorIs(t, ask(t, f, name, password), auth.ErrRejected, name)
	}
	require.ErrorIs(t, ask(t, f, "plain", "another"), auth.ErrRejected)
	for _, line := range []int{10, 11, 12, 13, 14, 15, 16, 17} {
		require.Contains(t, logged.String(), fmt.Sprintf("line=%d ", line))
	}
	require.Equal(t, 8, strings.Count(logged.String(), "\n"), logged.String())
	require.Contains(t, logged.String(), "line 4 already")
	require.NotContains(t, logged.String(), password)
	require.NotContains(t, logged.String(), hash[20:35])
}

func TestManyBrokenLinesDoNotFloodTheLog(t *testing.T) {
	_, _, logged := open(t, strings.Repeat("nonsense\n", 10_000))
	require.Equal(t, 51, strings.Count(logged.String(), "\n"))
	require.Contains(t, logged.String(), "lines=9950")
}

func TestChangesCountAtTheNextLogin(t *testing.T) {
	one, two := hashed(t, password), hashed(t, "another")
	f, path, logged := open(t, "alice:"+one+"\n")
	require.NoError(t, ask(t, f, "alice", password))

	write(t, path, "alice:"+two+"\nbob:"+one+"\nbroken\n")
	require.ErrorIs(t, ask(t, f, "alice", password), auth.ErrRejected)
	require.NoError(t, ask(t, f, "alice", "another"))
	require.NoError(t, ask(t, f, "bob", password))
	require.Equal(t, 1, strings.Count(logged.String(), "line=3"),
		"a broken line is logged once for each version of the file")

	write(t, path, "")
	require.ErrorIs(t, ask(t, f, "alice", "another"), auth.ErrRejected)
}

// TestWrittenInPlace changes the file as an editor or a shell does, and logs in at once.
func TestWrittenInPlace(t *testing.T) {
	hash := hashed(t, password)
	f, path, _ := open(t, "alice:"+hash+"\n")
	require.NoError(t, os.WriteFile(path, []byte("alice:"+hash+"\nbob:"+hash+"\n"), 0o600))
	require.NoError(t, ask(t, f, "bob", password))
}

// TestHalfWritten empties the file and fills it line by line while logins come: none may be told that the password is
// wrong. On a machine so busy that the writer itself pauses for longer than files are left to rest, it tries again.
func TestHalfWritten(t *testing.T) {
	hash := hashed(t, password)
	text := strings.Repeat("# filler\n", 20) + "alice:" + hash + "\n"
	f, path, _ := open(t, text)
	for range 10 {
		var wrong atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for ctx.Err() == nil {
					err := f.Authenticate(t.Context(), auth.Login{Username: "alice", Password: password})
					if errors.Is(err, auth.ErrRejected) {
						wrong.Add(1)
					}
				}
			})
		}
		pause := writeSlowly(t, path, text)
		require.NoError(t, ask(t, f, "alice", password))
		cancel()
		group.Wait()
		if pause < 100*time.Millisecond {
			require.Zero(t, wrong.Load())
			return
		}
	}
	t.Skip("the machine is too busy to write a file without pauses")
}

// writeSlowly writes a file line by line and returns the longest time between two lines.
func writeSlowly(t *testing.T, path, text string) (pause time.Duration) {
	t.Helper()
	last := time.Now()
	w, err := os.Create(path)
	require.NoError(t, err)
	for line := range strings.Lines(text) {
		time.Sleep(5 * time.Millisecond) // this is how slow the one who writes is
		_, err := w.WriteString(line)
		require.NoError(t, err)
		pause, last = max(pause, time.Since(last)), time.Now()
	}
	require.NoError(t, w.Close())
	return pause
}

// TestEmptiedFirst is a shell that runs a slow program and has emptied the file before.
func TestEmptiedFirst(t *testing.T) {
	hash := hashed(t, password)
	f, path, _ := open(t, "alice:"+hash+"\n")
	shell := exec.CommandContext(t.Context(), "sh", "-c", `{ echo started >&2; sleep 0.6; echo "$LINE"; } >"$FILE"`)
	shell.Env = append(os.Environ(), "LINE=alice:"+hash, "FILE="+path)
	started, err := shell.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, shell.Start())
	_, err = started.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, ask(t, f, "alice", password))
	require.NoError(t, shell.Wait())
}

func TestMissing(t *testing.T) {
	f, path, _ := open(t, "alice:"+hashed(t, password)+"\n")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))

	gone, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = f.Authenticate(gone, auth.Login{Username: "alice", Password: password})
	require.ErrorIs(t, err, context.DeadlineExceeded)

	err = ask(t, f, "alice", password)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotErrorIs(t, err, auth.ErrRejected)

	write(t, path, string(text))
	require.NoError(t, ask(t, f, "alice", password))
}

// TestClockOfAnotherMachine reads a file whose times lie in the future, as on a network file system.
func TestClockOfAnotherMachine(t *testing.T) {
	hash := hashed(t, password)
	f, path, _ := open(t, "")
	require.NoError(t, os.WriteFile(path, []byte("alice:"+hash+"\n"), 0o600))
	future := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(path, future, future))
	require.NoError(t, ask(t, f, "alice", password))
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := file.New(filepath.Join(dir, "missing"), nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = file.New(dir, nil)
	require.ErrorContains(t, err, "not a file")
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err = file.New(pipe, nil)
	require.ErrorContains(t, err, "not a file")
}

func TestOpener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "us%ers #1.txt")
	write(t, path, "alice:"+hashed(t, password)+"\n")
	var mux auth.Mux
	mux.Handle("file", file.Opener(nil))
	f, err := mux.Open("file://" + path)
	require.NoError(t, err)
	require.NoError(t, ask(t, f, "alice", password))
	f, err = mux.Open("file://" + strings.ReplaceAll(path, " ", "%20"))
	require.NoError(t, err)
	require.NoError(t, ask(t, f, "alice", password))

	for url, says := range map[string]string{
		"file://users.txt":            "absolute",
		"file://":                     "absolute",
		"file://" + path + "?a=b":     `"a"`,
		"file://" + path + ".missing": "no such file",
	} {
		_, err := mux.Open(url)
		require.ErrorContains(t, err, says, url)
	}
}

func TestManyLoginsAtOnce(t *testing.T) {
	hash := hashed(t, password)
	path := filepath.Join(t.TempDir(), "users.txt")
	write(t, path, "alice:"+hash+"\n")
	f, err := file.New(path, &file.Options{Verifier: &crypt.Verifier{Concurrent: 2}})
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 200 {
		group.Go(func() {
			if err := f.Authenticate(t.Context(), auth.Login{Username: "alice", Password: password}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}
