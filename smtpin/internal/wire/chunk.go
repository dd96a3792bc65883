package wire

import (
	"io"
)

// ChunkReader reads a mail that comes in chunks (BDAT, RFC 3030). Between chunks it calls a function that reads the
// commands there, so that the reader of a mail sees one stream.
type ChunkReader struct {
	conn *Conn
	ends LineEnds
	max  int64
	size int64
	more func() (size int64, last bool, err error)
	rest int64 // of the current chunk
	last bool
	cr   bool // a CR was the last byte consumed, and is not handed out yet
	left []byte
	err  error

	window window
}

// Chunks begins a mail with a chunk of size bytes. more is called when a chunk that is not the last has been read; its
// error ends the mail.
func (r *ChunkReader) Chunks(c *Conn, ends LineEnds, max int64, size int64, last bool,
	more func() (int64, bool, error)) {
	*r = ChunkReader{conn: c, ends: ends, max: max, more: more, rest: size, last: last}
}

// Size returns how many bytes of the mail were read.
func (r *ChunkReader) Size() int64 { return r.size }

// Ended reports whether the last chunk has begun.
func (r *ChunkReader) Ended() bool { return r.last }

// Read reads part of the mail.
func (r *ChunkReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.left) == 0 {
		piece, err := r.piece()
		if err != nil {
			return 0, err
		}
		r.left = piece
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// WriteTo writes the rest of the mail to w, straight from the connection's buffer.
func (r *ChunkReader) WriteTo(w io.Writer) (int64, error) {
	return writePieces(w, &r.left, r.piece)
}

// Drain consumes the rest of the current chunk. After an error the connection must be closed.
func (r *ChunkReader) Drain() error {
	r.left = nil
	n := r.rest
	r.rest = 0
	return r.conn.Discard(n)
}

func (r *ChunkReader) piece() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	p, err := r.next()
	if err == nil {
		r.size += int64(len(p))
		if r.max > 0 && r.size > r.max {
			p, err = nil, ErrTooLarge
		}
	}
	r.err = err
	return p, err
}

func (r *ChunkReader) next() ([]byte, error) {
	for {
		if r.rest == 0 {
			if r.last {
				return r.end()
			}
			var err error
			if r.rest, r.last, err = r.more(); err != nil {
				return nil, err
			}
			continue
		}
		b := r.window.of(r.conn.buffered())
		if len(b) == 0 {
			if err := r.conn.fill(); err != nil {
				return nil, midMail(err)
			}
			continue
		}
		if int64(len(b)) > r.rest {
			b = b[:r.rest]
		}
		if p, err := r.take(b); p != nil || err != nil {
			return p, err
		}
	}
}

// end ends the mail after its last chunk.
func (r *ChunkReader) end() ([]byte, error) {
	if r.cr {
		r.cr = false
		return r.bare()
	}
	return nil, io.EOF
}

// take takes a piece from b, which is not empty; none when more input is needed to decide.
func (r *ChunkReader) take(b []byte) ([]byte, error) {
	if r.ends == KeepBare {
		r.consume(len(b))
		return b, nil
	}
	if r.cr {
		r.cr = false
		if b[0] == '\n' {
			r.consume(1)
			return crlf, nil
		}
		return r.bare()
	}
	n, why := span(b)
	if n > 0 {
		r.consume(n)
		r.window.widen()
		return b[:n], nil
	}
	r.consume(1)
	if why == stopCR {
		r.cr = true
		return nil, nil
	}
	r.window.narrow()
	if why == stopNUL {
		return nil, r.nul()
	}
	return r.bare()
}

// nul deals with a NUL.
func (r *ChunkReader) nul() error {
	if r.ends == RejectBare {
		return errNUL
	}
	return nil
}

// bare deals with a CR or LF that stands alone.
func (r *ChunkReader) bare() ([]byte, error) {
	if r.ends == RejectBare {
		return nil, errLineEnd
	}
	return crlf, nil
}

func (r *ChunkReader) consume(n int) {
	r.conn.consume(n)
	r.rest -= int64(n)
}

// Failed returns errLineEnd, errNUL or ErrTooLarge when the mail was refused for that.
func (r *ChunkReader) Failed() error { return refusal(r.err) }
