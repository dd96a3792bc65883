package doctor

import (
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Disk implements System.
func (thisSystem) Disk(directory string) (Disk, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(directory, &s); err != nil {
		return Disk{}, &os.PathError{Op: "statfs", Path: directory, Err: err}
	}
	d := Disk{Free: int64(s.Bavail) * s.Bsize, Inodes: int64(s.Files), FreeInodes: int64(s.Ffree)}
	switch s.Type {
	case unix.TMPFS_MAGIC:
		d.Volatile, d.Kind = true, "tmpfs"
	case unix.RAMFS_MAGIC:
		d.Volatile, d.Kind = true, "ramfs"
	}
	var err error
	d.Sync, err = syncTime(directory)
	return d, err
}

// syncTime writes and syncs a file a few times.
func syncTime(directory string) (time.Duration, error) {
	f, err := os.CreateTemp(directory, ".doctor-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []time.Duration
	for range 5 {
		begun := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// Descriptors implements System.
func (thisSystem) Descriptors() int64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int64(min(limit.Cur, 1<<40))
}

// ClockKept implements System.
func (thisSystem) ClockKept() (kept, known bool) {
	var t unix.Timex // asks, and changes nothing
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, false
	}
	return t.Status&unix.STA_UNSYNC == 0, true
}
