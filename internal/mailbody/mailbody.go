// Package mailbody puts a new beginning before a mail without copying the mail: fields above its header, or another
// header in the place of its own.
package mailbody

import (
	"errors"
	"fmt"
	"io"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// Body is a mail, as every room has it. One that has a method Bytes() []byte lies in memory.
type Body interface {
	io.ReaderAt
	Size() int64
}

// ErrLong says that a header is longer than the limit.
var ErrLong = errors.New("the header is too long")

// firstRead is how much of a mail is read at first in search of the end of its header.
const firstRead = 8 << 10

// Header returns the header of a mail, with the empty line that ends it; there is none in a mail that is all header. It
// begins to read with a few KiB. Of a mail in memory it is the mail's own bytes, so do not change it. A header of more
// than limit bytes is ErrLong.
func Header(b Body, limit int) ([]byte, error) {
	if m, ok := b.(interface{ Bytes() []byte }); ok {
		mail := m.Bytes()
		n, complete := mailheader.Length(mail[:min(len(mail), limit)], 0)
		if !complete && len(mail) > limit {
			return nil, ErrLong
		}
		return mail[:n:n], nil
	}
	size := b.Size()
	var head []byte
	from, have := 0, 0
	for want := int64(firstRead); ; want *= 2 {
		want = min(want, size, int64(limit))
		grown := make([]byte, want)
		copy(grown, head)
		head = grown
		if err := ReadFull(b, head[have:], int64(have)); err != nil {
			return nil, err
		}
		have = len(head)
		n, complete := mailheader.Length(head, from)
		switch {
		case complete || want == size:
			return head[:n:n], nil
		case want == int64(limit):
			return nil, ErrLong
		}
		from = n
	}
}

// ReadFull reads as much of b as p holds, from an offset on.
func ReadFull(b Body, p []byte, at int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := b.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read the mail: %w", err)
}

// Joined is a mail whose beginning lies in memory and whose rest is that of another. It is safe for concurrent use.
type Joined struct {
	head []byte
	rest Body
	from int64
	size int64
}

// Join returns the mail that begins with head and goes on with what b has from an offset on. Head must not be changed
// afterwards.
func Join(head []byte, b Body, from int64) *Joined {
	if j, ok := b.(*Joined); ok && from <= int64(len(j.head)) { // one layer is enough for any number of new beginnings
		both := make([]byte, 0, len(head)+len(j.head)-int(from))
		head = append(append(both, head...), j.head[from:]...)
		b, from = j.rest, j.from
	}
	return &Joined{head: head, rest: b, from: from, size: int64(len(head)) + b.Size() - from}
}

// Size returns the length in bytes.
func (j *Joined) Size() int64 { return j.size }

// ReadAt implements io.ReaderAt.
func (j *Joined) ReadAt(p []byte, off int64) (n int, err error) {
	switch {
	case off < 0:
		return 0, errors.New("mailbody: negative offset")
	case off >= j.size:
		return 0, io.EOF
	}
	if off < int64(len(j.head)) {
		n = copy(p, j.head[off:])
		if n == len(p) {
			return n, nil
		}
	}
	m, err := j.rest.ReadAt(p[n:], off+int64(n)-int64(len(j.head))+j.from)
	n += m
	if n == len(p) {
		err = nil
	} else if err == nil {
		err = io.EOF
	}
	return n, err
}

// Broken is a mail that could not be read: its reader meets the same error, and is there to judge it.
type Broken struct {
	Length int64
	Err    error
}

// Size returns the length in bytes.
func (b *Broken) Size() int64 { return b.Length }

// ReadAt returns the error.
func (b *Broken) ReadAt([]byte, int64) (int, error) { return 0, b.Err }
