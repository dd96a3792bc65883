package wire

import (
	"bytes"
	"errors"

	"github.com/pires/go-proxyproto"
)

// Limits of lines, in bytes with CRLF.
const (
	// MaxCommand bounds a command (RFC 5321 §4.5.3.1.4).
	MaxCommand = 512
	// MaxEnvelope bounds MAIL and RCPT: the extensions raise their limit, by 500 for AUTH= and for ORCPT= alone.
	MaxEnvelope = 2048
	// MaxAuth bounds AUTH and what follows it (RFC 4954 §4).
	MaxAuth = 12288
	// MaxEndless is how much of an overlong line is discarded before the client is given up.
	MaxEndless = 64 << 10
)

// Errors of ReadLine after which the next line can be read, except for errEndless.
var (
	ErrLong    = errors.New("wire: line is too long")
	ErrBareLF  = errors.New("wire: line does not end in CRLF")
	errEndless = errors.New("wire: line does not end")
	ErrBinary  = errors.New("wire: not a line of text")
)

// commandLimit returns the limit of a command line that begins with start.
func commandLimit(start []byte) int {
	if len(start) < 4 {
		return MaxCommand
	}
	switch {
	case hasVerb(start, "AUTH"):
		return MaxAuth
	case hasVerb(start, "MAIL"), hasVerb(start, "RCPT"):
		return MaxEnvelope
	}
	return MaxCommand
}

// hasVerb reports whether line begins with a verb of four letters, in any case.
func hasVerb(line []byte, verb string) bool {
	for i := range 4 {
		if line[i]&^0x20 != verb[i] {
			return false
		}
	}
	return true
}

// ReadLine returns the next line without its CRLF; it is valid until the next read. A line of more than max bytes
// (zero: what commandLimit says) fails with ErrLong as soon as that is seen, and is discarded by the next call; if it
// has not ended by MaxEndless that call fails with errEndless. A line that ends in LF alone fails with ErrBareLF. A TLS
// handshake where a line should be fails with ErrBinary, a PROXY header of version 2 with ErrProxyHere.
func (c *Conn) ReadLine(max int) ([]byte, error) {
	if c.skip > 0 {
		if err := c.skipLine(); err != nil {
			return nil, err
		}
	}
	scanned := 0
	for {
		b := c.buffered()
		if len(b) > 0 && b[0] == 0x16 { // TLS record: handshake (RFC 8446 §5.1)
			return nil, ErrBinary
		}
		if len(b) > 2 && b[0] == '\r' && bytes.HasPrefix(b, proxyproto.SIGV2) {
			return nil, ErrProxyHere
		}
		limit := max
		if limit == 0 {
			limit = commandLimit(b)
		}
		if i := bytes.IndexByte(b[scanned:], '\n'); i >= 0 {
			return c.takeLine(b[:scanned+i+1], limit)
		}
		if len(b) >= limit {
			c.skip = 1
			return nil, ErrLong
		}
		scanned = len(b)
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// takeLine consumes a line that has ended.
func (c *Conn) takeLine(line []byte, limit int) ([]byte, error) {
	n := len(line)
	c.consume(n)
	switch {
	case n < 2 || line[n-2] != '\r':
		return nil, ErrBareLF
	case n > limit:
		return nil, ErrLong
	}
	return line[:n-2], nil
}

// skipLine discards the rest of an overlong line.
func (c *Conn) skipLine() error {
	for {
		b := c.buffered()
		if i := bytes.Index(b, crlf); i >= 0 {
			c.consume(i + 2)
			c.skip = 0
			return nil
		}
		keep := 0
		if n := len(b); n > 0 && b[n-1] == '\r' {
			keep = 1
		}
		c.skip += len(b) - keep
		c.consume(len(b) - keep)
		if c.skip > MaxEndless {
			return c.fail(errEndless)
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}
