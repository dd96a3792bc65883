package spool

import (
	"bytes"
	"io"
	"sync"
)

// lines gives the text of a file as mail has it: lines end in CRLF, whatever they end in, and NULs are left out.
type lines struct {
	r  io.Reader
	cr bool // the last byte was a CR
}

const chunk = 32 << 10

// chunks holds room for what is read and what is made of it.
var chunks = sync.Pool{New: func() any { return new([3 * chunk]byte) }}

// WriteTo implements io.WriterTo.
func (l *lines) WriteTo(w io.Writer) (total int64, err error) {
	room := chunks.Get().(*[3 * chunk]byte)
	defer chunks.Put(room)
	for {
		n, err := l.r.Read(room[:chunk])
		out := l.append(room[chunk:chunk], room[:n])
		if err == io.EOF && l.cr {
			out, l.cr = append(out, '\n'), false
		}
		written, failed := w.Write(out)
		total += int64(written)
		switch {
		case failed != nil:
			return total, failed
		case err == io.EOF:
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// Read implements io.Reader, for those who know no WriterTo. It may return no bytes and no error.
func (l *lines) Read(p []byte) (int, error) {
	if len(p) < 3 {
		return 0, io.ErrShortBuffer
	}
	piece := make([]byte, (len(p)-1)/2)
	n, err := l.r.Read(piece)
	out := l.append(p[:0], piece[:n])
	if err == io.EOF && l.cr {
		out, l.cr = append(out, '\n'), false
		return len(out), nil
	}
	return len(out), err
}

// append appends text to dst, which grows by one byte more than twice its length at most.
func (l *lines) append(dst, text []byte) []byte {
	for len(text) > 0 {
		if l.cr {
			l.cr = false
			dst = append(dst, '\n')
			if text[0] == '\n' {
				text = text[1:]
				continue
			}
		}
		i := bytes.IndexAny(text, "\r\n\x00")
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		switch text[i] {
		case '\r':
			dst, l.cr = append(dst, '\r'), true
		case '\n':
			dst = append(dst, '\r', '\n')
		}
		text = text[i+1:]
	}
	return dst
}
