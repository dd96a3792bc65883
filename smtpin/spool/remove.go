package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// leaving begins the names of files that are being removed; the inode follows.
const leaving = ".mtad-gone-"

// remove removes a file that was queued, and not another one that has its name by now.
func (s *Spool) remove(path string, is facts) error {
	aside := filepath.Join(s.Dir, leaving+strconv.FormatUint(is.inode, 10))
	if err := os.Rename(path, aside); errors.Is(err, fs.ErrNotExist) {
		return nil // somebody removed it
	} else if err != nil {
		return err
	}
	return s.leave(aside, is.inode, filepath.Base(path))
}

// leave removes a file that was put aside if it is the one of its inode, else gives it a name again.
func (s *Spool) leave(aside string, inode uint64, name string) error {
	is, err := factsOf(aside)
	if err != nil {
		return err
	}
	if is.inode == inode {
		return os.Remove(aside)
	}
	for n := 0; ; n++ {
		to := filepath.Join(s.Dir, name)
		if n > 0 {
			to = filepath.Join(s.Dir, numbered(name, n))
		}
		if err := renameFree(aside, to); !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// restore deals with what an earlier run had put aside.
func (s *Spool) restore() error {
	asides, err := filepath.Glob(filepath.Join(escaped(s.Dir), leaving+"*"))
	if err != nil {
		return err
	}
	for _, aside := range asides {
		inode, err := strconv.ParseUint(strings.TrimPrefix(filepath.Base(aside), leaving), 10, 64)
		if err != nil {
			continue
		}
		if err := s.leave(aside, inode, "restored"); err != nil {
			return err
		}
	}
	return nil
}

func escaped(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// longestName is how long names of files can be.
const longestName = 255

// numbered makes another name of one that is taken.
func numbered(name string, n int) string {
	end := "." + strconv.Itoa(n)
	return name[:min(len(name), longestName-len(end))] + end
}

// reasonSuffix ends the name of the file that says why another one cannot be used.
const reasonSuffix = ".reason"

// fail moves a file to the fail directory and writes down why, and reports whether it is gone.
func (r *run) fail(f *file) bool {
	log := r.log().With("directory", r.Dir, "file", f.name, "reason", f.out.err.Error())
	if is, err := factsOf(filepath.Join(r.Dir, f.name)); err == nil {
		f.is = is
	}
	if r.FailDir == "" {
		log.Warn("a file in the spool directory cannot be used; it stays where it is")
		return false
	}
	to, err := r.moveToFailed(f)
	if err != nil {
		log.Error("a file in the spool directory cannot be used, and not be moved away", "error", err)
		return errors.Is(err, fs.ErrNotExist)
	}
	log.Warn("a file in the spool directory cannot be used, and was moved away", "to", to)
	return true
}

// moveToFailed writes the reason and moves the file, under a name that is free.
func (r *run) moveToFailed(f *file) (to string, err error) {
	from := filepath.Join(r.Dir, f.name)
	name := f.name[:min(len(f.name), longestName-len(reasonSuffix)-4)]
	for n := 0; n < 10_000; n++ {
		free := name
		if n > 0 {
			free = numbered(name, n)
		}
		to = filepath.Join(r.FailDir, free)
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		if err := writeReason(to+reasonSuffix, from, f.out.err); errors.Is(err, fs.ErrExist) {
			continue
		} else if err != nil {
			return to, err
		}
		if err := move(from, to); errors.Is(err, fs.ErrExist) {
			_ = os.Remove(to + reasonSuffix)
			continue
		} else if err != nil {
			_ = os.Remove(to + reasonSuffix)
			return to, err
		}
		return to, nil
	}
	return "", fmt.Errorf("there are too many files %s in %s", quote(name), r.FailDir)
}

func writeReason(path, from string, reason error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "This file cannot be sent: %v.\nIt was %q until %s.\n", reason, from,
		time.Now().UTC().Format(time.RFC3339))
	return errors.Join(err, f.Close())
}

// move moves a file under a name that must be free, also to another file system if it is a file that can be read.
func move(from, to string) error {
	err := renameFree(from, to)
	if errors.Is(err, unix.EXDEV) {
		return moveAcross(from, to)
	}
	return err
}

// renameFree renames a file to a name that must be free.
func renameFree(from, to string) error {
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
}

func moveAcross(from, to string) error {
	fd, err := unix.Open(from, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: from, Err: err}
	}
	in := os.NewFile(uintptr(fd), from)
	defer in.Close()
	if is, err := factsOfOpen(in); err != nil || !is.regular() {
		return errors.Join(fmt.Errorf("only a file can be moved to another file system"), err)
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	err = errors.Join(err, out.Sync(), out.Close())
	if err == nil {
		err = os.Remove(from)
	}
	if err != nil {
		_ = os.Remove(to)
	}
	return err
}
