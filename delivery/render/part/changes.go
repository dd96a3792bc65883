package part

import (
	"cmp"
	"slices"
	"sync"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// Changes are new texts for a mail. They are for one goroutine at a time.
type Changes struct {
	mail      *Mail
	list      []change
	memory    []byte // of what is new
	line      []byte // of the writer
	writer    Writer
	versioned bool // the mail has a field MIME-Version by now
}

// change puts other bytes in the place of raw[start:end].
type change struct {
	start, end int
	by         []byte
}

// done are changes that are not used any more, for their memory.
var done = sync.Pool{New: func() any { return new(Changes) }}

// largestMemory is how much memory is kept for the next mail.
const largestMemory = 1 << 20

// Change begins to change the texts of a mail.
func (m *Mail) Change() *Changes {
	c := done.Get().(*Changes)
	c.mail, c.versioned = m, m.versioned
	return c
}

// Close ends the use of c, and has other changes use its memory.
func (c *Changes) Close() {
	clear(c.list)
	if cap(c.memory) <= largestMemory && cap(c.line) <= largestMemory {
		*c = Changes{list: c.list[:0], memory: c.memory[:0], line: c.line[:0]}
		done.Put(c)
	}
}

// Set puts a text in the place of another one, which was decoded without an error before. It is UTF-8; line ends of any
// kind become CRLF in a part, and blanks in a field. Each text is set once at most. An error is an *Error.
func (c *Changes) Set(t *Text, text []byte) error {
	if t.entity == nil {
		return c.setField(t, text)
	}
	c.setPart(t, text)
	return nil
}

func (c *Changes) setField(t *Text, text []byte) (err error) {
	from := len(c.memory)
	if c.memory, err = t.appendField(c.memory, text); err == nil {
		c.replace(t.field.Start, t.field.End, c.memory[from:])
	}
	return err
}

func (c *Changes) setPart(t *Text, text []byte) {
	charset, data := t.charset.encode(crlf(text))
	encoding := t.entity.encoding
	if encoding != "quoted-printable" && encoding != "base64" {
		encoding = fitting(encoding, flawsOf(data, t.boundaries))
	}
	c.encode(t, charset, encoding, data)
}

// encode encodes the data of a part, and puts it into the mail.
func (c *Changes) encode(t *Text, charset charset, encoding string, data []byte) {
	from := len(c.memory)
	switch encoding {
	case "quoted-printable":
		c.memory = quotedPrintable(c.memory, data)
	case "base64":
		c.memory = inLines(c.memory, data)
	default:
		c.memory = append(c.memory, data...)
	}
	c.place(t, charset, encoding, from)
}

// place puts what is in memory into the mail, as the body of a part.
func (c *Changes) place(t *Text, charset charset, encoding string, from int) {
	e, body := t.entity, c.memory[from:]
	if t.charset.name != charset.name {
		c.changeField(t, e.typeField, "Content-Type", withCharset(e, charset.name))
	}
	if encoding != e.encoding {
		c.changeField(t, e.codeField, "Content-Transfer-Encoding", encoding)
	}
	if e.header == e.body { // a header without an end
		c.replace(e.body, e.body, []byte("\r\n"))
	}
	c.replace(e.body, e.end, body)
}

// changeField has a field of the part's header say something else, or adds it at the end of the header.
func (c *Changes) changeField(t *Text, f mailheader.Field, name, value string) {
	start, end := f.Start, f.End
	if f.Raw == nil {
		start, end = t.entity.header, t.entity.header
	}
	from := len(c.memory)
	c.memory = mailheader.AppendField(c.memory, name, value)
	if !c.versioned && t.entity.top {
		c.versioned = true
		c.memory = append(c.memory, "MIME-Version: 1.0\r\n"...)
	}
	c.replace(start, end, c.memory[from:])
}

func (c *Changes) replace(start, end int, by []byte) { c.list = append(c.list, change{start, end, by}) }

// Made reports whether a text was set.
func (c *Changes) Made() bool { return len(c.list) > 0 }

// Append adds the mail with the texts that were set to dst.
func (c *Changes) Append(dst []byte) []byte {
	slices.SortStableFunc(c.list, func(a, b change) int { return cmp.Compare(a.start, b.start) })
	raw := c.mail.raw
	size := len(raw)
	for _, change := range c.list {
		size += len(change.by) - (change.end - change.start)
	}
	dst = slices.Grow(dst, size)
	at := 0
	for _, change := range c.list {
		dst = append(append(dst, raw[at:change.start]...), change.by...)
		at = change.end
	}
	return append(dst, raw[at:]...)
}
