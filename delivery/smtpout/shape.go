package smtpout

import (
	"bytes"
	"encoding/binary"
)

// maxLine is the longest line that DATA may carry, without its CRLF (RFC 5321 §4.5.3.1.6).
const maxLine = 998

// shape is what one pass over a mail found out for the way to send it.
type shape struct {
	size  int64
	dots  bool  // a line begins with a dot
	alone int64 // CRs and LFs that are not part of a CRLF
	nul   bool
	eight bool // bytes beyond ASCII
	long  bool // a line of more than maxLine bytes
	ended bool // it ends with a line end, or is empty
}

// binary reports whether DATA would damage the mail.
func (s *shape) binary() bool { return s.alone > 0 || s.nul || s.long }

// plain reports whether DATA can carry the mail as it is.
func (s *shape) plain() bool { return !s.dots && s.alone == 0 }

// wire is the size as RFC 1870 counts it when DATA carries the mail: lone CRs and LFs become CRLF, the last line is
// ended.
func (s *shape) wire() int64 {
	n := s.size + s.alone
	if !s.ended {
		n += 2
	}
	return n
}

// scanner finds the shape of a mail that comes in pieces of any size.
type scanner struct {
	found  shape
	column int64 // bytes of the current line so far
	last   byte
	crs    int64
	crlfs  int64
	lfs    int64
}

func (s *scanner) scan(p []byte) {
	if len(p) == 0 {
		return
	}
	s.found.size += int64(len(p))
	s.scanLines(p)
	s.crs += int64(bytes.Count(p, []byte{'\r'}))
	s.found.nul = s.found.nul || bytes.IndexByte(p, 0) >= 0
	s.found.eight = s.found.eight || beyondASCII(p)
}

func (s *scanner) scanLines(p []byte) {
	column, before := s.column, s.last
	s.last = p[len(p)-1]
	for len(p) > 0 {
		if column == 0 && p[0] == '.' {
			s.found.dots = true
		}
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			column += int64(len(p))
			break
		}
		s.lfs++
		if i > 0 {
			before = p[i-1]
		}
		if before == '\r' {
			s.crlfs++
		}
		if column+int64(i) > maxLine+1 {
			s.found.long = true
		}
		before, column, p = '\n', 0, p[i+1:]
	}
	if column > maxLine+1 {
		s.found.long = true
	}
	s.column = column
}

// finish returns the shape.
func (s *scanner) finish() shape {
	s.found.alone = s.crs + s.lfs - 2*s.crlfs
	s.found.ended = s.found.size == 0 || s.last == '\n' || s.last == '\r'
	return s.found
}

// beyondASCII reports whether a byte of p has its highest bit set.
func beyondASCII(p []byte) bool {
	const high = 0x8080808080808080
	for len(p) >= 32 {
		if (binary.LittleEndian.Uint64(p)|binary.LittleEndian.Uint64(p[8:])|
			binary.LittleEndian.Uint64(p[16:])|binary.LittleEndian.Uint64(p[24:]))&high != 0 {
			return true
		}
		p = p[32:]
	}
	for _, b := range p {
		if b >= 0x80 {
			return true
		}
	}
	return false
}
