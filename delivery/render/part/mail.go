package part

import (
	"cmp"
	"slices"
)

// Kind is what a Text is.
type Kind uint8

// The kinds of texts.
const (
	Subject   Kind = iota // of the mail
	Addresses             // From or To
	Plain                 // a part of type text/plain
	HTML                  // a part of type text/html
)

// Mail is a mail that was taken apart. It refers to the bytes it was made of. It is for one goroutine at a time.
type Mail struct {
	raw       []byte
	texts     []*Text
	changes   []change
	versioned bool // it has a field MIME-Version
}

// change puts other bytes in the place of raw[start:end].
type change struct {
	start, end int
	by         []byte
}

// Parse takes a mail apart. Do not change mail as long as the result is in use. Errors are *Error.
func Parse(mail []byte) (*Mail, error) {
	m := &Mail{raw: mail}
	w := walker{mail: m}
	if err := w.top(); err != nil {
		return nil, err
	}
	return m, nil
}

// Texts returns the texts of the mail in their order.
func (m *Mail) Texts() []*Text { return m.texts }

// Changed reports whether a text was set.
func (m *Mail) Changed() bool { return len(m.changes) > 0 }

// Append adds the mail with the texts that were set to dst.
func (m *Mail) Append(dst []byte) []byte {
	slices.SortStableFunc(m.changes, func(a, b change) int { return cmp.Compare(a.start, b.start) })
	size := len(m.raw)
	for _, c := range m.changes {
		size += len(c.by) - (c.end - c.start)
	}
	dst = slices.Grow(dst, size)
	at := 0
	for _, c := range m.changes {
		dst = append(dst, m.raw[at:c.start]...)
		dst = append(dst, c.by...)
		at = c.end
	}
	return append(dst, m.raw[at:]...)
}
