package enqueue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/sluicemail/sluice/queue"
)

// Spool files with a name are called "sluice-*.mail"; the star stands for something random.
const spoolPattern = "sluice-*.mail"

// CleanSpool removes what a crash left of spool files from dir. On file systems that can make files without a name (all
// usual ones of Linux) there is never any. Call it before mail comes in.
func CleanSpool(dir string) error {
	names, err := filepath.Glob(filepath.Join(escapeGlob(dir), spoolPattern))
	if err != nil {
		return fmt.Errorf("clean spool %s: %w", dir, err)
	}
	var errs []error
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("clean spool: %w", err))
		}
	}
	return errors.Join(errs...)
}

func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// A fileBody is a mail in a spool file of its own: a queue.Body with the add-ons File and Close. Whoever reads it last may
// close it; otherwise the file is closed when the body is no longer referred to.
type fileBody struct {
	file    *os.File
	size    int64
	name    string // of a file that has one, until it is removed
	closed  atomic.Bool
	open    *atomic.Int64 // counts the open spool files
	cleanup runtime.Cleanup
}

// ReadAt implements io.ReaderAt.
func (b *fileBody) ReadAt(p []byte, off int64) (int, error) { return b.file.ReadAt(p, off) }

// Size returns the length in bytes.
func (b *fileBody) Size() int64 { return b.size }

// File returns the file, whose whole content is the mail. A queue on the same file system may adopt it with linkat(2) of
// /proc/self/fd/N, whether it has a name or not.
func (b *fileBody) File() *os.File { return b.file }

// Close closes the file. It is for the one that reads the body last.
func (b *fileBody) Close() error {
	if !b.closed.CompareAndSwap(false, true) {
		return nil
	}
	b.cleanup.Stop()
	b.open.Add(-1)
	return b.file.Close()
}

// unname removes the name of a file that has one; what is open, or linked elsewhere, stays readable.
func (b *fileBody) unname() {
	if b.name != "" {
		_ = os.Remove(b.name)
		b.name = ""
	}
}

// spooler makes spool files and counts those that are open.
type spooler struct {
	open atomic.Int64
}

// Spool files are closed by the queue, or else when their bodies are collected as garbage. Bodies are small and their files
// are not, so the collector is helped along when many are open.
const collectEvery = 128

// create returns a new, empty spool file in dir. Errors wrap queue.ErrFull where that is the reason.
func (s *spooler) create(dir string, most int64) (*fileBody, error) {
	if n := s.open.Load(); n >= most || n > 0 && n%collectEvery == 0 {
		runtime.GC()
		if s.open.Load() >= most {
			return nil, fmt.Errorf("%w: %d spool files are open", queue.ErrFull, most)
		}
	}
	file, name, err := createFile(dir)
	if err != nil {
		return nil, spoolError(dir, err)
	}
	s.open.Add(1)
	b := &fileBody{file: file, name: name, open: &s.open}
	b.cleanup = runtime.AddCleanup(b, func(open *atomic.Int64) { open.Add(-1) }, &s.open)
	return b, nil
}

// createNamed makes a spool file where none can be made without a name.
func createNamed(dir string) (*os.File, string, error) {
	f, err := os.CreateTemp(dir, spoolPattern)
	if err != nil {
		return nil, "", err
	}
	return f, f.Name(), nil
}

// spoolError says what went wrong with a spool file, in terms of the queue's errors.
func spoolError(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: spool directory %s: %w", queue.ErrFull, dir, err)
	}
	return fmt.Errorf("%w: spool directory %s: %w", queue.ErrUnavailable, dir, err)
}
