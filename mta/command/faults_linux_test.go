package command

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestSpoolThatIsFull has a caller try again later, and leaves nothing behind that would be picked up.
func TestSpoolThatIsFull(t *testing.T) {
	full := t.TempDir()
	if err := syscall.Mount("tmpfs", full, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a small file system, which takes root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(full, syscall.MNT_DETACH)) })
	mail := "From: f@a.test\n\n" + strings.Repeat("text\n", 18000)
	code, _, _, _, said := mailed(t, "sendmail", strings.NewReader(mail), "--spool-directory", full, "a@b.test")
	require.Equal(t, exitTempFail, code, said)
	require.Contains(t, said, "no space left")
	left, err := os.ReadDir(full)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestSpoolThatIsClosed tells a caller who may not write to the directory what to change.
func TestSpoolThatIsClosed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("being somebody else takes root")
	}
	closed := t.TempDir()
	require.NoError(t, os.Chmod(closed, 0o755))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	code, _, _, _, said := mailed(t, "sendmail", asNobody{strings.NewReader("From: f@a.test\n\nx\n")}, "--spool-directory",
		closed, "a@b.test")
	require.NoError(t, unix.Setfsuid(0))
	require.Equal(t, exitNoPerm, code, said)
	require.Contains(t, said, "spool-directory must be one that every sender may write to")
}

// asNobody is a mail; who reads it has no rights to files from then on, in the thread that reads.
type asNobody struct{ *strings.Reader }

func (a asNobody) Read(p []byte) (int, error) {
	if err := unix.Setfsuid(65534); err != nil {
		return 0, err
	}
	return a.Reader.Read(p)
}
