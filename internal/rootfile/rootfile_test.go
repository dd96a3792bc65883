package rootfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const nobody = 65534

// TestOpen has a user try to make root write elsewhere than he may.
func TestOpen(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be tricked")
	}
	for _, c := range []struct {
		name string
		lay  func(t *testing.T, dir, secret string) (path string)
		want string // in the error; "": it is opened
	}{
		{"nothing there", func(t *testing.T, dir, _ string) string { return filepath.Join(dir, "log") }, ""},
		{"a file of root's", func(t *testing.T, dir, secret string) string { return secret }, ""},
		{"a file of the user's", func(t *testing.T, dir,
			_ string) string {
			return own(t, filepath.Join(dir, "log"), nobody)
		}, ""},
		{"a file of another's", func(t *testing.T, dir, _ string) string { return own(t, filepath.Join(dir, "log"), 12345) },
			"belongs to the user with the number 12345"},
		{"a symbolic link", func(t *testing.T, dir, secret string) string {
			return symlink(t, secret, filepath.Join(dir, "log"), nobody)
		}, "symbolic link"},
		{"a symbolic link to nothing", func(t *testing.T, dir, _ string) string {
			return symlink(t, filepath.Join(t.TempDir(), "made"), filepath.Join(dir, "log"), nobody)
		}, "symbolic link"},
		{"a symbolic link of root's", func(t *testing.T, dir,
			secret string) string {
			return symlink(t, secret, filepath.Join(dir, "log"), 0)
		}, "symbolic link"},
		{"a hard link", func(t *testing.T, dir, secret string) string {
			require.NoError(t, os.Link(secret, filepath.Join(dir, "log")))
			return filepath.Join(dir, "log")
		}, "hard links"},
		{"a pipe", func(t *testing.T, dir, _ string) string {
			require.NoError(t, unix.Mkfifo(filepath.Join(dir, "log"), 0o600))
			return filepath.Join(dir, "log")
		}, ""},
		{"a directory", func(t *testing.T, dir, _ string) string { return dir }, "directory"},
		{"a device", func(*testing.T, string, string) string { return "/dev/null" }, "not a regular file"},
		{"a directory that is a link of the user's", func(t *testing.T, dir, secret string) string {
			return filepath.Join(symlink(t, filepath.Dir(secret), filepath.Join(dir, "sub"), nobody), "secret")
		}, "root did not make"},
		{"a directory that is a link of root's", func(t *testing.T, dir, secret string) string {
			return filepath.Join(symlink(t, filepath.Dir(secret), filepath.Join(dir, "sub"), 0), "secret")
		}, ""},
		{"a relative link of root's", func(t *testing.T, dir, _ string) string {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
			return filepath.Join(symlink(t, "../a/b", filepath.Join(dir, "a", "c"), 0), "log")
		}, ""},
		{"links without an end", func(t *testing.T, dir, _ string) string {
			return filepath.Join(symlink(t, "sub", filepath.Join(dir, "sub"), 0), "log")
		}, "too many levels"},
		{"a directory that is not there", func(t *testing.T, dir, _ string) string { return filepath.Join(dir, "no", "log") },
			"no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.Chown(dir, nobody, nobody))
			secret := filepath.Join(t.TempDir(), "secret")
			require.NoError(t, os.WriteFile(secret, []byte("root's"), 0o600))
			path := c.lay(t, dir, secret)
			if c.name == "a pipe" {
				_, err := Open(path, os.O_RDWR, 0o600, nobody)
				require.ErrorContains(t, err, "not a regular file")
				return
			}
			f, err := Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600, nobody)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.ErrorContains(t, err, path)
				text, err := os.ReadFile(secret)
				require.NoError(t, err)
				require.Equal(t, "root's", string(text))
				return
			}
			require.NoError(t, err)
			_, err = f.WriteString("x")
			require.NoError(t, err)
			require.NoError(t, f.Close())
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "x", string(text))
		})
	}
}

func own(t *testing.T, path string, uid int) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chown(path, uid, uid))
	return path
}

func symlink(t *testing.T, to, path string, uid int) string {
	t.Helper()
	require.NoError(t, os.Symlink(to, path))
	require.NoError(t, os.Lchown(path, uid, uid))
	return path
}
