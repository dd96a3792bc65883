// Package rootfile opens files for a program that is still root and will become another user: in directories that this
// user may write, what is at a path is his choice, and may be a link to a file of root's.
package rootfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks bounds the symbolic links on the way to a file, as the kernel does.
const maxLinks = 40

// Open is os.OpenFile without what another user could make root do: symbolic links count only where root made them, and
// none in the last place; the file must be a regular one, have no other name, and belong to root or to uid. It is never
// cut (O_TRUNC) before that is known. A file that is made belongs to root.
func Open(path string, flag int, perm os.FileMode, uid int) (*os.File, error) {
	fail := func(err error) (*os.File, error) { return nil, &os.PathError{Op: "open", Path: path, Err: err} }
	absolute, err := filepath.Abs(path)
	if err != nil {
		return fail(err)
	}
	dir, name, err := walk(absolute)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(dir)
	fd, err := unix.Openat(dir, name, flag&^os.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, uint32(perm.Perm()))
	if errors.Is(err, unix.ELOOP) {
		err = errors.New("is a symbolic link, which is not followed as root")
	}
	if err != nil {
		return fail(err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err = check(fd, uid); err == nil && flag&os.O_TRUNC != 0 {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return fail(err)
	}
	return f, nil
}

// check refuses what is no file of root's or of the user's own.
func check(fd, uid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("is not a regular file")
	case st.Nlink != 1:
		return errors.New("has other names (hard links), which may be anything")
	case st.Uid != 0 && int(st.Uid) != uid:
		return fmt.Errorf("belongs to the user with the number %d", st.Uid)
	}
	return nil
}

// walk opens the directory of an absolute path, step by step, and returns it with the last name.
func walk(path string) (dir int, name string, err error) {
	dir, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, "", err
	}
	names := split(path)
	if len(names) == 0 {
		unix.Close(dir)
		return -1, "", unix.EISDIR
	}
	for links := 0; len(names) > 1; {
		next, err := unix.Openat(dir, names[0], unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			unix.Close(dir)
			return -1, "", err
		}
		target, err := link(next)
		if err == nil && target == "" {
			unix.Close(dir)
			dir, names = next, names[1:]
			continue
		}
		unix.Close(next)
		if links++; err == nil && links > maxLinks {
			err = unix.ELOOP
		}
		if err == nil && strings.HasPrefix(target, "/") {
			unix.Close(dir)
			dir, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
		if err != nil {
			unix.Close(dir)
			return -1, "", fmt.Errorf("%s: %w", names[0], err)
		}
		names = append(split(target), names[1:]...)
	}
	return dir, names[0], nil
}

// link returns where a symbolic link leads, "" when it is none.
func link(fd int) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", err
	}
	if st.Uid != 0 {
		return "", errors.New("is a symbolic link that root did not make")
	}
	room := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", room)
	return string(room[:n]), err
}

// split cuts a path into its names; ".." stays one.
func split(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}
