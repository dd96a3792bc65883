// Package wholefile replaces files in one step.
package wholefile

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// unfinished is in the names of files that a process which was killed may have left beside those that it wrote.
const unfinished = ".new-"

// Write puts a file of mode 0600 in the place of the one before: whatever happens, one of both is there. modified is
// its time; zero: now.
func Write(path string, data []byte, modified time.Time) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+unfinished+"*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil && !modified.IsZero() {
		err = os.Chtimes(f.Name(), time.Time{}, modified)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
