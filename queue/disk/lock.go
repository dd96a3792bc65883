package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sluicemail/sluice/queue"
)

// lockName is the file that the process which has the store open keeps locked. It holds the id of that process.
const lockName = "lock"

// lockDir locks the store against other processes, and against a second Open in this one. before says that a process
// had it open earlier.
func lockDir(dir string) (f *os.File, before bool, err error) {
	f, err = os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("lock queue in %s: %w", dir, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w: %s is in use by %s", queue.ErrLocked, dir, lockHolder(f))
	} else if err == nil {
		st, failed := f.Stat()
		before = failed == nil && st.Size() > 0
		err = writeHolder(f)
	}
	if err != nil {
		f.Close()
		return nil, false, err
	}
	return f, before, nil
}

func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil && !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	return nil
}

func lockHolder(f *os.File) string {
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	pid := strings.TrimSpace(string(buf[:n]))
	if _, err := strconv.Atoi(pid); err != nil {
		return "another process"
	}
	return "process " + pid
}
