package disk

import (
	"cmp"
	"fmt"
)

// window reads a file through a buffer.
type window struct {
	f    storeFile
	size int64
	step int64 // how much is read at a time at least; 0: windowSize
	buf  []byte
	off  int64 // of buf
	err  error
}

const windowSize = 1 << 20

// at returns n bytes at off, valid until the next call; nil beyond the end or when they cannot be read.
func (w *window) at(off int64, n int64) []byte {
	if off < 0 || n < 0 || off+n > w.size {
		return nil
	}
	if off < w.off || off+n > w.off+int64(len(w.buf)) {
		want := min(max(n, cmp.Or(w.step, windowSize)), w.size-off)
		if int64(cap(w.buf)) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.off = w.buf[:want], off
		if got, err := w.f.ReadAt(w.buf, off); int64(got) < n {
			w.buf, w.err = w.buf[:0], fmt.Errorf("read at %d: %w", off, err)
			return nil
		} else if int64(got) < want {
			w.buf = w.buf[:got]
		}
	}
	return w.buf[off-w.off : off-w.off+n]
}

// visitor learns what a scan finds, in the order of the log. payload is valid during the call; ok says that it matches
// its checksum.
type visitor interface {
	record(s *segment, h header, payload []byte, ok bool)
	gap(s *segment, from, to int64)
}

// scanner walks the records of segments. It never goes back to an earlier batch: what was written before the space was
// written again is not found.
type scanner struct {
	win  window
	seen uint64 // the latest batch
}

// scan visits the records of s and returns where they end: not before least, of which it is known, and just there when
// that is exact; otherwise behind the last record, however far away that is.
func (c *scanner) scan(s *segment, least int64, exact bool, v visitor) (int64, error) {
	c.win = window{f: s.file, size: s.size, buf: c.win.buf[:0]}
	limit := s.size
	least = min(least, limit)
	if exact {
		limit = least
	}
	pos := int64(segmentPage)
	for pos < limit {
		h, ok := c.header(s, pos, limit)
		if !ok {
			next := c.resync(s, pos+recordAlign, limit)
			if next < 0 {
				break
			}
			v.gap(s, pos, next)
			pos = next
			continue
		}
		c.seen = h.batch
		if h.kind == voidRecord {
			pos += h.size()
			continue
		}
		payload := c.win.at(pos+headerSize, int64(h.length))
		v.record(s, h, payload, payload != nil && checksum(payload) == h.crc)
		pos += h.size()
	}
	if pos < least {
		v.gap(s, pos, least)
		pos = least
	}
	err := c.win.err
	return pos, err
}

// header reads a valid header that stands at pos.
func (c *scanner) header(s *segment, pos, limit int64) (header, bool) {
	h, ok := parseHeader(c.win.at(pos, headerSize), s.seed, pos)
	return h, ok && h.batch >= c.seen && pos+h.size() <= limit
}

// resync finds the next valid header, -1 if there is none.
func (c *scanner) resync(s *segment, pos, limit int64) int64 {
	for ; pos+headerSize <= limit; pos += recordAlign {
		p := c.win.at(pos, headerSize)
		if p == nil {
			c.win.err = nil
			c.win.buf = c.win.buf[:0]
			pos = (pos + windowSize) &^ (recordAlign - 1) // skip what cannot be read
			continue
		}
		if p[0] != recordMagic&0xff || p[1] != recordMagic>>8&0xff {
			continue
		}
		if _, ok := c.header(s, pos, limit); ok {
			return pos
		}
	}
	return -1
}
