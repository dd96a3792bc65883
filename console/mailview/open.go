package mailview

import (
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-message"
)

// ErrNoPart says that a mail has no part with the number.
var ErrNoPart = errors.New("mailview: the mail has no such part")

// Open returns the part of a mail with a number, as in View.Parts, and its content, decoded; texts as UTF-8. The
// content of a part that cannot be decoded ends with an error, after what can. It fails with [ErrNoPart].
func Open(mail io.ReaderAt, size int64, number string) (*Part, io.Reader, error) {
	e, err := message.ReadWithOptions(io.NewSectionReader(mail, 0, min(size, maxScanned)),
		&message.ReadOptions{MaxHeaderBytes: maxHeader})
	if e == nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoPart, err)
	}
	f := finder{number: number}
	if !f.entity(e, "", 0) {
		return nil, nil, fmt.Errorf("%w: %q", ErrNoPart, number)
	}
	return f.part, f.content, nil
}

// finder looks for one part.
type finder struct {
	number  string
	seen    int // parts
	part    *Part
	content io.Reader
}

func (f *finder) entity(e *message.Entity, number string, depth int) bool {
	if r := e.MultipartReader(); r != nil {
		return f.multipart(r, number, depth)
	}
	if number == "" {
		number = "1"
	}
	if f.seen++; number != f.number {
		return false
	}
	p := partOf(e, number)
	f.part, f.content = &p, e.Body
	return true
}

func (f *finder) multipart(r message.MultipartReader, number string, depth int) bool {
	if depth == maxDepth {
		return false
	}
	for n := 1; f.seen < maxParts; n++ {
		e, _ := r.NextPart()
		if e == nil {
			return false
		}
		place := fmt.Sprint(n)
		if number != "" {
			place = number + "." + place
		}
		if f.entity(e, place, depth+1) {
			return true
		}
	}
	return false
}
