package e2e

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
)

// serviceDir is a directory that belongs to a user without rights, who is returned with it.
func serviceDir(t testing.TB) (dir string, uid int) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	u, err := user.Lookup("nobody")
	require.NoError(t, err)
	uid, err = strconv.Atoi(u.Uid)
	require.NoError(t, err)
	dir, err = os.MkdirTemp("", "mtad-service")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, uid, -1))
	return dir, uid
}

func owner(t testing.TB, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// TestServiceUser starts as root and goes on as another user, whose log it is, before and after logrotate.
func TestServiceUser(t *testing.T) {
	t.Parallel()
	dir, uid := serviceDir(t)
	log, lock := filepath.Join(dir, "mtad.log"), filepath.Join(dir, "mtad.pid")
	d := mtatest.Start(t, mtatest.Kept.With(mtatest.Settings{"user": "nobody", "application-log": "stderr," + log,
		"lock":             lock,
		"queue-address":    "disk://" + filepath.Join(dir, "queue"),
		"database-address": "sqlite://" + filepath.Join(dir, "settings.db")}))
	require.Equal(t, uid, owner(t, log))
	require.Zero(t, owner(t, lock), "nobody else says whose process it is")
	require.NotContains(t, d.Log.String(), "cannot open its own log")
	require.NoError(t, os.Rename(log, log+".1"))
	d.Reload(t)
	mtatest.Eventually(t, "the log is made anew", func() bool { _, err := os.Stat(log); return err == nil })
	require.Equal(t, uid, owner(t, log))
	d.Terminate(t)
	require.NoFileExists(t, lock)
}

// TestLinksOfTheServiceUser has that user lay links to a file of root's where root is to write: it does not start, and
// the file stays as it is.
func TestLinksOfTheServiceUser(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"application-log", "lock"} {
		for name, lay := range map[string]func(secret, path string) error{"symbolic": os.Symlink, "hard": os.Link} {
			t.Run(key+" "+name, func(t *testing.T) {
				t.Parallel()
				dir, _ := serviceDir(t)
				secret := writeFile(t, "secret", "root's\n")
				path := filepath.Join(dir, "link")
				require.NoError(t, lay(secret, path))
				d := mtatest.Launch(t, mtatest.Settings{"user": "nobody", key: path, "smtp-ip": "127.0.0.1",
					"smtp-port": mtatest.FreePort(t), "www-port": "0",
					"queue-address":    "disk://" + filepath.Join(dir, "queue"),
					"database-address": "sqlite://" + filepath.Join(dir, "settings.db")})
				require.NotZero(t, d.Exit(t, mtatest.Patience))
				require.Contains(t, d.Log.String(), path)
				require.Contains(t, d.Log.String(), "link")
				text, err := os.ReadFile(secret)
				require.NoError(t, err)
				require.Equal(t, "root's\n", string(text))
				require.Zero(t, owner(t, secret))
			})
		}
	}
}
