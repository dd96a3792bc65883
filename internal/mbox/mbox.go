// Package mbox reads mails from a stream that is either one mail, or a mailbox file with any number of them (RFC 4155):
// one whose first line begins with "From ".
package mbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrTooLarge is what a mail ends with that is larger than the limit. Reading can go on with the next one.
var ErrTooLarge = errors.New("mail is too large")

// Reader gives out the mails of a stream, one after the other.
type Reader struct {
	in    *bufio.Reader
	limit int
	begun bool
	box   bool // it is a mailbox file; its line "From " was read
	ended bool
	n     int
}

// NewReader returns a Reader of mails of at most limit bytes.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, 64<<10), limit: limit}
}

var (
	from   = []byte("From ")
	quoted = []byte(">From ")
)

// Next returns the next mail, or io.EOF behind the last. An empty stream has none.
func (r *Reader) Next() ([]byte, error) {
	if r.ended {
		return nil, io.EOF
	}
	var mail []byte
	var failed error
	r.n++
	atStart := true // of a line
	for {
		piece, err := r.in.ReadSlice('\n')
		switch {
		case err != nil && err != bufio.ErrBufferFull && err != io.EOF:
			r.ended = true
			return nil, err
		case err == io.EOF && len(piece) == 0:
			return r.last(mail, failed)
		case atStart && bytes.HasPrefix(piece, from) && (!r.begun || r.box):
			// The rest of an endless line is taken for text, as nobody else writes one.
			if first := !r.begun; first {
				r.begun, r.box = true, true
				continue
			}
			return r.finish(mail, failed)
		case len(mail)+len(piece) > r.limit:
			failed, mail = ErrTooLarge, nil
		case failed == nil:
			if atStart && r.box && bytes.HasPrefix(bytes.TrimLeft(piece, ">"), from) && bytes.HasPrefix(piece, quoted[:1]) {
				piece = piece[1:]
			}
			mail = append(mail, piece...)
		}
		r.begun = true
		atStart = err == nil
	}
}

// last ends the stream.
func (r *Reader) last(mail []byte, failed error) ([]byte, error) {
	r.ended = true
	if !r.begun {
		return nil, io.EOF
	}
	return r.finish(mail, failed)
}

// finish returns a mail without the empty line that a mailbox file has behind each.
func (r *Reader) finish(mail []byte, failed error) ([]byte, error) {
	if failed != nil {
		return nil, fmt.Errorf("mail %d: %w: the limit is %d bytes", r.n, failed, r.limit)
	}
	if r.box {
		for _, end := range []string{"\r\n\r\n", "\n\n"} {
			if bytes.HasSuffix(mail, []byte(end)) {
				return mail[:len(mail)-len(end)/2], nil
			}
		}
	}
	return mail, nil
}
