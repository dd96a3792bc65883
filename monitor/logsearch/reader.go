package logsearch

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Entries go from a reader in batches: of so many, or of so many bytes of records; so many batches may wait.
const (
	batchEntries = 64
	batchBytes   = 256 << 10
	batches      = 4
)

// reader reads one file forwards, in a goroutine of its own.
type reader struct {
	part
	s     *scan
	file  *os.File
	live  bool      // it is being written
	begin time.Time // of its first record; zero: there is none
	next  time.Time // likewise of the file behind it
	from  int64     // where it is read from

	once  sync.Once
	out   chan []Entry // closed when it has been read
	batch []Entry
	bytes int // of batch

	lower []byte
	read  int64 // bytes of text
	whole int64 // bytes of whole lines
	skip  bool  // what comes is the rest of a line
	over  bool  // what comes is later than what is asked for

	// Until out is closed these are the goroutine's own.
	broken   int   // lines that are no records
	brokenAt int64 // where the first of them begins
	err      error
}

func openReader(s *scan, p part) (*reader, error) {
	file, err := os.Open(p.path)
	if err != nil {
		return nil, err
	}
	r := &reader{part: p, s: s, file: file, out: make(chan []Entry, batches)}
	if info, err := file.Stat(); err == nil {
		r.size, r.modified, r.inode = info.Size(), info.ModTime(), inode(info)
	}
	first := bufio.NewScanner(io.NewSectionReader(file, 0, r.size))
	if p.gzip {
		unpacked, err := gzip.NewReader(io.NewSectionReader(file, 0, r.size))
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("expected a gzip file: %w", err)
		}
		first = bufio.NewScanner(unpacked)
	}
	first.Buffer(nil, maxLine)
	for r.begin.IsZero() && first.Scan() {
		r.begin, _ = lineTime(first.Bytes())
	}
	return r, nil
}

// byTime compares files by their first records; those of the same second by when they were written last.
func byTime(a, b *reader) int {
	first := func(r *reader) time.Time {
		if r.begin.IsZero() {
			return r.modified
		}
		return r.begin
	}
	return cmp.Or(first(a).Compare(first(b)), a.modified.Compare(b.modified))
}

// start has the file read, unless it is; done is called when that has ended, or at once.
func (r *reader) start(done func()) {
	started := false
	r.once.Do(func() {
		started = true
		r.s.running.Go(func() {
			defer done()
			defer close(r.out)
			defer r.file.Close()
			r.run()
		})
	})
	if !started {
		done()
	}
}

func (r *reader) run() {
	q := r.s.q
	if !q.To.IsZero() && r.begin.After(q.To.Add(slack)) ||
		!q.From.IsZero() && !r.live && r.endsBefore(q.From.Add(-slack)) {
		return
	}
	if r.gzip {
		unpacked, err := gzip.NewReader(bufio.NewReaderSize(r.file, chunk))
		if err == nil {
			err = r.lines(unpacked)
		}
		r.err = err
		return
	}
	if !q.From.IsZero() {
		r.from = (&plainFile{file: r.file, end: r.size}).startOf(q.From.Add(-slack))
		r.skip = r.from > 0
	}
	if r.err = r.lines(io.NewSectionReader(r.file, r.from, r.size-r.from)); r.err == nil && !r.over &&
		r.read < r.size-r.from {
		r.err = fmt.Errorf("it was cut short while it was read: at %d bytes, expected %d", r.from+r.read, r.size)
	}
}

// endsBefore reports whether all records are earlier than a time.
func (r *reader) endsBefore(t time.Time) bool {
	return r.modified.Before(t) || !r.next.IsZero() && r.next.Before(t)
}

// lines reads text to its end.
func (r *reader) lines(in io.Reader) error {
	buffer, filled := make([]byte, chunk), 0
	for !r.over && r.s.ctx.Err() == nil {
		n, err := in.Read(buffer[filled:])
		r.read += int64(n)
		filled += n
		whole := bytes.LastIndexByte(buffer[:filled], '\n') + 1
		if whole > 0 && (filled == len(buffer) || err != nil) {
			r.region(buffer[:whole])
			filled = copy(buffer, buffer[whole:filled])
		}
		switch {
		case err == io.EOF:
			return r.rest(buffer[:filled])
		case err != nil:
			return fmt.Errorf("it is broken after %d bytes of text: %w", r.read, err)
		case filled == len(buffer) && filled < maxLine:
			buffer = append(buffer, make([]byte, filled)...)
		case filled == len(buffer):
			r.bad(r.whole)
			r.whole, filled, r.skip = r.whole+int64(filled), 0, true
		}
	}
	r.flush()
	return nil
}

// rest is what follows the last line end: of a file that is being written, a line that is not yet whole.
func (r *reader) rest(text []byte) error {
	defer r.flush()
	if len(text) == 0 || r.skip {
		return nil
	}
	if _, ok := parse(text); ok {
		r.region(text)
	} else if !r.live {
		return errors.New("it ends in the middle of a line")
	}
	return nil
}

// region looks at whole lines: at those that contain what is looked for.
func (r *reader) region(text []byte) {
	base := r.whole
	r.whole += int64(len(text))
	pos := 0
	if r.skip {
		r.skip = false
		pos = bytes.IndexByte(text, '\n') + 1
	}
	lower := text
	if len(r.s.needles) > 0 {
		r.lower = appendLower(r.lower[:0], text)
		lower = r.lower
	}
	for pos < len(text) && !r.over {
		hit := 0
		if len(r.s.needles) > 0 {
			if hit = bytes.Index(lower[pos:], r.s.needles[0]); hit < 0 {
				break
			}
		}
		hit += pos
		begin, end := pos+bytes.LastIndexByte(text[pos:hit], '\n')+1, len(text)
		if i := bytes.IndexByte(text[hit:], '\n'); i >= 0 {
			end = hit + i
		}
		pos = end + 1
		if containsAll(lower[begin:end], r.s.needles) {
			r.consider(text[begin:end], base+int64(begin))
		}
	}
	if to := r.s.q.To; !to.IsZero() {
		last := bytes.TrimSuffix(text, []byte("\n"))
		t, ok := lineTime(last[bytes.LastIndexByte(last, '\n')+1:])
		r.over = ok && t.After(to.Add(slack))
	}
}

// consider takes a line into the batch if it matches.
func (r *reader) consider(line []byte, at int64) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	q := r.s.q
	if from := q.From; !from.IsZero() {
		if t, ok := lineTime(line); ok && t.Before(from.Add(-slack)) {
			return
		}
	}
	e, ok := parse(line)
	if !ok {
		r.bad(at)
		return
	}
	if !q.matches(&e) {
		return
	}
	if q.Bare {
		e.Line = nil
	} else {
		e.Line = bytes.Clone(e.Line)
	}
	r.batch = append(r.batch, e)
	if r.bytes += len(e.Line); len(r.batch) >= batchEntries || r.bytes >= batchBytes {
		r.flush()
	}
}

func (r *reader) bad(at int64) {
	if r.broken == 0 {
		r.brokenAt = r.from + at
	}
	r.broken++
}

// flush hands the batch on, and waits while others wait to be taken.
func (r *reader) flush() {
	if len(r.batch) == 0 {
		return
	}
	select {
	case r.out <- r.batch:
	case <-r.s.ctx.Done():
	}
	r.batch, r.bytes = nil, 0
}

// report tells what was wrong, once the file has been read.
func (r *reader) report() {
	switch {
	case r.broken == 1:
		r.s.complain(&Problem{r.path, fmt.Errorf("the line at byte %d is no record: left out", r.brokenAt)})
	case r.broken > 1:
		r.s.complain(&Problem{r.path, fmt.Errorf("%d lines are no records, the first at byte %d: left out", r.broken,
			r.brokenAt)})
	}
	if r.err != nil {
		r.s.trouble(&Problem{r.path, fmt.Errorf("%w: what comes before was read", r.err)})
	}
}
