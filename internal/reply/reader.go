package reply

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strconv"
)

// The bounds of one reply. RFC 5321 §4.5.3.1.5 allows lines of 512 bytes; servers exceed that.
const (
	MaxSize  = 64 << 10 // bytes, codes included
	MaxLines = 256
	// MaxExtensions is what Reader.Lines is to be for answers to EHLO.
	MaxExtensions = 2048
)

// bufferSize holds the replies to several flights of ordinary length.
const bufferSize = 4 << 10

// ErrTooLong is returned for a reply beyond MaxSize or with too many lines.
var ErrTooLong = errors.New("reply too long")

// SyntaxError says that a server sent something that is not a reply.
type SyntaxError struct {
	Line string // what it sent, cleaned and shortened
}

func (e *SyntaxError) Error() string {
	return "expected a reply code, got " + strconv.Quote(e.Line)
}

// Reader reads replies. It is for one goroutine.
type Reader struct {
	// Lines is how many lines a reply may have; zero is MaxLines.
	Lines int

	src  io.Reader
	buf  []byte
	r, w int    // unread part of buf
	text []byte // the reply just read: lines separated by "\n"
}

// NewReader returns a Reader of the replies in src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, buf: make([]byte, bufferSize)}
}

// Buffered returns the number of bytes that were received and not yet looked at.
func (r *Reader) Buffered() int { return r.w - r.r }

// Wait blocks until something has been received that is not yet looked at.
func (r *Reader) Wait() error {
	for r.r == r.w {
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

// Next reads one reply and returns its code; that of the last line, should they differ. The error is io.EOF when src
// ends before the reply, io.ErrUnexpectedEOF when it ends within, a *SyntaxError, ErrTooLong, or that of src. After an
// error the Reader is out of step and of no more use.
func (r *Reader) Next() (int, error) {
	if cap(r.text) > bufferSize {
		r.text = nil
	}
	r.text = r.text[:0]
	for range cmp.Or(r.Lines, MaxLines) {
		start := len(r.text)
		if err := r.readLine(); err != nil {
			if err == io.EOF && len(r.text) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		line := r.text[start:]
		code, more, ok := parseLine(line)
		if !ok {
			return 0, &SyntaxError{Line: Clean(line[:min(len(line), 200)])}
		}
		if !more {
			return code, nil
		}
		r.text = append(r.text, '\n')
	}
	return 0, ErrTooLong
}

// Raw returns what the last Next read: lines with their codes, separated by "\n". It is valid until the next call.
func (r *Reader) Raw() []byte { return r.text }

// Reply makes a lasting Reply of what the last Next read.
func (r *Reader) Reply() Reply { return Parse(r.text) }

// readLine appends one line to text, without its line end; a lone LF ends a line too.
func (r *Reader) readLine() error {
	for {
		piece := r.buf[r.r:r.w]
		i := bytes.IndexByte(piece, '\n')
		if i >= 0 {
			piece = piece[:i]
			r.r += i + 1
		} else {
			r.r = r.w
		}
		if len(r.text)+len(piece) > MaxSize {
			return ErrTooLong
		}
		r.text = append(r.text, piece...)
		if i >= 0 {
			r.text = bytes.TrimSuffix(r.text, []byte{'\r'})
			return nil
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
}

// fill reads once from src; all of buf has been looked at.
func (r *Reader) fill() error {
	for range 100 {
		n, err := r.src.Read(r.buf)
		r.r, r.w = 0, max(n, 0)
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
