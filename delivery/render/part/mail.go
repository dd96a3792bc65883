package part

import (
	"cmp"
	"slices"
	"sync"
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
	versioned bool    // it has a field MIME-Version
	memory    *[]byte // of what was decoded and encoded
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

// memories are those of mails that are done.
var memories = sync.Pool{New: func() any { return new([]byte) }}

// largestMemory is how much memory is kept for the next mail.
const largestMemory = 1 << 20

// extend returns what a function appends to the memory of the mail for data.
func (m *Mail) extend(f func(dst, data []byte) ([]byte, error), data []byte) ([]byte, error) {
	if m.memory == nil {
		m.memory = memories.Get().(*[]byte)
	}
	from := len(*m.memory)
	extended, err := f(*m.memory, data)
	if err != nil {
		return nil, err
	}
	*m.memory = extended
	return extended[from:len(extended):len(extended)], nil
}

// Close ends the use of the mail and of its texts, and has the next one use its memory.
func (m *Mail) Close() {
	if m.memory != nil && cap(*m.memory) <= largestMemory {
		*m.memory = (*m.memory)[:0]
		memories.Put(m.memory)
	}
	m.memory = nil
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
