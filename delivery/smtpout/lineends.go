package smtpout

import (
	"bytes"
	"errors"
	"io"
	"sort"

	"github.com/sluicemail/sluice/queue"
)

// endLines returns the mail with CRLF for each lone CR and LF, which DATA may not carry (RFC 5321 §2.3.8): one mail
// could smuggle in another with them. A mail in memory is copied, another one is read through the body that is
// returned.
func endLines(body queue.Body) (queue.Body, error) {
	if m, ok := body.(interface{ Bytes() []byte }); ok {
		text := m.Bytes()
		return queue.Bytes(appendEnded(make([]byte, 0, len(text)+len(text)/32), 0, text)), nil
	}
	e := &endedLines{body: body, starts: []int64{0}}
	last, at := byte(0), int64(0)
	err := eachPiece(body, func(p []byte) error {
		at += endedSize(last, p)
		e.starts = append(e.starts, at)
		last = p[len(p)-1]
		return nil
	})
	return e, err
}

// appendEnded appends text, which follows the byte last, with CRLF for each lone CR and LF.
func appendEnded(dst []byte, last byte, text []byte) []byte {
	for len(text) > 0 {
		i := bytes.IndexAny(text, "\r\n")
		if i < 0 {
			return append(dst, text...)
		}
		if i > 0 {
			last = text[i-1]
		}
		dst = append(dst, text[:i]...)
		if text[i] == '\r' || last != '\r' {
			dst = append(dst, '\r', '\n')
		}
		last, text = text[i], text[i+1:]
	}
	return dst
}

// endedSize is how much appendEnded would append.
func endedSize(last byte, text []byte) int64 {
	n := len(text) + bytes.Count(text, []byte{'\r'}) + bytes.Count(text, []byte{'\n'}) - 2*bytes.Count(text, crlf)
	if last == '\r' && text[0] == '\n' {
		n -= 2 // its CR counted as a lone one
	}
	return int64(n)
}

// endedLines is a mail whose line ends are made CRLF while it is read, in pieces of bufferSize. It is safe for
// concurrent use.
type endedLines struct {
	body   queue.Body
	starts []int64 // where each piece begins in what is read; the last is the size
}

func (e *endedLines) Size() int64 { return e.starts[len(e.starts)-1] }

func (e *endedLines) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("smtpout: negative offset")
	}
	piece := newBuffer(bufferSize)
	defer piece.free()
	ended := make([]byte, 0, bufferSize+bufferSize/8)
	for i := sort.Search(len(e.starts), func(i int) bool { return e.starts[i] > off }) - 1; n < len(p) &&
		i < len(e.starts)-1; i++ {
		from := int64(i) * bufferSize
		text := piece.bytes[:min(bufferSize, e.body.Size()-from)]
		if err := readFull(e.body, text, from); err != nil {
			return n, err
		}
		last := [1]byte{}
		if from > 0 {
			if err := readFull(e.body, last[:], from-1); err != nil {
				return n, err
			}
		}
		ended = appendEnded(ended[:0], last[0], text)
		if at := off + int64(n) - e.starts[i]; at < int64(len(ended)) {
			n += copy(p[n:], ended[at:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
