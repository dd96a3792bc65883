package wire

import (
	"bytes"
	"errors"
	"io"
)

// ErrAbusive is the error of a Drain that gave up: the mail was far larger than allowed.
var ErrAbusive = errors.New("wire: mail is more than twice as large as allowed")

// DotReader reads the mail of a DATA command (RFC 5321 §4.5.2), without the dots that were added to it. It ends with
// io.EOF after CRLF "." CRLF and only there. A connection that ends before gives io.ErrUnexpectedEOF.
type DotReader struct {
	conn      *Conn
	ends      LineEnds
	max       int64
	size      int64
	lineStart bool // a CRLF was the last thing consumed
	window    window
	left      []byte
	err       error
	refused   error // what err was before Drain
	drained   int64
}

// Data begins the mail of a DATA command, in a reader that may have been used before. max is the largest size allowed,
// in bytes without the dots that were added; zero: any.
func (d *DotReader) Data(c *Conn, ends LineEnds, max int64) {
	*d = DotReader{conn: c, ends: ends, max: max, lineStart: true}
}

// Size returns how many bytes of the mail were read.
func (d *DotReader) Size() int64 { return d.size }

// Read reads part of the mail.
func (d *DotReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(d.left) == 0 {
		piece, err := d.piece()
		if err != nil {
			return 0, err
		}
		d.left = piece
	}
	n := copy(p, d.left)
	d.left = d.left[n:]
	return n, nil
}

// WriteTo writes the rest of the mail to w, straight from the connection's buffer.
func (d *DotReader) WriteTo(w io.Writer) (int64, error) {
	return writePieces(w, &d.left, d.piece)
}

// writePieces writes what is left of a piece and all further ones.
func writePieces(w io.Writer, left *[]byte, piece func() ([]byte, error)) (total int64, err error) {
	p := *left
	*left = nil
	for {
		if len(p) > 0 {
			n, err := w.Write(p)
			total += int64(n)
			if err != nil {
				*left = p[min(n, len(p)):]
				return total, err
			}
		}
		if p, err = piece(); err != nil {
			if err == io.EOF {
				err = nil
			}
			return total, err
		}
	}
}

// piece returns the next piece of the mail; it is valid until the next call.
func (d *DotReader) piece() ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	p, err := d.next()
	if err == nil {
		d.size += int64(len(p))
		if d.max > 0 && d.size > d.max {
			p, err = nil, ErrTooLarge
		}
	}
	d.err = err
	return p, err
}

// next finds the next piece. Nothing of an undecided line end is consumed, so that Drain can go on from anywhere.
func (d *DotReader) next() ([]byte, error) {
	for {
		if d.lineStart {
			if end, err := d.dot(); err != nil {
				return nil, err
			} else if end {
				return nil, io.EOF
			}
		}
		b := d.window.of(d.conn.buffered())
		n, why := span(b)
		if n > 0 {
			d.conn.consume(n)
			d.window.widen()
			d.lineStart = n >= 2 && b[n-1] == '\n'
			return b[:n], nil
		}
		switch why {
		case stopBare:
			if d.ends == RejectBare {
				return nil, errLineEnd
			}
			d.step()
			return crlf, nil
		case stopNUL:
			if d.ends == RejectBare {
				return nil, errNUL
			}
			d.step()
		default:
			if err := d.fill(); err != nil {
				return nil, err
			}
		}
	}
}

// step consumes a byte that is not handed out as it is.
func (d *DotReader) step() {
	d.conn.consume(1)
	d.lineStart = false
	d.window.narrow()
}

// dot deals with a dot at the start of a line: it consumes the one that ends the mail, with its CRLF, or the one that
// was added.
func (d *DotReader) dot() (end bool, err error) {
	for {
		b := d.conn.buffered()
		switch {
		case len(b) == 0, len(b) == 1 && b[0] == '.', len(b) == 2 && b[0] == '.' && b[1] == '\r':
			if err := d.fill(); err != nil {
				return false, err
			}
			continue
		case b[0] != '.':
			return false, nil
		case b[1] == '\r' && b[2] == '\n':
			d.conn.consume(3)
			return true, nil
		}
		d.conn.consume(1)
		d.lineStart = false
		return false, nil
	}
}

func (d *DotReader) fill() error { return midMail(d.conn.fill()) }

// midMail names the end of a connection inside a mail.
func midMail(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

var crlfDot = []byte("\r\n.")

// Drain consumes the mail to its end, whatever Read has returned before. It gives up with ErrAbusive when the mail is
// more than twice as large as allowed. After an error the connection must be closed.
func (d *DotReader) Drain() error {
	d.left = nil
	if d.err == io.EOF {
		return nil
	}
	d.refused = d.err
	for {
		if d.lineStart {
			if end, err := d.dot(); err != nil {
				return err
			} else if end {
				d.err = io.EOF
				return nil
			}
		}
		n := d.skippable()
		d.conn.consume(n)
		d.drained += int64(n)
		if d.max > 0 && d.size+d.drained > 2*d.max+inputSize {
			return d.conn.fail(ErrAbusive)
		}
		if n == 0 {
			if err := d.fill(); err != nil {
				return err
			}
		}
	}
}

// skippable returns how much input can be discarded before a line that begins with a dot, or a CR that may begin a
// CRLF.
func (d *DotReader) skippable() int {
	b := d.conn.buffered()
	if len(b) == 0 {
		return 0
	}
	if i := bytes.Index(b, crlfDot); i >= 0 {
		d.lineStart = true
		return i + 2
	}
	n := len(b)
	d.lineStart = bytes.HasSuffix(b, crlf)
	if b[n-1] == '\r' {
		n--
	}
	return n
}

// Failed returns errLineEnd, errNUL or ErrTooLarge when the mail was refused for that, after Drain too.
func (d *DotReader) Failed() error { return refusal(d.refused) }

func refusal(err error) error {
	if err == errLineEnd || err == errNUL || err == ErrTooLarge {
		return err
	}
	return nil
}
