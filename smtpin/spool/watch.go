package spool

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// event is what the kernel told of.
type event struct {
	name     string
	complete bool // its writer is done with it
	lost     bool // something was not told
}

// What the kernel is to tell of. IN_CREATE is for a file that another name was made for, which nobody closes; it is not
// complete by that.
const watched = unix.IN_CREATE | unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF |
	unix.IN_ONLYDIR

// watch has the kernel tell of files, and returns what ends that. The channel is closed when it ends by itself.
// fsnotify cannot say that a file was closed by its writer, nor tell one that was moved in from one that was begun.
func (r *run) watch(told chan<- []event) (stop func()) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		_, err = unix.InotifyAddWatch(fd, r.Dir, watched)
		if err != nil {
			_ = unix.Close(fd)
		}
	}
	if err != nil {
		if !errors.Is(err, unix.ENOENT) && !r.blind {
			r.log().Warn("the kernel does not tell of files in the spool directory, which is looked at every now and then",
				"directory", r.Dir, "error", err)
		}
		r.seeing, r.blind = false, true
		return func() {}
	}
	r.seeing, r.blind = true, false
	f := os.NewFile(uintptr(fd), "inotify") // which is not blocking, so that Close ends Read
	ended := make(chan struct{})
	closing := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(told)
		room := make([]byte, 64<<10)
		for {
			n, err := f.Read(room)
			if err != nil {
				return
			}
			events, over := parseEvents(room[:n])
			select {
			case told <- events:
			case <-closing:
				return
			}
			if over {
				return
			}
		}
	}()
	return func() {
		close(closing)
		_ = f.Close()
		<-ended
	}
}

// parseEvents reads what the kernel tells; over: it is about another directory by now, or none.
func parseEvents(b []byte) (events []event, over bool) {
	for len(b) >= unix.SizeofInotifyEvent {
		e := *(*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
		name := b[unix.SizeofInotifyEvent : unix.SizeofInotifyEvent+int(e.Len)]
		b = b[unix.SizeofInotifyEvent+int(e.Len):]
		switch {
		case e.Mask&unix.IN_Q_OVERFLOW != 0:
			events = append(events, event{lost: true})
		case e.Mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_IGNORED|unix.IN_UNMOUNT) != 0:
			over = true
		case e.Mask&unix.IN_ISDIR != 0:
		default:
			events = append(events, event{name: unix.ByteSliceToString(name),
				complete: e.Mask&(unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO) != 0})
		}
	}
	return events, over
}

// isWritten reports whether somebody has the file open for writing, as far as we may know: a lease for reading is only
// given when nobody has, to the owner of the file and to root.
func isWritten(f *os.File) bool {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return errors.Is(err, unix.EAGAIN)
}
