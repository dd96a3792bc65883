package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
)

// TestDetach has the command end once mail is taken, with what it started going on in a session of its own.
func TestDetach(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, log := filepath.Join(dir, "mtad.pid"), filepath.Join(dir, "mtad.log")
	d := mtatest.Launch(t, mtatest.Kept.With(mtatest.Settings{"daemon": "true", "lock": lock, "application-log": log,
		"smtp-ip": "127.0.0.1", "smtp-port": mtatest.FreePort(t),
		"smtp-range": "127.0.0.0/8", "www-port": "0", "queue-address": "disk://" + filepath.Join(dir, "queue"),
		"database-address": "sqlite://" + filepath.Join(dir, "settings.db")}))
	require.Zero(t, d.Exit(t, mtatest.Patience), d.Log.String())
	text, err := os.ReadFile(lock)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	require.NotEqual(t, d.Cmd.Process.Pid, pid)
	session, err := syscall.Getpgid(pid)
	require.NoError(t, err)
	require.Equal(t, pid, session)
	d.Submit(t, "a@client.test", "b@here.test", mtatest.Letters)
	require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
	mtatest.Eventually(t, "it stops", func() bool {
		logged, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(logged), "msg=stopped")
	})
	require.NoFileExists(t, lock)
}

// TestDetachFails reports how a start in the background failed, and stays in the foreground for systemd.
func TestDetachFails(t *testing.T) {
	t.Parallel()
	l, err := mtatest.ListenTCP("127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	queue := "--queue-address=disk://" + filepath.Join(t.TempDir(), "queue")
	p := mtatest.Run(t, nil, "--daemon", queue, "--www-port=0", "--smtp-ip=127.0.0.1", "--smtp-port="+port)
	require.Equal(t, 1, p.Exit(t, mtatest.Patience))
	require.Contains(t, p.Log.String(), "127.0.0.1:"+port)
	p = mtatest.Run(t, nil, "--daemon", queue, "--www-port=0", "--smtp-ip=127.0.0.1", "--smtp-port="+mtatest.FreePort(t),
		"--storage-address=couchbase://x/y")
	require.Equal(t, 78, p.Exit(t, mtatest.Patience), p.Log.String())

	p = mtatest.Run(t, []string{"NOTIFY_SOCKET=/nowhere/notify"}, "--daemon", queue, "--www-port=0", "--smtp-ip=127.0.0.1",
		"--smtp-port="+mtatest.FreePort(t))
	require.True(t, p.WaitLog("msg=listening"), p.Log.String())
	require.Contains(t, p.Log.String(), "daemon is ignored")
	p.Terminate(t)
}
