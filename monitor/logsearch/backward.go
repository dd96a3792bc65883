package logsearch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"time"
)

// chunk is how much is read at a time; maxLine is the longest line that counts.
const (
	chunk   = 256 << 10
	maxLine = 8 << 20
)

// open opens a part for reading backwards from an offset, or from where the time asked for ends.
func open(s *search, p part, from int64) (backward, error) {
	file, err := os.Open(p.path)
	if err != nil {
		return nil, err
	}
	if p.gzip {
		return newCompressed(s, file, from)
	}
	r := &plainFile{file: file, end: p.size}
	if info, err := file.Stat(); err == nil {
		r.end = info.Size() // it has grown since, or was replaced
	}
	switch {
	case from != atEnd:
		r.end = min(r.end, from)
	case !s.q.To.IsZero():
		r.end = r.endOf(s.q.To.Add(slack))
	}
	return r, nil
}

// plainFile reads a file backwards in chunks.
type plainFile struct {
	file *os.File
	end  int64  // what is before this has not been read
	data []byte // read and not handed out yet: begins at end
}

func (r *plainFile) line() (text []byte, at, n int64, ok bool, err error) {
	for {
		body := bytes.TrimSuffix(r.data, []byte("\n"))
		if i := bytes.LastIndexByte(body, '\n'); i >= 0 {
			text, r.data = body[i+1:], r.data[:i+1]
			return text, r.end + int64(i) + 1, n, true, nil
		}
		if r.end == 0 || len(r.data) > maxLine {
			text, r.data = body, nil
			return text, r.end, n, len(body) > 0, nil
		}
		size := min(int64(chunk), r.end)
		data := make([]byte, size, size+int64(len(r.data)))
		if _, err := r.file.ReadAt(data, r.end-size); err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, n, false, err
		}
		r.data, r.end, n = append(data, r.data...), r.end-size, n+size
	}
}

// endOf finds by halving where lines begin that are later than a time.
func (r *plainFile) endOf(t time.Time) int64 {
	low, high := int64(0), r.end
	for high-low > chunk {
		middle := low + (high-low)/2
		at, ok := r.timeAfter(middle)
		if !ok {
			return r.end // no line there that tells a time: read all
		}
		if at.After(t) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// startOf finds by halving a place before which all lines are earlier than a time.
func (r *plainFile) startOf(t time.Time) int64 {
	low, high := int64(0), r.end
	for high-low > chunk {
		middle := low + (high-low)/2
		if at, ok := r.timeAfter(middle); ok && at.Before(t) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// timeAfter returns the time of the first whole line behind an offset.
func (r *plainFile) timeAfter(offset int64) (time.Time, bool) {
	scanner := bufio.NewScanner(io.NewSectionReader(r.file, offset, r.end-offset))
	scanner.Buffer(make([]byte, 0, 64<<10), maxLine)
	scanner.Scan() // the rest of a line
	for scanner.Scan() {
		if t, ok := lineTime(scanner.Bytes()); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

func (r *plainFile) Close() error { return r.file.Close() }

// lineTime returns the time of a record without decoding all of it: that of the last result, or of its receipt.
func lineTime(line []byte) (time.Time, bool) {
	for _, key := range []string{`"time":"`, `"received":"`} {
		if i := bytes.LastIndex(line, []byte(key)); i >= 0 && len(line) >= i+len(key)+len(time.DateTime) {
			if t, err := time.Parse(time.DateTime, string(line[i+len(key):][:len(time.DateTime)])); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// compressed has the last matching lines of a compressed file, which can only be read forwards.
type compressed struct {
	lines []found
	read  int64
}

type found struct {
	text []byte
	at   int64
}

// newCompressed reads a whole file and keeps as many of the last lines that may match as are wanted at most.
func newCompressed(s *search, file *os.File, from int64) (*compressed, error) {
	defer file.Close()
	unpacked, err := gzip.NewReader(bufio.NewReaderSize(file, chunk))
	if err != nil {
		return nil, err
	}
	c := &compressed{}
	scanner := bufio.NewScanner(unpacked)
	scanner.Buffer(make([]byte, 0, 64<<10), maxLine)
	keep, start := s.q.limit()+1, 0
	for scanner.Scan() && s.ctx.Err() == nil {
		line, at := scanner.Bytes(), c.read
		c.read += int64(len(line)) + 1
		if from != atEnd && at >= from {
			break
		}
		if !s.wants(line) {
			continue
		}
		if c.lines = append(c.lines, found{bytes.Clone(line), at}); len(c.lines)-start > keep {
			c.lines[start] = found{}
			if start++; start > keep {
				c.lines, start = append([]found(nil), c.lines[start:]...), 0
			}
		}
	}
	c.lines = c.lines[start:]
	return c, nil // a file that ends in the middle, or is damaged there, has what came before
}

// wants reports whether a line matches.
func (s *search) wants(line []byte) bool {
	var may bool
	if may, s.lower = contains(line, s.needles, s.lower); !may {
		return false
	}
	e, ok := parse(line)
	return ok && s.q.matches(&e)
}

func (c *compressed) line() (text []byte, at, n int64, ok bool, err error) {
	n, c.read = c.read, 0
	if len(c.lines) == 0 {
		return nil, 0, n, false, nil
	}
	last := c.lines[len(c.lines)-1]
	c.lines = c.lines[:len(c.lines)-1]
	return last.text, last.at, n, true, nil
}

func (c *compressed) Close() error { return nil }
