package maildir_test

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sluicemail/sluice/queue"
)

// mount mounts a small file system in memory until the test ends.
func mount(t *testing.T, dir, size string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("cannot mount a small file system, which takes root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "1m")
	conn := open(t, dir, "/{user}")
	body := queue.Bytes(strings.Repeat("x", 300<<10))
	tx, n := accepted(t, conn, "jo@x.test", body), 1
	for ; n < 10; n++ {
		if tx = send(t, conn, "jo@x.test", body); !tx.Delivered {
			break
		}
	}
	require.Contains(t, tx.Text, "452 4.3.1 no space left on the disk of the mailbox")
	require.Len(t, mails(t, dir+"/jo"), n, "what was accepted is there, and nothing of what was not")
	require.NoError(t, os.RemoveAll(dir+"/jo/new"))
	require.NoError(t, os.Mkdir(dir+"/jo/new", 0o700))
	accepted(t, conn, "jo@x.test", body)
}

func TestTwoFileSystems(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(dir+"/jo/new", 0o700))
	mount(t, dir+"/jo/new", "1m")
	refused(t, open(t, dir, "/{user}"), "jo@x.test",
		"451 4.3.5 tmp and new of the mailbox are on different file systems")
	require.Empty(t, mails(t, dir+"/jo"))
}

func TestReadOnlyDisk(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "1m")
	conn := open(t, dir, "/{user}")
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	refused(t, conn, "jo@x.test", "451 4.3.5 the disk of the mailbox cannot be written to")
	refused(t, conn, "ann@x.test", "451 4.3.5 the disk of the mailbox cannot be written to")
}

func TestNoPermission(t *testing.T) {
	dir := t.TempDir()
	conn := open(t, dir, "/{user}")
	accepted(t, conn, "jo@x.test", queue.Bytes(text))
	require.NoError(t, os.Chmod(dir+"/jo", 0o755))
	require.NoError(t, os.Chmod(dir, 0o755))
	if os.Getuid() == 0 { // for whom no directory is closed: be nobody, in this thread
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		require.NoError(t, unix.Setfsuid(65534))
		defer func() { require.NoError(t, unix.Setfsuid(0)) }()
	} else {
		require.NoError(t, os.Chmod(dir+"/jo/tmp", 0o500))
		require.NoError(t, os.Chmod(dir, 0o500))
		defer os.Chmod(dir, 0o700)
	}
	refused(t, conn, "jo@x.test", "451 4.3.5 no permission to write to the mailbox")
	refused(t, conn, "ann@x.test", "451 4.3.5 no permission to write to the mailbox")
}
