// Package readfault tells a source that failed from a consumer that did.
package readfault

import (
	"errors"
	"io"
)

// Reader remembers in Err why what it reads could not be read to its end.
type Reader struct {
	io.Reader
	Err error
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.Err = err
	}
	return n, err
}
