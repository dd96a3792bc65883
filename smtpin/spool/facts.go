package spool

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// facts tell a file from another, and from what it was before.
type facts struct {
	mode  uint32
	inode uint64
	links uint64
	owner uint32
	size  int64
	// times of the last write and of the last change of anything, its name included
	written, renamed unix.Timespec
}

// factsOf looks at a name, and not where it links to.
func factsOf(path string) (facts, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return facts{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return factsFrom(&st), nil
}

func factsOfOpen(f *os.File) (facts, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return facts{}, &fs.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return factsFrom(&st), nil
}

func factsFrom(st *unix.Stat_t) facts {
	return facts{mode: uint32(st.Mode), inode: st.Ino, links: uint64(st.Nlink), owner: st.Uid, size: st.Size,
		written: st.Mtim, renamed: st.Ctim}
}

func (i facts) regular() bool      { return i.mode&unix.S_IFMT == unix.S_IFREG }
func (i facts) dir() bool          { return i.mode&unix.S_IFMT == unix.S_IFDIR }
func (i facts) changed() time.Time { return time.Unix(i.renamed.Unix()) }

// kind names what is no file.
func (i facts) kind() string {
	switch i.mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a fifo"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}

// keyOf returns what the book knows a file by. What is kept may get other rights and is still the same; of what is
// removed nothing may pass for it that comes later.
func (s *Spool) keyOf(name string, i facts) string {
	change := i.renamed
	if s.Keep {
		change = unix.Timespec{}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d %d %v %v", s.Dir, name, i.inode, i.size, i.written, change))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
