package rawjson

import (
	"bytes"
	"unicode/utf8"
)

// Members calls each with the members of an object, in order, until it says false. Names are as they stand between
// their quotes; those with escapes are copied to undo them.
func Members[V ~[]byte](object V, each func(name []byte, v V) bool) {
	rest := inside(object)
	for len(rest) > 0 && rest[0] == '"' {
		n := stringEnd(rest)
		name := rest[:n]
		rest = TrimSpace(rest[n:])
		if len(rest) == 0 || rest[0] != ':' {
			return
		}
		rest = TrimSpace(rest[1:])
		v := rest[:valueEnd(rest)]
		if len(v) == 0 || !each(unquoted(name), v) {
			return
		}
		rest = next(rest[len(v):])
	}
}

// Elements calls each with the elements of an array, in order, until it says false.
func Elements[V ~[]byte](array V, each func(i int, v V) bool) {
	rest := inside(array)
	for i := 0; len(rest) > 0; i++ {
		v := rest[:valueEnd(rest)]
		if len(v) == 0 || !each(i, v) {
			return
		}
		rest = next(rest[len(v):])
	}
}

// inside returns what follows the bracket at the start of a container.
func inside[V ~[]byte](container V) V {
	if len(container) == 0 {
		return nil
	}
	return TrimSpace(container[1:])
}

// next returns what follows the comma after a value; nil when there is none.
func next[V ~[]byte](rest V) V {
	if rest = TrimSpace(rest); len(rest) == 0 || rest[0] != ',' {
		return nil
	}
	return TrimSpace(rest[1:])
}

// valueEnd returns the length of the value at the start of b; zero: there is none.
func valueEnd(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"':
		return stringEnd(b)
	case '{', '[':
		return containerEnd(b)
	}
	if n := bytes.IndexAny(b, ",]} \n\r\t"); n >= 0 {
		return n
	}
	return len(b)
}

// stringEnd returns the length of the string at the start of b.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			break
		}
		i += n
		escaped := false // by an odd number of backslashes
		for j := i - 1; b[j] == '\\'; j-- {
			escaped = !escaped
		}
		if !escaped {
			return i + 1
		}
	}
	return len(b)
}

// containerEnd returns the length of the object or array at the start of b.
func containerEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i += stringEnd(b[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(b)
}

// TrimSpace cuts white space off the start of b.
func TrimSpace[V ~[]byte](b V) V {
	for len(b) > 0 && IsSpace(b[0]) {
		b = b[1:]
	}
	return b
}

// IsSpace reports whether a byte is white space between tokens (RFC 8259 §2).
func IsSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// Compact returns a copy of a value without white space between tokens, and in UTF-8: what was not becomes U+FFFD.
func Compact(v []byte) []byte {
	out := make([]byte, 0, len(v))
	for len(v) > 0 {
		switch {
		case v[0] == '"':
			n := stringEnd(v)
			out = append(out, v[:n]...)
			v = v[n:]
		case IsSpace(v[0]):
			v = v[1:]
		default:
			out = append(out, v[0])
			v = v[1:]
		}
	}
	if !utf8.Valid(out) {
		out = bytes.ToValidUTF8(out, []byte("\uFFFD"))
	}
	return out
}
