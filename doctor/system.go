package doctor

import (
	"os"
	"strconv"
	"time"

	"github.com/sluicemail/sluice/internal/memsize"
	"github.com/sluicemail/sluice/internal/printable"
)

// System tells about the machine below. Numbers are zero where they are not known.
type System interface {
	// Disk tells about the disk with a directory, in which it writes a file.
	Disk(directory string) (Disk, error)
	Descriptors() int64 // that a process may have open
	Memory() int64      // bytes that a process may use
	// ClockKept reports whether somebody keeps the clock right, as far as the kernel knows.
	ClockKept() (kept, known bool)
}

// Disk is a file system.
type Disk struct {
	Free               int64 // bytes
	Inodes, FreeInodes int64
	Kind               string        // its name, where it is volatile
	Volatile           bool          // it is in memory
	Sync               time.Duration // that it takes to have a few KiB on the disk, at the median
}

// thisSystem is the machine that the program runs on.
type thisSystem struct{}

// Memory implements System.
func (thisSystem) Memory() int64 { return memsize.Of(os.DirFS("/")) }

// quoted makes a text of others fit to be shown.
func quoted(text string) string { return strconv.Quote(printable.Text(text, 100)) }
