package enqueue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// A spoolFile is a mail in a file of its own: a queue.Body with the add-on File.
type spoolFile struct {
	file *os.File
	size int64
	name string // of a file that has one
}

// newSpoolFile makes an empty spool file in dir.
func newSpoolFile(dir string) (*spoolFile, error) {
	file, name, err := createFile(dir)
	if err != nil {
		return nil, spoolError(dir, err)
	}
	return &spoolFile{file: file, name: name}, nil
}

// ReadAt implements io.ReaderAt.
func (b *spoolFile) ReadAt(p []byte, off int64) (int, error) { return b.file.ReadAt(p, off) }

// Size returns the length in bytes.
func (b *spoolFile) Size() int64 { return b.size }

// File returns the file, whose whole content is the mail. A queue on the same file system may adopt it with linkat(2)
// of /proc/self/fd/N, whether it has a name or not.
func (b *spoolFile) File() *os.File { return b.file }

// write appends to the file.
func (b *spoolFile) write(p []byte) error {
	n, err := b.file.Write(p)
	b.size += int64(n)
	return err
}

// remove closes the file and removes its name. A queue that has adopted it has a link of its own.
func (b *spoolFile) remove() {
	if b.name != "" {
		_ = os.Remove(b.name)
	}
	_ = b.file.Close()
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
