package mailheader

import (
	"bytes"
	"strings"
)

// Span is a part of a mail: mail[Start:End].
type Span struct{ Start, End int }

// Span returns where the field lies in its mail.
func (f Field) Span() Span { return Span{f.Start, f.End} }

// Cut takes the spans, which must be in order and not overlap, out of mail and returns what remains, in the same
// memory.
func Cut(mail []byte, spans []Span) []byte {
	if len(spans) == 0 {
		return mail
	}
	n := spans[0].Start
	for i, s := range spans {
		next := len(mail)
		if i+1 < len(spans) {
			next = spans[i+1].Start
		}
		n += copy(mail[n:], mail[s.End:next])
	}
	return mail[:n]
}

// Remove takes every field for which drop returns true out of mail and returns what remains, in the same memory. drop
// must not keep the field.
func Remove(mail []byte, drop func(Field) bool) []byte {
	var spans []Span
	s := NewScanner(mail)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if drop(f) {
			spans = append(spans, f.Span())
		}
	}
	return Cut(mail, spans)
}

// AppendUnfolded appends the value of a field to dst on one line: line ends go, the blanks behind them stay (RFC 5322
// §2.2.3).
func AppendUnfolded(dst, value []byte) []byte {
	for {
		i := bytes.IndexAny(value, "\r\n")
		if i < 0 {
			return append(dst, value...)
		}
		dst = append(dst, value[:i]...)
		value = value[i+1:]
	}
}

// Lengths of lines, without their CRLF: where folding is preferred, and what RFC 5322 §2.1.1 allows.
const (
	foldAt  = 78
	maxLine = 998
)

// AppendField appends a field to dst, ended by CRLF. Line ends and NULs in the value become blanks, so that a value can
// never begin another field; a long one is folded at blanks. The name is taken as it is.
func AppendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ':', ' ')
	line := len(name) + 2 // length of the line so far
	value = strings.TrimFunc(value, func(r rune) bool { return r < 0x80 && isBlank(byte(r)) })
	for value != "" {
		n := wordEnd(value)
		if isBlank(value[0]) && line+n > foldAt {
			dst = append(dst, '\r', '\n')
			line = 0
		}
		for line+n > maxLine { // a word too long for any line: cut it, since nothing else is legal
			take := maxLine - line
			dst = appendClean(dst, value[:take])
			dst = append(dst, '\r', '\n', ' ')
			value, n, line = value[take:], n-take, 1
		}
		dst = appendClean(dst, value[:n])
		value, line = value[n:], line+n
	}
	return append(dst, '\r', '\n')
}

// wordEnd returns the length of the blanks that s begins with and the word behind them.
func wordEnd(s string) int {
	i := 0
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	for i < len(s) && !isBlank(s[i]) {
		i++
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0 }

func appendClean(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c == '\r' || c == '\n' || c == 0 {
			c = ' '
		}
		dst = append(dst, c)
	}
	return dst
}
