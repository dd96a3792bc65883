package webhook

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// journal is a list of lines on disk, numbered from 1 on, in segments: files that are named by the number of their
// first line. The oldest segments go when there are too many bytes. Whoever reads it says how far it needs it no more
// (done); that number is kept in a file beside them. All methods may be called at once by many.
type journal struct {
	dir   string
	limit int64 // bytes

	mu       sync.Mutex
	segments []segment // oldest first, at least one; the last one grows
	bytes    int64     // of all of them
	next     uint64    // number of the next line
	file     *os.File  // the last segment
	mark     *os.File  // has done
	done     uint64    // number of the first line that is still needed
	lost     uint64    // lines that went although they were needed, since it was opened
}

type segment struct {
	first uint64 // number of its first line
	size  int64  // of its lines
}

// place is where a line begins.
type place struct {
	number  uint64
	segment uint64 // the first number of its segment
	offset  int64
}

const (
	segmentSuffix  = ".lines"
	largestSegment = 16 << 20
	leastSegment   = 64 << 10
)

// segmentSize is the size at which a segment is full. There are so many that it takes little from the limit to drop
// one.
func (j *journal) segmentSize() int64 { return min(max(j.limit/16, leastSegment), largestSegment) }

// openJournal opens the journal in a directory, which it makes if needed. A line that was not written to its end is cut
// off.
func openJournal(dir string, limit int64) (_ *journal, err error) {
	j := &journal{dir: dir, limit: limit, next: 1}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if j.mark, err = os.OpenFile(filepath.Join(dir, "done"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(j.mark.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("%s is used by another process: %w", dir, err)
	}
	text, err := io.ReadAll(io.LimitReader(j.mark, 64))
	if err != nil {
		return nil, err
	}
	j.done, _ = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64) // at worst everything is sent again
	if err := j.list(); err != nil {
		return nil, err
	}
	if err := j.openLast(); err != nil {
		return nil, err
	}
	j.done = min(max(j.done, j.segments[0].first), j.next)
	return j, nil
}

// list finds the segments.
func (j *journal) list() error {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		first, err := strconv.ParseUint(name, 10, 64)
		if !ok || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		j.segments = append(j.segments, segment{first, info.Size()})
		j.bytes += info.Size()
	}
	slices.SortFunc(j.segments, func(a, b segment) int { return cmp.Compare(a.first, b.first) })
	if len(j.segments) == 0 {
		j.segments = []segment{{first: max(j.done, 1)}}
	}
	return nil
}

// openLast opens the last segment, counts its lines, and cuts off what is not one.
func (j *journal) openLast() error {
	s := j.last()
	var err error
	if j.file, err = os.OpenFile(j.path(s.first), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	data, err := io.ReadAll(j.file)
	if err != nil {
		return err
	}
	j.next = s.first
	whole := 0
	for {
		n := bytes.IndexByte(data[whole:], '\n')
		if line := data[whole : whole+max(n, 0)]; n < 0 || !bytes.HasPrefix(line, []byte{'{'}) ||
			!bytes.HasSuffix(line, []byte{'}'}) {
			break
		}
		whole += n + 1
		j.next++
	}
	j.bytes -= s.size - int64(whole)
	s.size = int64(whole)
	return j.file.Truncate(s.size)
}

func (j *journal) last() *segment { return &j.segments[len(j.segments)-1] }

func (j *journal) path(first uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// append writes lines, each with its end, and returns when they are durable. It reports how many older ones went that
// were still needed. After an error none of the lines is there.
func (j *journal) append(lines []byte, count int) (lost uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := j.last(); s.size > 0 && s.size+int64(len(lines)) > j.segmentSize() {
		if err := j.roll(); err != nil {
			return 0, err
		}
	}
	s := j.last()
	for {
		if err = j.write(lines, s.size); err == nil {
			break
		}
		if !errors.Is(err, syscall.ENOSPC) || len(j.segments) == 1 || j.segments[1].first > j.done || !j.drop() {
			return 0, err
		}
	}
	s.size += int64(len(lines))
	j.bytes += int64(len(lines))
	j.next += uint64(count)
	return j.trim(), nil
}

// write writes lines behind the ones that are there. Of what was written before an error nothing counts: the next write
// begins at the same place. j.mu is held.
func (j *journal) write(lines []byte, at int64) error {
	_, err := j.file.WriteAt(lines, at)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		_ = j.file.Truncate(at)
	}
	return err
}

// roll begins a segment. j.mu is held.
func (j *journal) roll() error {
	f, err := os.OpenFile(j.path(j.next), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_ = syncDir(j.dir)
	j.file.Close()
	j.file = f
	j.segments = append(j.segments, segment{first: j.next})
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// trim removes the oldest segments beyond the limit, and counts the lines in them that were needed. j.mu is held.
func (j *journal) trim() (lost uint64) {
	for j.bytes > j.limit && len(j.segments) > 1 {
		gone := j.segments[0]
		if !j.drop() {
			break // the next append tries again
		}
		if end := j.segments[0].first; j.done < end {
			lost += end - max(j.done, gone.first)
			j.setDone(end)
		}
	}
	j.lost += lost
	return lost
}

// drop removes the oldest segment. j.mu is held.
func (j *journal) drop() bool {
	gone := j.segments[0]
	if err := os.Remove(j.path(gone.first)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	j.segments = j.segments[1:]
	j.bytes -= gone.size
	return true
}

// finish notes that lines before a number are not needed any more. It may go back as well, to have them read again.
func (j *journal) finish(number uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.setDone(min(max(number, j.segments[0].first), j.next))
}

// setDone is not synced: what it says too little is sent once more. j.mu is held.
func (j *journal) setDone(number uint64) {
	j.done = number
	_, _ = j.mark.WriteAt(fmt.Appendf(nil, "%020d\n", number), 0)
}

// extent is what a journal holds.
type extent struct {
	first, done, next uint64 // numbers: of the oldest line, of the first that is needed, of the next one written
	bytes             int64
	lost              uint64
}

// roomForOne is read at least: most lines are shorter.
const roomForOne = 4 << 10

// estimate returns how many bytes so many lines take, more or less, and at most so many.
func (x extent) estimate(lines, most int) int {
	average := x.bytes / int64(max(x.next-x.first, 1))
	return int(min(int64(most), roomForOne+int64(lines)*average))
}

func (j *journal) extent() extent {
	j.mu.Lock()
	defer j.mu.Unlock()
	return extent{j.segments[0].first, j.done, j.next, j.bytes, j.lost}
}

// find returns the place of a line that is there, or of the next one that will be written.
func (j *journal) find(number uint64) (place, error) {
	j.mu.Lock()
	segments := slices.Clone(j.segments)
	j.mu.Unlock()
	i := len(segments) - 1
	for i > 0 && segments[i].first > number {
		i--
	}
	at := place{number: segments[i].first, segment: segments[i].first}
	room := make([]byte, min(segments[i].size, readAtOnce))
	for at.number < number {
		lines, next, err := j.read(at, int(number-at.number), room)
		if err != nil || len(lines) == 0 {
			return at, err
		}
		at = next
	}
	return at, nil
}

const readAtOnce = 1 << 20

// read returns up to count lines from a place on, with their ends, and where the next one begins. They are in room,
// unless one is larger. Where lines are missing it goes on behind them. It returns nothing at the end.
func (j *journal) read(at place, count int, room []byte) (lines []byte, next place, err error) {
	s, ok := j.segmentAt(&at)
	if !ok {
		return nil, at, nil
	}
	f, err := os.Open(j.path(s.first))
	if errors.Is(err, fs.ErrNotExist) { // it went just now, or somebody removed it
		return j.behind(s, count, room)
	}
	if err != nil {
		return nil, at, err
	}
	defer f.Close()
	for data := room[:min(s.size-at.offset, int64(len(room)))]; ; {
		n, err := f.ReadAt(data, at.offset)
		if err != nil && err != io.EOF {
			return nil, at, err
		}
		whole, found := cutLines(data[:n], count)
		if found > 0 {
			at.number += uint64(found)
			at.offset += int64(whole)
			return data[:whole], at, nil
		}
		if int64(len(data)) == s.size-at.offset || n < len(data) { // the file was cut off
			return j.behind(s, count, room)
		}
		data = make([]byte, min(s.size-at.offset, max(2*int64(len(data)), leastSegment)))
	}
}

// behind reads from the segment on that follows s; nothing when there is none.
func (j *journal) behind(s segment, count int, room []byte) ([]byte, place, error) {
	j.mu.Lock()
	i := slices.IndexFunc(j.segments, func(other segment) bool { return other.first > s.first })
	at := place{number: j.next, segment: s.first, offset: s.size}
	if i >= 0 {
		at = place{number: j.segments[i].first, segment: j.segments[i].first}
	}
	j.mu.Unlock()
	if i < 0 {
		return nil, at, nil
	}
	return j.read(at, count, room)
}

// segmentAt returns the segment of a place, which it moves to the next segment at the end of one, and to the oldest
// when its own is gone; false at the end of all.
func (j *journal) segmentAt(at *place) (segment, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		if s.first < at.segment {
			continue
		}
		if s.first > at.segment {
			*at = place{number: s.first, segment: s.first}
		}
		if at.offset < s.size {
			return s, true
		}
	}
	at.number = j.next
	return segment{}, false
}

// cutLines returns how many bytes the first count lines take, and how many lines there are.
func cutLines(data []byte, count int) (size, found int) {
	for found < count {
		n := bytes.IndexByte(data[size:], '\n')
		if n < 0 {
			break
		}
		size += n + 1
		found++
	}
	return size, found
}

func (j *journal) close() error {
	var errs []error
	for _, f := range []*os.File{j.file, j.mark} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
