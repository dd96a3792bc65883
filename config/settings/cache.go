package settings

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// cacheMagic is the first line of a cache; the number changes with its form. Behind it are Rows as gob and the SHA-256
// of both.
const cacheMagic = "sluice settings 1\n"

// ErrCache is wrapped by errors about a cache that was cut, damaged, or is none.
var ErrCache = errors.New("not a usable settings cache")

// SaveCache keeps rows in a file of mode 0600, for a start while the database is down. A crash leaves the old file or
// the new one. The directory has to exist.
func SaveCache(path string, rows *Rows) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+unfinished+"*")
	if err != nil {
		return fmt.Errorf("settings cache: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("settings cache: %w", err)
		}
	}()
	if err = writeCache(f, rows); err != nil {
		return err
	}
	if err = errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// CleanCaches removes what processes that were killed while they saved left of caches in a directory, whatever database
// these are of. Nobody must be saving there.
func CleanCaches(dir string) error {
	left, err := filepath.Glob(filepath.Join(globbed(dir), "*.cache"+unfinished+"*"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// unfinished is what the name of a cache ends in, before random characters, until it is complete.
const unfinished = ".new-"

// globbed is a path in which nothing is a wildcard.
func globbed(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// RemoveCache removes what SaveCache wrote, so that nothing stands in for the database any more. There need not be
// anything.
func RemoveCache(path string) error {
	err := os.Remove(path)
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("settings cache: %w", err)
	}
	return nil
}

func writeCache(f io.Writer, rows *Rows) error {
	sum := sha256.New()
	buffered := bufio.NewWriterSize(f, 1<<16)
	w := io.MultiWriter(buffered, sum)
	if _, err := io.WriteString(w, cacheMagic); err != nil {
		return err
	}
	if err := gob.NewEncoder(w).Encode(rows); err != nil {
		return err
	}
	if _, err := buffered.Write(sum.Sum(nil)); err != nil {
		return err
	}
	return buffered.Flush()
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// LoadCache reads what SaveCache wrote. Its error wraps [os.ErrNotExist] or [ErrCache] where that is the cause.
func LoadCache(path string) (*Rows, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("settings cache: %w", err)
	}
	defer f.Close()
	rows, err := readCache(f)
	if err != nil {
		return nil, fmt.Errorf("settings cache %s: %w", path, err)
	}
	return rows, nil
}

// readCache decodes nothing before the checksum of the whole is known to be right.
func readCache(f *os.File) (*Rows, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", ErrCache)
	}
	length := info.Size() - sha256.Size
	if length < int64(len(cacheMagic)) {
		return nil, fmt.Errorf("%w: too short", ErrCache)
	}
	magic := make([]byte, len(cacheMagic))
	if _, err := f.ReadAt(magic, 0); err != nil {
		return nil, err
	}
	if string(magic) != cacheMagic {
		return nil, fmt.Errorf("%w: unknown form", ErrCache)
	}
	sum, want := sha256.New(), make([]byte, sha256.Size)
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, length)); err != nil {
		return nil, err
	}
	if _, err := f.ReadAt(want, length); err != nil {
		return nil, err
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrCache)
	}
	rows := &Rows{}
	body := io.NewSectionReader(f, int64(len(cacheMagic)), length-int64(len(cacheMagic)))
	if err := gob.NewDecoder(bufio.NewReaderSize(body, 1<<16)).Decode(rows); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCache, err)
	}
	return rows, nil
}
