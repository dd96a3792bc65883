// Package dir keeps mails in a directory, one file each. Where a file lies follows from a hash of its key, so that no
// key, whatever it contains, leads out of the directory, and no directory becomes large: with a depth of 4, each of
// 65,536 × 65,536 directories has a handful of files.
//
// A mail is written to a temporary file beside its place, synced, and renamed; then the directory is synced. Its time
// of modification is when it expires: that survives a copy of the directory with its times, and needs no second file.
//
// A directory named store-of-mails, made along with the store, tells it from the place where it is not mounted: there
// every mail would seem to be lost. A store that is asked for a mail it does not have, and does not find that
// directory, says that it cannot be used.
package dir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicemail/sluice/queue/bodystore"
)

// Store is a directory with mails. It may be shared by several programs, also over a network file system that knows
// rename and fsync.
type Store struct {
	path  string
	depth int
}

// MaxDepth is the largest depth.
const MaxDepth = 8

// Open uses a directory, which is made when it is not there. depth is how many directories lie above each file; zero
// means 4.
func Open(path string, depth int) (*Store, error) {
	if depth == 0 {
		depth = 4
	}
	if depth < 0 || depth > MaxDepth {
		return nil, fmt.Errorf("depth %d: expected 1 to %d", depth, MaxDepth)
	}
	if err := os.MkdirAll(filepath.Join(path, mark), 0o700); err != nil {
		return nil, err
	}
	return &Store{path, depth}, nil
}

// mark is a directory that every store has.
const mark = "store-of-mails"

// Close implements bodystore.Driver.
func (s *Store) Close() error { return nil }

// place returns where a mail lies.
func (s *Store) place(key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	parts := []string{s.path}
	for i := range s.depth {
		parts = append(parts, name[2*i:2*i+2])
	}
	return filepath.Join(append(parts, name)...)
}

// Put implements bodystore.Driver.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64, expires time.Time) error {
	place := s.place(key)
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		return err
	}
	if info, err := os.Stat(place); err == nil && info.ModTime().After(expires) {
		expires = info.ModTime()
	}
	file, err := os.CreateTemp(filepath.Dir(place), temporary)
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // unless it was renamed
	err = fill(ctx, file, r, size)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", file.Name(), err)
	}
	if err := os.Chtimes(file.Name(), time.Time{}, expires); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), place); err != nil {
		return err
	}
	return s.syncAbove(place)
}

// temporary begins the names of files that are being written.
const temporary = "new-"

// fill writes and syncs a file.
func fill(ctx context.Context, file *os.File, r io.Reader, size int64) error {
	n, err := io.Copy(file, readerOf(ctx, r))
	switch {
	case err != nil:
		return err
	case n != size:
		return fmt.Errorf("%d bytes came instead of %d: %w", n, size, io.ErrUnexpectedEOF)
	}
	return file.Sync()
}

// readerOf ends with its context.
func readerOf(ctx context.Context, r io.Reader) io.Reader {
	return reader(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

// syncAbove makes a new name durable, and those of the directories above it, which may be new as well.
func (s *Store) syncAbove(place string) error {
	for dir := filepath.Dir(place); strings.HasPrefix(dir, s.path); dir = filepath.Dir(dir) {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return fmt.Errorf("syncing %s: %w", dir, err)
		}
		if dir == s.path {
			break
		}
	}
	return nil
}

// Get implements bodystore.Driver.
func (s *Store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := os.Open(s.place(key))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(s.path, mark)); err != nil {
			return nil, fmt.Errorf("%s is not the directory that was opened, or not mounted: %w", s.path, err)
		}
		return nil, bodystore.ErrNotFound
	}
	return file, err
}

// abandoned is how old a file is that a crash left half written.
const abandoned = 24 * time.Hour

// Sweep implements bodystore.Driver. Directories stay.
func (s *Store) Sweep(ctx context.Context, now time.Time) (n int, err error) {
	err = filepath.WalkDir(s.path, func(path string, entry fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil || entry.IsDir() {
			return ignoreMissing(err)
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreMissing(err)
		}
		until := info.ModTime()
		if strings.HasPrefix(entry.Name(), temporary) {
			until = until.Add(abandoned)
		}
		if until.After(now) {
			return nil
		}
		n++
		return ignoreMissing(os.Remove(path))
	})
	return n, err
}

// ignoreMissing takes it for granted that others remove files, too.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
