package mailheader

import "bytes"

// Length returns the length of the header of mail, the empty line that ends it included. When there is no empty line
// yet, it returns len(mail) and false. from is where to start looking: zero, or what an earlier call with a shorter
// part of the same mail returned, so that a mail that arrives in pieces is looked at once.
func Length(mail []byte, from int) (n int, complete bool) {
	pos := max(0, from-2)
	if pos == 0 {
		if n := emptyLine(mail); n > 0 {
			return n, true
		}
	}
	for {
		i := bytes.IndexByte(mail[pos:], '\n')
		if i < 0 {
			return len(mail), false
		}
		pos += i + 1
		if n := emptyLine(mail[pos:]); n > 0 {
			return pos + n, true
		}
	}
}

// emptyLine returns the length of the line end that b starts with, or zero.
func emptyLine(b []byte) int {
	switch {
	case len(b) > 0 && b[0] == '\n':
		return 1
	case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
		return 2
	}
	return 0
}

// Headless reports whether mail begins at once with text: its first line is neither empty nor a field. A caller that
// puts fields before such a mail must put an empty line behind them, or the text would become part of the header. A
// first line "From " as mailbox files have it does not count.
func Headless(mail []byte) bool {
	if len(mail) == 0 || emptyLine(mail) > 0 ||
		bytes.HasPrefix(mail, []byte("From ")) || bytes.HasPrefix(mail, []byte(">From ")) {
		return false
	}
	line := mail
	if i := bytes.IndexByte(mail, '\n'); i >= 0 {
		line = mail[:i]
	}
	name, _ := splitName(line)
	return name == 0
}

// Scanner walks over the fields of a header.
//
//	s := mailheader.NewScanner(mail)
//	for f, ok := s.Next(); ok; f, ok = s.Next() { … }
type Scanner struct {
	mail []byte
	pos  int
}

// NewScanner returns a Scanner of the header of mail. It stops at the empty line; mail may, but need not, go on behind
// it.
func NewScanner(mail []byte) Scanner { return Scanner{mail: mail} }

// Field is one field of a header, with its folded lines. It refers to the mail it was read from.
type Field struct {
	Start, End int    // mail[Start:End] is the field with its line ends
	Raw        []byte // those bytes
	name       int    // length of the name; zero when the line is not a field
	colon      int    // offset of the colon in Raw; -1 when the line is not a field
}

// Next returns the next field, or false at the end of the header.
func (s *Scanner) Next() (Field, bool) {
	rest := s.mail[s.pos:]
	if len(rest) == 0 || emptyLine(rest) > 0 {
		return Field{}, false
	}
	end := 0
	for {
		i := bytes.IndexByte(rest[end:], '\n')
		if i < 0 {
			end = len(rest)
			break
		}
		end += i + 1
		if end == len(rest) || rest[end] != ' ' && rest[end] != '\t' {
			break
		}
	}
	f := Field{Start: s.pos, End: s.pos + end, Raw: rest[:end:end]}
	f.name, f.colon = splitName(f.Raw)
	s.pos += end
	return f, true
}

// Offset returns how far the scanner has come: the start of the next field, or of the empty line at the end.
func (s *Scanner) Offset() int { return s.pos }

// splitName returns the length of the name that a field starts with and where its colon is; 0 and -1 when there is
// none. Blanks before the colon are allowed, as RFC 5322 §4.5 has it, and do not belong to the name.
func splitName(b []byte) (name, colon int) {
	i := 0
	for i < len(b) && b[i] > ' ' && b[i] != ':' && b[i] != 0x7f {
		i++
	}
	name = i
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	if name == 0 || i == len(b) || b[i] != ':' {
		return 0, -1
	}
	return name, i
}

// Name returns the field's name as it is written, or an empty slice for a line that is no field.
func (f Field) Name() []byte { return f.Raw[:f.name] }

// Value returns what stands behind the colon without blanks and line ends around it; folds inside it remain. See
// [AppendUnfolded]. For a line that is no field it is the line.
func (f Field) Value() []byte { return bytes.Trim(f.Raw[f.colon+1:], " \t\r\n") }

// Is reports whether the field has this name, which must be in lower case, in any case.
func (f Field) Is(lower string) bool { return f.name == len(lower) && f.HasPrefix(lower) }

// HasPrefix reports whether the field's name begins with this text, which must be in lower case, in any case.
func (f Field) HasPrefix(lower string) bool {
	if f.name < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := f.Raw[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// Find returns the first field of this name, which must be in lower case, in any case.
func Find(mail []byte, lower string) (Field, bool) {
	s := NewScanner(mail)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if f.Is(lower) {
			return f, true
		}
	}
	return Field{}, false
}
