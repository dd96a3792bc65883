package auth_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
)

// example writes the first program of a language on the page for those who write programs, and returns it as a back end
// whose file of users has the given text.
func example(t *testing.T, language, users string) *auth.Exec {
	t.Helper()
	page, err := os.ReadFile("../docs/exec-auth.md")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(page), "```"+language+"\n")
	require.True(t, found)
	code, _, found = strings.Cut(code, "```\n")
	require.True(t, found)
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(path, []byte(code), 0o700))
	file := filepath.Join(dir, "users")
	require.NoError(t, os.WriteFile(file, []byte(users), 0o600))
	return &auth.Exec{Path: path, Env: append(os.Environ(), "USERS_FILE="+file), Timeout: time.Minute,
		Logger: slog.New(slog.DiscardHandler)}
}

// output runs a program for the password on its standard input.
func output(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func TestPageExampleInShell(t *testing.T) {
	accounts := map[string]string{"alice": "Öffne dich, Sesam: $(id) *", "b.b%@example.com": "hunter2-hunter2"}
	var users strings.Builder
	users.WriteString("# comment\nalicex:$6$salt$x\n")
	for name, password := range accounts {
		users.WriteString(name + ":" + output(t, password+"\n", "openssl", "passwd", "-6", "-stdin") + "\n")
	}
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		return example(t, "sh", users.String()), accounts
	})
	e := example(t, "sh", "")
	e.Env = append(os.Environ(), "USERS_FILE=/nonexistent")
	requireCannotTell(t, ask(t, e, "alice", "x"))
}

func TestPageExampleInPython(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip(err)
	}
	hash := output(t, "", "python3", "-c",
		`import hashlib; print(hashlib.scrypt("Öffne dich: Sesam".encode(), salt=bytes.fromhex("5a17"), n=16384, r=8, p=1).hex())`)
	users, err := json.Marshal(map[string]map[string]string{"alice": {"salt": "5a17", "hash": hash}})
	require.NoError(t, err)
	e := example(t, "python", string(users))
	require.NoError(t, ask(t, e, "alice", "Öffne dich: Sesam"))
	for name, password := range map[string]string{"alice": "wrong", "bob": "Öffne dich: Sesam", "\xff": "x",
		"{}": "\xff"} {
		require.ErrorIs(t, ask(t, e, name, password), auth.ErrRejected)
	}
	requireCannotTell(t, ask(t, example(t, "python", "no JSON"), "alice", "x"))
}

func requireCannotTell(t *testing.T, err error) {
	t.Helper()
	require.ErrorContains(t, err, "signal: terminated")
	require.NotErrorIs(t, err, auth.ErrRejected)
}
