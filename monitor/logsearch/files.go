package logsearch

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Files are the logs of a program; both may be the same file. "" means that there is none.
type Files struct {
	Send, Received string // machine-readable: send-bin-log-file, received-bin-log-file
}

// ErrNoLogs is returned by Search when no file is known.
var ErrNoLogs = errors.New("there are no machine-readable logs: set send-bin-log-file and received-bin-log-file")

// clean writes the names as those of parts are.
func (f Files) clean() Files {
	if f.Send != "" {
		f.Send = filepath.Clean(f.Send)
	}
	if f.Received != "" {
		f.Received = filepath.Clean(f.Received)
	}
	return f
}

// part is one file of a log: the one being written, or one that was moved away.
type part struct {
	path     string
	inode    uint64
	size     int64
	modified time.Time
	gzip     bool
}

// parts returns the files that a search reads, the newest first.
func (f Files) parts(kind Kind) ([]part, error) {
	var names []string
	if f.Send != "" && kind != Received {
		names = append(names, f.Send)
	}
	if f.Received != "" && kind != Attempt && !slices.Contains(names, f.Received) {
		names = append(names, f.Received)
	}
	if len(names) == 0 {
		return nil, ErrNoLogs
	}
	var all []part
	for _, name := range names {
		found, err := partsOf(name)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b part) int {
		return cmp.Or(b.modified.Compare(a.modified), strings.Compare(a.path, b.path))
	})
	return all, nil
}

// partsOf finds a log and what was moved away beside it.
func partsOf(name string) ([]part, error) {
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("looking for logs: %w", err)
	}
	base := filepath.Base(name)
	there := map[string]bool{}
	for _, entry := range entries {
		there[entry.Name()] = true
	}
	var all []part
	for _, entry := range entries {
		rest, ours := strings.CutPrefix(entry.Name(), base)
		if !ours || !rotated(rest) || there[strings.TrimSuffix(entry.Name(), ".gz")] && strings.HasSuffix(rest, ".gz") {
			continue // the last: it is being compressed, and whole under its old name
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for logs: %w", err)
		}
		all = append(all, part{filepath.Join(filepath.Dir(name), entry.Name()), inode(info), info.Size(), info.ModTime(),
			strings.HasSuffix(rest, ".gz")})
	}
	return all, nil
}

// rotated reports whether the rest of a name is what logrotate appends: ".3", "-20260131", with ".gz" behind it; or
// nothing.
func rotated(rest string) bool {
	rest = strings.TrimSuffix(rest, ".gz")
	if rest == "" {
		return true
	}
	if rest[0] != '.' && rest[0] != '-' || len(rest) == 1 {
		return false
	}
	return !strings.ContainsFunc(rest[1:], func(c rune) bool { return (c < '0' || c > '9') && c != '-' })
}

// packed are the endings of what logrotate can be told to compress with, and is not read here.
var packed = []string{".xz", ".bz2", ".zst", ".lz4", ".Z"}

// unread lists the parts of logs that are not read.
func (f Files) unread() (all []*Problem) {
	for _, name := range []string{f.Send, f.Received} {
		entries, err := os.ReadDir(filepath.Dir(name))
		if name == "" || err != nil {
			continue // or partsOf has told of it
		}
		for _, entry := range entries {
			rest, ours := strings.CutPrefix(entry.Name(), filepath.Base(name))
			ending := filepath.Ext(rest)
			if ours && slices.Contains(packed, ending) && rotated(strings.TrimSuffix(rest, ending)) {
				all = append(all, &Problem{filepath.Join(filepath.Dir(name), entry.Name()),
					fmt.Errorf("it is packed as %s: expected plain text or .gz", ending)})
			}
		}
	}
	return all
}
