package rawjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote returns the text of a string.
func Unquote(v []byte) string { return string(unquoted(v)) }

// unquoted returns what stands between the quotes of a string, in memory of its own where it has escapes.
func unquoted(v []byte) []byte {
	if len(v) < len(`""`) {
		return nil
	}
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return AppendUnquoted(make([]byte, 0, len(inner)), inner)
}

// AppendUnquoted appends what stands between the quotes of a string, escapes undone. Half a surrogate pair becomes
// U+FFFD.
func AppendUnquoted(dst, inner []byte) []byte {
	for {
		i := bytes.IndexByte(inner, '\\')
		if i < 0 || i+1 == len(inner) {
			return append(dst, inner...)
		}
		dst = append(dst, inner[:i]...)
		c := inner[i+1]
		inner = inner[i+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			var r rune
			r, inner = unquoteRune(inner)
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
}

// unquoteRune reads what follows \u, and a second \u when they make a pair.
func unquoteRune(inner []byte) (rune, []byte) {
	r, ok := Hex4(inner)
	if !ok {
		return utf8.RuneError, inner
	}
	inner = inner[4:]
	if !utf16.IsSurrogate(r) {
		return r, inner
	}
	if len(inner) >= 6 && inner[0] == '\\' && inner[1] == 'u' {
		if low, ok := Hex4(inner[2:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, inner[6:]
			}
		}
	}
	return utf8.RuneError, inner
}

// Hex4 reads the four hexadecimal digits that b begins with.
func Hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
