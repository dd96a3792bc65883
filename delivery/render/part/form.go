package part

import "bytes"

// Form is a text that is printed again and again with other values in it. What is the same each time was looked at, and
// encoded, beforehand: whole lines of it only have to be copied. It is not changed, and safe for concurrent use.
type Form struct {
	text     *Text
	literals []string
	pieces   []piece // of the literals; nil: the text is encoded when all of it is there
	quoted   bool    // the part is quoted-printable, rather than not encoded
}

// piece is a literal: it ends a line, has lines, and begins one.
type piece struct {
	head, lines, tail []byte
	flaws             flaws // of lines
}

// Form returns the form of a new text in the place of t, which was decoded without an error before: literals are what
// is printed in it as it is.
func (t *Text) Form(literals []string) *Form {
	f := &Form{text: t, literals: literals}
	if t.entity == nil || t.charset.encoding != nil || t.entity.encoding == "base64" {
		return f
	}
	f.quoted = t.entity.encoding == "quoted-printable"
	f.pieces = make([]piece, len(literals))
	for i, literal := range literals {
		f.pieces[i] = f.piece([]byte(literal))
	}
	return f
}

func (f *Form) piece(literal []byte) (p piece) {
	first, last := bytes.IndexByte(literal, '\n')+1, bytes.LastIndexByte(literal, '\n')+1
	if first == 0 {
		return piece{head: literal}
	}
	lines := crlf(literal[first:last])
	p = piece{literal[:first], lines, literal[last:], flawsOf(lines, f.text.boundaries)}
	if f.quoted {
		p.lines = quotedPrintable(nil, lines)
	}
	return p
}

// Writer writes a text into changes, piece by piece.
type Writer struct {
	c     *Changes
	f     *Form
	from  int   // where the text begins in the memory of the changes
	flaws flaws // of what was written
	cr    bool  // the last character was a carriage return, and ended a line
}

// Print begins to put what is written in the place of a text. The writer is to be ended before c is used otherwise.
func (c *Changes) Print(f *Form) *Writer {
	c.writer = Writer{c: c, f: f, from: len(c.memory)}
	c.line = c.line[:0]
	return &c.writer
}

// Literal writes the literal with this number.
func (w *Writer) Literal(n int) {
	if w.f.pieces == nil {
		w.c.line = append(w.c.line, w.f.literals[n]...)
		return
	}
	p := &w.f.pieces[n]
	w.write(p.head)
	w.c.memory = append(w.c.memory, p.lines...)
	w.flaws |= p.flaws
	w.write(p.tail)
}

// Value writes a value: in a list of addresses it is part of one name or address, whatever characters it has.
func (w *Writer) Value(value []byte) {
	switch {
	case w.f.pieces != nil:
		w.write(value)
	case w.f.text.Kind == Addresses:
		w.c.line = protect(w.c.line, value)
	default:
		w.c.line = append(w.c.line, value...)
	}
}

// write writes text line by line.
func (w *Writer) write(text []byte) {
	start := 0
	for i, b := range text {
		switch {
		case b > '\r':
			if b >= 0x80 {
				w.flaws |= beyondASCII
			}
			continue
		case b == '\n' && (i > 0 && text[i-1] == '\r' || i == 0 && w.cr):
			start = i + 1 // the line is ended
		case b == '\n' || b == '\r':
			w.c.line = append(w.c.line, text[start:i]...)
			w.endLine()
			w.c.memory = append(w.c.memory, "\r\n"...)
			start = i + 1
		case b == 0:
			w.flaws |= withNUL
		}
	}
	w.c.line = append(w.c.line, text[start:]...)
	if len(text) > 0 {
		w.cr = text[len(text)-1] == '\r'
	}
}

// endLine writes the line that was collected.
func (w *Writer) endLine() {
	line := w.c.line
	if w.f.quoted {
		w.c.memory = quotedLine(w.c.memory, line)
	} else {
		if len(line) > longestLine {
			w.flaws |= longLines
		}
		if bytes.HasPrefix(line, []byte("--")) && holdsDelimiter(line, w.f.text.boundaries) {
			w.flaws |= delimiting
		}
		w.c.memory = append(w.c.memory, line...)
	}
	w.c.line = line[:0]
}

// End ends the text. An error is an *Error.
func (w *Writer) End() error {
	if w.f.pieces == nil {
		return w.c.Set(w.f.text, w.c.line)
	}
	w.endLine()
	t := w.f.text
	charset := t.charset
	if charset.ascii && w.flaws&beyondASCII != 0 {
		charset = utf8Charset
	}
	encoding := t.entity.encoding
	if !w.f.quoted {
		encoding = fitting(encoding, w.flaws)
	}
	if encoding != t.entity.encoding {
		w.c.encode(t, charset, encoding, w.c.memory[w.from:])
	} else {
		w.c.place(t, charset, encoding, w.from)
	}
	return nil
}
