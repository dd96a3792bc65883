package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	defaultBuffer = 16 << 20
	gatherTime    = 100 * time.Millisecond // lines wait for others to be written with
	gatherSize    = 256 << 10              // unless there is so much
	checkTime     = time.Second            // between looks at an idle file, and tries of one that fails
	writeTime     = time.Second            // for a pipe to take a piece
	closeTime     = 5 * time.Second
	keepSpare     = 1 << 20 // the larger one of two buffers is let go
)

// file is a log file with its buffer and the goroutine that writes it.
type file struct {
	path   string
	half   int // limit of the buffer; as much again may be on its way to the disk
	logger *slog.Logger

	mu     sync.Mutex // held for no more than a copy
	buffer []byte
	lines  int64
	closed bool
	taken  int64 // lines ever put into the buffer

	wake    chan struct{} // one token: something is to be done
	urgent  chan struct{} // one token: at once
	end     chan struct{} // closed by finish
	ended   chan struct{} // closed by the goroutine
	reopen  atomic.Bool
	dropped atomic.Int64
	written atomic.Int64 // lines
	settled atomic.Int64 // of taken: written or given up
	failure atomic.Pointer[error]
	last    atomic.Pointer[time.Time] // when to stop writing, once closed

	// The goroutine's own.
	f          *os.File
	piece      []byte // what is being written
	done       int    // bytes of it that are
	pieceLines int64
}

func openFile(path string, buffer int, logger *slog.Logger) (*file, error) {
	if buffer <= 0 {
		buffer = defaultBuffer
	}
	if logger == nil {
		logger = slog.Default()
	}
	f := &file{
		path: path, half: max(buffer/2, 1), logger: logger,
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		end: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := f.open(); err != nil {
		if mistaken(err) {
			return nil, err
		}
		f.fail(err)
	}
	go f.run()
	return f, nil
}

// mistaken reports whether an error when opening means that the path was a mistake.
func mistaken(err error) bool {
	for _, known := range []error{fs.ErrNotExist, fs.ErrPermission, syscall.EISDIR, syscall.ENOTDIR, syscall.EROFS,
		syscall.ENAMETOOLONG, syscall.ELOOP} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// open opens the file. Without blocking, so that a pipe that nobody reads is an error and not a wait.
func (f *file) open() error {
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return err
	}
	f.shut()
	f.f = opened
	return nil
}

func (f *file) shut() {
	if f.f != nil {
		_ = f.f.Close()
		f.f = nil
	}
}

// put takes a line into the buffer, or drops it.
func (f *file) put(line []byte) {
	f.mu.Lock()
	if f.closed || len(f.buffer)+len(line) > f.half {
		f.mu.Unlock()
		f.dropped.Add(1)
		return
	}
	before := len(f.buffer)
	f.buffer = append(f.buffer, line...)
	f.lines++
	f.taken++
	f.mu.Unlock()
	if before == 0 {
		f.wakeUp()
	}
	if before < gatherSize && before+len(line) >= gatherSize {
		f.hurry()
	}
}

func (f *file) wakeUp() { signal(f.wake) }
func (f *file) hurry()  { signal(f.urgent) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (f *file) stats() FileStats {
	s := FileStats{Path: f.path, Lines: f.written.Load(), Dropped: f.dropped.Load()}
	if err := f.failure.Load(); err != nil {
		s.Err = *err
	}
	return s
}

// flush waits until what was put so far is settled.
func (f *file) flush(d time.Duration) error {
	f.mu.Lock()
	goal := f.taken
	f.mu.Unlock()
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for f.settled.Load() < goal {
		f.hurry()
		select {
		case <-ticker.C:
		case <-f.ended:
			return nil
		case <-timeout.C:
			return fmt.Errorf("%s: %d lines are not yet written", f.path, goal-f.settled.Load())
		}
	}
	return nil
}

// finish takes no more lines.
func (f *file) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		last := time.Now().Add(2 * writeTime)
		f.last.Store(&last)
		close(f.end)
	}
}

func (f *file) wait(d time.Duration) error {
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	select {
	case <-f.ended:
		return nil
	case <-timeout.C:
		return fmt.Errorf("%s: the disk does not answer; lines may be lost", f.path)
	}
}

// run is the goroutine that writes.
func (f *file) run() {
	defer close(f.ended)
	for f.gather() {
		f.swap()
		f.attend()
	}
	for range 2 { // for what could not be written before, and for what came since
		f.swap()
		f.attend()
		f.giveUp()
	}
	f.shut()
}

// gather waits until it is time to write, or to look at the file. It reports false when the log is closed.
func (f *file) gather() bool {
	timer := time.NewTimer(checkTime)
	defer timer.Stop()
	wake := f.wake
	if len(f.piece) > 0 {
		wake = nil // it could not be written a moment ago
	}
	for {
		select {
		case <-f.end:
			return false
		default:
		}
		select {
		case <-wake:
			wake = nil
			timer.Reset(gatherTime)
		case <-f.urgent:
			return true
		case <-timer.C:
			return true
		case <-f.end:
			return false
		}
	}
}

// swap takes the buffer to be written, unless the last piece still is.
func (f *file) swap() {
	if len(f.piece) > 0 {
		return
	}
	spare := f.piece[:0]
	if cap(spare) > keepSpare {
		spare = nil
	}
	f.mu.Lock()
	f.piece, f.buffer = f.buffer, spare
	f.pieceLines, f.lines = f.lines, 0
	f.mu.Unlock()
	f.done = 0
}

// attend opens the file anew if need be, and writes the piece.
func (f *file) attend() {
	if err := f.current(); err != nil {
		f.fail(err)
		return
	}
	for len(f.piece) > 0 {
		if err := f.write(); err != nil {
			f.fail(err)
			return
		}
	}
	f.recovered()
}

// current makes sure that f.f is the file at the path.
func (f *file) current() error {
	if f.f != nil && !f.reopen.Swap(false) {
		now, err := os.Stat(f.path)
		if err == nil {
			opened, err := f.f.Stat()
			if err == nil && os.SameFile(now, opened) {
				return nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil // a file that cannot be looked at is not known to be another
		}
	}
	if err := f.open(); err != nil {
		f.shut()
		return err
	}
	// A line that was written in part is written again, whole.
	f.done = bytes.LastIndexByte(f.piece[:f.done], '\n') + 1
	return nil
}

// write writes what is left of the piece.
func (f *file) write() error {
	limit := time.Now().Add(writeTime)
	if last := f.last.Load(); last != nil && last.Before(limit) {
		limit = *last
	}
	_ = f.f.SetWriteDeadline(limit) // of use for pipes only
	n, err := f.f.Write(f.piece[f.done:])
	f.done += n
	if err != nil {
		return err
	}
	if f.removed() {
		// It was removed between the look and the write: what went there is gone.
		f.done = 0
		return f.open()
	}
	f.written.Add(f.pieceLines)
	f.settle()
	return nil
}

func (f *file) removed() bool {
	info, err := f.f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}

// settle ends the piece.
func (f *file) settle() {
	f.settled.Add(f.pieceLines)
	f.piece, f.done, f.pieceLines = f.piece[:0], 0, 0
}

// giveUp drops the piece.
func (f *file) giveUp() {
	whole := int64(bytes.Count(f.piece[:f.done], []byte{'\n'}))
	f.written.Add(whole)
	f.dropped.Add(f.pieceLines - whole)
	f.settle()
}

// fail notes that the file cannot be written, and says so once.
func (f *file) fail(err error) {
	if f.failure.Swap(&err) == nil {
		f.logger.Warn("a log file cannot be written; trying again", "file", f.path, "error", err)
	}
}

func (f *file) recovered() {
	if f.failure.Swap(nil) != nil {
		f.logger.Info("a log file can be written again", "file", f.path, "dropped", f.dropped.Load())
	}
}
