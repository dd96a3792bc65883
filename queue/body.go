package queue

import (
	"errors"
	"io"
	"reflect"
	"unsafe"
)

// Body is a mail as it goes over the wire: header and content with CRLF line ends, not dot-stuffed. ReadAt is safe for
// concurrent use. *bytes.Reader and *io.SectionReader are bodies.
//
// A body that also has a method Bytes() []byte lies in memory and may be read, never written, through it; one with a
// method File() *os.File is exactly the content of that file, which an engine on the same file system may adopt by a
// hard link instead of copying it.
type Body interface {
	io.ReaderAt
	Size() int64
}

// Bytes is a Body in memory. It must not be changed once it has been handed on.
type Bytes []byte

// ReadAt implements io.ReaderAt.
func (b Bytes) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("queue: negative offset")
	}
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Size returns the length in bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Bytes returns b itself.
func (b Bytes) Bytes() []byte { return b }

// SameBody reports whether a and b are one Body value, so that storage can be shared: the same pointer, or Bytes of the
// same memory, or what a says is itself by a method Is(Body) bool. It looks at no content. Two nil bodies are the same.
func SameBody(a, b Body) bool {
	if x, ok := a.(interface{ Is(Body) bool }); ok && b != nil {
		return x.Is(b)
	}
	if x, ok := a.(Bytes); ok {
		y, ok := b.(Bytes)
		return ok && len(x) == len(y) && unsafe.SliceData(x) == unsafe.SliceData(y)
	}
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	t := reflect.TypeOf(a)
	return t.Kind() == reflect.Pointer && t == reflect.TypeOf(b) && a == b
}

// ReadBody returns the content of b: without a copy when it lies in memory, so do not change it. A nil body has none.
func ReadBody(b Body) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	if m, ok := b.(interface{ Bytes() []byte }); ok {
		return m.Bytes(), nil
	}
	data := make([]byte, b.Size())
	n, err := b.ReadAt(data, 0)
	if n == len(data) {
		return data, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}
