package smtpout

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
)

// mail is a transaction made ready for one connection.
type mail struct {
	tx       *delivery.Transaction
	from, to string
	body     queue.Body
	memory   []byte  // all of body; nil: read it in pieces
	buffer   *buffer // what memory lies in, if that is ours
	shape    shape
	wire     int64 // size as announced
	utf8     bool  // SMTPUTF8
	binary   bool  // it came as BINARYMIME
	header   bool  // its header needs SMTPUTF8, which the remote does not offer
	chunked  bool  // BDAT
	together bool  // it went in one flight with its envelope
	number   int   // of the mails over the connection
	start    int64 // bytes written over the connection before it
	sent     bool  // all of it was written
}

// data returns how many bytes of the mail went, given how many the connection has written.
func (m *mail) data(written int64) int64 {
	switch {
	case m.sent:
		return m.shape.size
	case m.start == 0:
		return 0
	}
	return min(written-m.start, m.shape.size)
}

func (m *mail) release() {
	if m.buffer != nil {
		m.buffer.free()
	}
	*m = mail{}
}

// fault is why a mail cannot go to this remote.
type fault struct {
	state        queue.ResultState
	code         int
	status, text string
}

// prepare makes tx ready in m, or tells why it cannot be sent; m is then empty.
func (c *connection) prepare(m *mail, tx *delivery.Transaction) *fault {
	*m = mail{tx: tx, body: tx.Body}
	f := c.prepareAddresses(m)
	if f == nil {
		f = c.late(tx.Message)
	}
	if f == nil {
		f = c.prepareBody(m)
	}
	if f != nil {
		m.release()
	}
	return f
}

func (c *connection) prepareAddresses(m *mail) *fault {
	if m.tx.Message == nil || m.tx.Body == nil {
		return &fault{queue.StateProcess, 554, "5.6.0", "there is no mail to send"}
	}
	if m.tx.Message.RequireTLS && !c.hop.RequireTLS && !c.sender.LMTP {
		return &fault{queue.StateMailFrom, 550, requireTLSStatus, "REQUIRETLS: the connection was made without"}
	}
	m.from, m.to = cmp.Or(m.tx.ReturnPath, m.tx.Message.Envelope), m.tx.Message.Recipient
	if !sendable(m.from) {
		return &fault{queue.StateMailFrom, 553, "5.1.7", "the sender's address is not valid"}
	}
	if m.to == "" || !sendable(m.to) {
		return &fault{queue.StateRcptTo, 553, "5.1.3", "the recipient's address is not valid"}
	}
	if addr.IsASCII(m.from) && addr.IsASCII(m.to) {
		return nil
	}
	if c.ext.utf8 {
		m.utf8 = true
		return nil
	}
	var ok bool
	if !addr.IsASCII(m.from) {
		if m.from, ok = asciiDomain(m.from); !ok {
			return lacksUTF8(queue.StateMailFrom, "the sender's address")
		}
	}
	if !addr.IsASCII(m.to) {
		if m.to, ok = asciiDomain(m.to); !ok {
			return lacksUTF8(queue.StateRcptTo, "the recipient's address")
		}
	}
	return nil
}

// prepareBody finds out what the mail looks like and so how it goes.
func (c *connection) prepareBody(m *mail) *fault {
	if err := m.load(); err != nil {
		return unreadable(err)
	}
	if m.shape.eight {
		header, err := international(m.tx.Message, m.body)
		if err != nil {
			return unreadable(err)
		}
		m.utf8 = m.utf8 || header && c.ext.utf8
		m.header = header && !c.ext.utf8
	}
	m.binary = says(m.tx.Message, queue.PropertyBinaryMIME)
	if m.header || m.binary && !c.takesBinary() || c.unfit(&m.shape) {
		if f := c.refit(m); f != nil {
			return f
		}
	}
	m.chunked = c.ext.chunking && (c.sender.Chunking || m.shape.binary() || m.binary)
	m.wire = m.shape.wire()
	if m.chunked {
		m.wire = m.shape.size
	}
	if c.ext.size > 0 && m.wire > c.ext.size {
		return &fault{queue.StateMailFrom, 552, "5.3.4",
			fmt.Sprintf("the mail has %d bytes, the remote takes %d", m.wire, c.ext.size)}
	}
	return nil
}

// unreadable tells how a mail ends that cannot be read: one that is damaged fails for good, as no later attempt can
// read it either.
func unreadable(err error) *fault {
	text := "the mail cannot be read: " + printable(err.Error())
	if _, damaged := errors.AsType[*queue.DamageError](err); damaged {
		return &fault{queue.StateStorage, 554, "5.3.0", text}
	}
	return &fault{queue.StateStorage, 451, "4.3.0", text}
}

// elsewhere reports whether another host of the site may take the mail, as what this one lacks is an extension.
func (f *fault) elsewhere() bool {
	return f.status == "5.6.7" || f.status == "5.6.3" || f.status == "5.4.7"
}

// outcome is that of the result: a mail that storage no longer has is lost.
func (f *fault) outcome() queue.Outcome {
	if f.state == queue.StateStorage && f.code >= 500 {
		return queue.Lost
	}
	return queue.Error
}

// load brings small mails into memory and scans the mail.
func (m *mail) load() error {
	size := m.body.Size()
	if b, ok := m.body.(interface{ Bytes() []byte }); ok {
		m.memory = b.Bytes()
	} else if size <= bufferSize {
		m.buffer = newBuffer(size)
		m.memory = m.buffer.bytes[:size]
		if err := readFull(m.body, m.memory, 0); err != nil {
			return err
		}
	}
	var s scanner
	if m.memory != nil || size == 0 {
		s.scan(m.memory)
	} else if err := eachPiece(m.body, func(p []byte) error { s.scan(p); return nil }); err != nil {
		return err
	}
	m.shape = s.finish()
	return nil
}

// replace puts another body in place of the transaction's; it is yet to be loaded.
func (m *mail) replace(body queue.Body) {
	if m.buffer != nil {
		m.buffer.free()
		m.buffer = nil
	}
	m.body, m.memory = body, nil
}

// errShort says that a body ended before its size.
var errShort = errors.New("it ends too early")

// readFull fills p from offset off.
func readFull(body queue.Body, p []byte, off int64) error {
	n, err := body.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || err == io.EOF:
		return errShort
	}
	return &readError{err}
}

// readError tells that the mail could not be read, as against written.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

func isReadError(err error) bool {
	var e *readError
	return errors.Is(err, errShort) || errors.As(err, &e)
}

// eachPiece hands a body to f in pieces that are valid during the call.
func eachPiece(body queue.Body, f func([]byte) error) error {
	b := newBuffer(bufferSize)
	defer b.free()
	size := body.Size()
	for off := int64(0); off < size; off += bufferSize {
		p := b.bytes[:min(bufferSize, size-off)]
		if err := readFull(body, p, off); err != nil {
			return err
		}
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// bufferSize is that of the largest buffer: mails up to it are read at once, larger ones in pieces of it.
const bufferSize = 64 << 10

// buffer is memory for a mail, or a piece of one.
type buffer struct {
	bytes []byte
	pool  *sync.Pool
}

// buffers are shared by all connections; what they hold has no state. A mail has the smallest that it fits into, as
// thousands may be on their way.
var buffers = [...]struct {
	size int64
	pool sync.Pool
}{{size: 4 << 10}, {size: 16 << 10}, {size: bufferSize}}

// newBuffer returns one for so many bytes, bufferSize at most.
func newBuffer(size int64) *buffer {
	i := 0
	for buffers[i].size < size {
		i++
	}
	b, _ := buffers[i].pool.Get().(*buffer)
	if b == nil {
		b = &buffer{make([]byte, buffers[i].size), &buffers[i].pool}
	}
	return b
}

func (b *buffer) free() { b.pool.Put(b) }
