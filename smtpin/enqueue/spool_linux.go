package enqueue

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// createFile makes a spool file without a name where the file system can (O_TMPFILE), so that a crash leaves nothing
// behind.
func createFile(dir string) (f *os.File, name string, err error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), dir), "", nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
		return createNamed(dir)
	}
	return nil, "", err
}
