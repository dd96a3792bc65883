package enqueue

import (
	"bytes"
	"io"
	"sync"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/mailbody"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

// Sizes of what is written to spool files.
const (
	spoolChunk = 128 << 10 // small pieces are collected up to this size
	pieceSize  = 64 << 10  // larger pieces are taken in parts of this size
	sizeSlack  = 64        // how much more than announced fits without growing the buffer
)

// scratch holds buffers for mails of a size that is not known beforehand.
type scratch struct{ pool sync.Pool }

func (s *scratch) get() *[]byte {
	if b, ok := s.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, pocket)
	return &b
}

func (s *scratch) put(b *[]byte) { s.pool.Put(b) }

// A receiver is an io.Writer that makes a mail into a queue.Body with the trace field in front. A mail whose size was
// announced is collected in memory of just that size, another in a scratch buffer and copied once. Beyond the limit, it
// goes on in a spool file, for which the scratch buffer then collects writes. In either case the header lies in memory,
// whole, when it is examined. What buffers have beyond a pocket is taken from the backend's budget; where that is used
// up, the mail goes to its file at once, in smaller writes.
//
// Errors are kept, and the rest of the mail is read and forgotten, since it must be consumed.
type receiver struct {
	backend *Backend
	limit   int // bytes of a mail in memory
	scrub   scrub

	buf       []byte
	scratch   *[]byte // where buf came from and goes back to; nil when the mail keeps it
	held      int     // bytes of buffers that are counted in the budget
	tight     bool    // the budget was used up
	room      int     // what is left free at the start of buf, so that the header can grow
	trace     int     // room and the length of our own fields behind it
	searched  int     // how far buf was searched for the end of the header, without trace
	file      *spoolFile
	props     *properties
	headerLen int    // of the mail, with our own fields
	whole     []byte // a finished mail in memory, with the room in front of it
	err       error

	tlsOptional bool // the header says so
	priority    int  // likewise
}

// begin takes the trace field and the size that the client announced, or zero.
func (r *receiver) begin(trace []byte, size int64) {
	whole := r.room + len(trace) + int(size) + sizeSlack
	if size > 0 && size <= int64(r.limit) && r.hold(whole) {
		r.buf = make([]byte, r.room, whole)
	} else {
		r.scratch = r.backend.scratch.get()
		if !r.hold(cap(*r.scratch)) {
			*r.scratch = make([]byte, 0, pocket)
		}
		r.buf = append((*r.scratch)[:0], make([]byte, r.room)...)
		*r.scratch = nil // buf alone keeps it, and may be replaced
	}
	r.buf = append(r.buf, trace...)
	r.trace = len(r.buf)
}

// hold has buffers of n bytes in all counted in the budget, and reports false when they do not fit. It asks nobody for
// what fits the pocket.
func (r *receiver) hold(n int) bool {
	if n <= max(pocket, r.held) {
		return true
	}
	if !r.backend.budget.take(int64(n-r.held), r.backend.memory()) {
		return false
	}
	r.held = n
	return true
}

// release gives all that is held back to the budget.
func (r *receiver) release() {
	if r.held > 0 {
		r.backend.budget.give(int64(r.held))
		r.held = 0
	}
}

// grow makes room for n more bytes in buf, and reports whether the budget allows it.
func (r *receiver) grow(n int) bool {
	need := len(r.buf) + n
	if need <= cap(r.buf) {
		return true
	}
	if size := max(need, 2*cap(r.buf)); r.hold(size) {
		r.buf = append(make([]byte, 0, size), r.buf...)
		return true
	}
	r.tight = true
	return false
}

// Write implements io.Writer. It takes everything and never fails; finish does.
func (r *receiver) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && r.err == nil {
		piece := p[:min(len(p), pieceSize)]
		p = p[len(piece):]
		switch {
		case r.file != nil:
			r.err = r.spool(piece)
		case len(r.buf)-r.trace+len(piece) > r.limit || !r.grow(len(piece)):
			r.err = r.overflow(piece)
		default:
			r.buf = append(r.buf, piece...)
		}
	}
	return n, nil
}

// overflow moves the mail to a spool file, unless its header has not ended yet.
func (r *receiver) overflow(piece []byte) error {
	if !r.headerEnded() {
		if !r.grow(len(piece)) && len(r.buf)+len(piece) > headerPocket {
			return tooManyAtOnce()
		}
		r.buf = append(r.buf, piece...)
		piece = nil
		if !r.headerEnded() {
			if len(r.buf)-r.trace > maxHeader {
				return headerTooLarge()
			}
			return nil
		}
	}
	if err := r.header(); err != nil {
		return err
	}
	file, err := newSpoolFile(r.backend.spoolDir())
	if err != nil {
		return err
	}
	r.file = file
	r.buf = append(r.buf[:0], r.buf[r.room:]...) // a file needs no room
	r.headerLen, r.trace, r.room = r.headerLen-r.room, r.trace-r.room, 0
	if err := r.flush(); err != nil {
		return err
	}
	if r.tight {
		r.release()
		r.buf = make([]byte, 0, pocket)
	}
	return r.spool(piece)
}

// headerEnded reports whether the whole header is in buf.
func (r *receiver) headerEnded() bool {
	mail := r.buf[r.trace:]
	if bytes.IndexByte(mail, '\n') >= 0 && mailheader.Headless(mail) {
		return true
	}
	n, complete := mailheader.Length(mail, r.searched)
	if !complete {
		r.searched = n
	}
	return complete
}

// byteOrderMark begins files of some programs (Unicode §23.8). Behind our own fields it would be part of a field's
// name, and others would take the header to end there.
const byteOrderMark = "\ufeff"

// header examines and edits the header in buf.
func (r *receiver) header() error {
	if mail := r.buf[r.trace:]; bytes.HasPrefix(mail, []byte(byteOrderMark)) {
		r.buf = append(r.buf[:r.trace], mail[len(byteOrderMark):]...)
	}
	facts, err := examine(r.buf[r.trace:], r.scrub)
	if err != nil {
		return err
	}
	r.props, r.tlsOptional, r.priority = facts.props, facts.tlsOptional, facts.priority
	r.buf, r.headerLen = facts.edit(r.buf, r.trace)
	return nil
}

// spool writes a piece to the file, small ones through buf.
func (r *receiver) spool(piece []byte) error {
	if len(r.buf)+len(piece) > min(spoolChunk, cap(r.buf)) {
		if err := r.flush(); err != nil {
			return err
		}
	}
	if len(piece) > cap(r.buf) {
		return r.write(piece)
	}
	r.buf = append(r.buf, piece...)
	return nil
}

func (r *receiver) flush() error {
	err := r.write(r.buf)
	r.buf = r.buf[:0]
	return err
}

func (r *receiver) write(p []byte) error {
	if err := r.file.write(p); err != nil {
		return spoolError(r.backend.spoolDir(), err)
	}
	return nil
}

// finish returns the mail. The receiver must be discarded after it, too.
func (r *receiver) finish() (queue.Body, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case r.file != nil:
		if err := r.flush(); err != nil {
			return nil, err
		}
		return r.file, nil
	}
	if err := r.header(); err != nil {
		return nil, err
	}
	if r.scratch != nil || cap(r.buf)-len(r.buf) > len(r.buf)/4+1024 {
		r.whole = append([]byte(nil), r.buf...)
		r.giveBack()
		if n := len(r.whole); n > pocket {
			r.backend.budget.used.Add(int64(n)) // less than what was given back
			r.held = n
		}
	} else {
		r.whole = r.buf
	}
	r.headerLen -= r.room
	return queue.Bytes(r.whole[r.room:]), nil
}

// traceLen returns the length of our own fields at the start of the mail.
func (r *receiver) traceLen() int { return r.trace - r.room }

// asItCame returns the finished mail behind our own fields.
func (r *receiver) asItCame() checks.Body {
	if r.file != nil {
		return io.NewSectionReader(r.file, int64(r.traceLen()), r.file.Size()-int64(r.traceLen()))
	}
	return bytes.NewReader(r.whole[r.trace:])
}

// beginWith gives the finished mail another header, or leaves it as it is when that is nil. A mail in memory stays
// where it is if there is room for the header; nobody may have the body that finish returned then.
func (r *receiver) beginWith(header []byte, body queue.Body) queue.Body {
	if start := r.room + r.headerLen - len(header); header != nil && r.file == nil && start >= 0 {
		copy(r.whole[start:], header)
		return queue.Bytes(r.whole[start:])
	}
	return r.begunWith(header, body)
}

// begunWith is beginWith for a mail that is also wanted as it is.
func (r *receiver) begunWith(header []byte, body queue.Body) queue.Body {
	switch {
	case header == nil:
		return body
	case r.file != nil:
		return mailbody.Join(header, body, int64(r.headerLen))
	}
	return append(queue.Bytes(header), r.whole[r.room+r.headerLen:]...)
}

// discard gives back what the receiver holds, once the queue has the mail or nobody wants it.
func (r *receiver) discard() {
	r.giveBack()
	if r.file != nil {
		r.file.remove()
	}
	*r = receiver{}
}

// giveBack gives back the buffer.
func (r *receiver) giveBack() {
	if r.scratch != nil {
		*r.scratch = r.buf[:0]
		r.backend.scratch.put(r.scratch)
	}
	r.buf, r.scratch = nil, nil
	r.release()
}
