package enqueue_test

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// linkFile gives an open file a name, as a queue does that adopts it.
func linkFile(f *os.File, name string) error {
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
}
