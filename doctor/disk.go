package doctor

import (
	"fmt"
	"time"

	"github.com/sluicemail/sluice/internal/human"
)

// What a queue needs of its disk.
const (
	fullDisk  = 200 << 20
	lowDisk   = 2 << 30
	slowSync  = 50 * time.Millisecond
	fewInodes = 10_000
)

// checkDisk looks at the disk with the queue: every mail that is answered 250 is synced to it.
func checkDisk(r *round) {
	if r.Directory == "" {
		return
	}
	d, err := r.system().Disk(r.Directory)
	switch where := r.Directory; {
	case err != nil:
		r.fail("disk-unusable", where, "the queue's directory cannot be used: "+err.Error(),
			"make it writable for the user of the server")
		return
	case d.Free < fullDisk:
		r.fail("disk-full", where, "only "+human.Size(d.Free)+" are free: mail is soon refused", "make room")
	case d.Free < lowDisk:
		r.warn("disk-low", where, "only "+human.Size(d.Free)+" are free", "make room")
	}
	if d.Inodes > 0 && d.FreeInodes < fewInodes {
		r.warn("inodes-low", r.Directory, fmt.Sprintf("only %d files can be made there", d.FreeInodes), "remove small files")
	}
	if d.Volatile {
		r.fail("disk-volatile", r.Directory, "it is in memory ("+d.Kind+
			"): accepted mail is gone after a restart of the machine",
			"set queue-address to a directory on a disk")
		return
	}
	if d.Sync > slowSync {
		r.warn("fsync-slow", r.Directory, "a sync takes "+d.Sync.Round(time.Millisecond).String()+
			": each mail waits that long for its 250", "use a faster disk; one with a protected cache takes under a millisecond")
	}
}
