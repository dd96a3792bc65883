package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// storeFile is an open file of the store.
type storeFile interface {
	io.ReaderAt
	io.Closer
	// WriteVec writes the pieces one behind the other, the first at off, all of them or an error.
	WriteVec(pieces [][]byte, off int64) error
	// Sync returns when the contents are durable.
	Sync() error
	Size() (int64, error)
	// Forget lets the system drop what it caches of the file.
	Forget()
}

// fileSystem is the directory of the store. Names are relative to it and use slashes. Tests put their own in its place
// to lose power, fill up and fail.
type fileSystem interface {
	Open(name string) (storeFile, error)
	// Create makes a new file and reserves size bytes for it.
	Create(name string, size int64) (storeFile, error)
	// Link gives the file that source has open a second name here.
	Link(source *os.File, name string) error
	Rename(from, to string) error
	Remove(name string) error
	// List returns the names of the files in a directory.
	List(dir string) ([]string, error)
	Mkdir(dir string) error
	// SyncDir returns when the names in a directory are durable.
	SyncDir(dir string) error
	// Free returns how many bytes may still be written.
	Free() (int64, error)
}

// osFS is a directory of the operating system.
type osFS struct{ root string }

func (s osFS) path(name string) string { return filepath.Join(s.root, filepath.FromSlash(name)) }

func (s osFS) Open(name string) (storeFile, error) {
	f, err := os.OpenFile(s.path(name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (s osFS) Create(name string, size int64) (storeFile, error) {
	f, err := os.OpenFile(s.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := reserve(f, size); err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, fmt.Errorf("reserve %d bytes for %s: %w", size, f.Name(), err)
	}
	return osFile{f}, nil
}

// reserve allocates space, by writing zeros where the file system knows no better way.
func reserve(f *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

func (s osFS) Link(source *os.File, name string) error {
	from := fmt.Sprintf("/proc/self/fd/%d", source.Fd())
	err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, s.path(name), unix.AT_SYMLINK_FOLLOW)
	if err == nil {
		return nil
	}
	// Without /proc the name must do, if it still belongs to the same file.
	byName, err2 := os.Stat(source.Name())
	byFD, err3 := source.Stat()
	if err2 != nil || err3 != nil || !os.SameFile(byName, byFD) {
		return err
	}
	return os.Link(source.Name(), s.path(name))
}

func (s osFS) Rename(from, to string) error { return os.Rename(s.path(from), s.path(to)) }
func (s osFS) Remove(name string) error     { return os.Remove(s.path(name)) }
func (s osFS) Mkdir(dir string) error       { return os.MkdirAll(s.path(dir), 0o700) }

func (s osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(s.path(dir))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (s osFS) SyncDir(dir string) error {
	f, err := os.Open(s.path(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (s osFS) Free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.root, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}

type osFile struct{ f *os.File }

func (f osFile) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }
func (f osFile) Close() error                            { return f.f.Close() }

func (f osFile) Size() (int64, error) {
	st, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (f osFile) Forget() { _ = unix.Fadvise(int(f.f.Fd()), 0, 0, unix.FADV_DONTNEED) }

func (f osFile) Sync() error {
	for {
		if err := unix.Fdatasync(int(f.f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

// maxPieces is the most that the kernel takes in one call (IOV_MAX).
const maxPieces = 1024

func (f osFile) WriteVec(pieces [][]byte, off int64) error {
	fd := int(f.f.Fd())
	for len(pieces) > 0 {
		n, err := unix.Pwritev(fd, pieces[:min(len(pieces), maxPieces)], off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		off += int64(n)
		pieces = skipBytes(pieces, n)
	}
	return nil
}

// skipBytes drops the first n bytes of pieces, which it may change.
func skipBytes(pieces [][]byte, n int) [][]byte {
	for len(pieces) > 0 && n >= len(pieces[0]) {
		n -= len(pieces[0])
		pieces = pieces[1:]
	}
	if n > 0 {
		pieces[0] = pieces[0][n:]
	}
	return pieces
}
