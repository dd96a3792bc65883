package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Logs of a demo that somebody leaves running must not fill the disk.
const (
	largestLog = 64 << 20
	tidyEvery  = 10 * time.Second
)

// tidy rotates logs that have grown large, as logrotate would; mtad opens them anew.
func (d *demo) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, pattern := range []string{"*.log", "*.json"} {
				names, _ := filepath.Glob(filepath.Join(d.dir, pattern))
				for _, name := range names {
					_ = rotate(name, largestLog) // tried again in a while
				}
			}
		}
	}
}

// rotate moves a file that is too large out of the way; the one before it is gone then.
func rotate(name string, most int64) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() <= most {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Rename(name, name+".1")
}
