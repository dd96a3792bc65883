package rules

import (
	"unicode"
	"unicode/utf8"
)

// appendCanonical appends the form of a text in which texts are equal that a pattern may take for each other because
// case makes no difference to it.
func appendCanonical[S string | []byte](dst []byte, text S) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= utf8.RuneSelf {
			return appendCanonicalRunes(dst, string(text[i:]))
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func appendCanonicalRunes(dst []byte, text string) []byte {
	for _, c := range text {
		dst = utf8.AppendRune(dst, canonicalRune(c))
	}
	return dst
}

// canonicalRune returns the first of all characters that are equal but for case, both as lower case has it and as
// regular expressions do.
func canonicalRune(c rune) rune {
	c = unicode.ToLower(c)
	first := c
	for next := unicode.SimpleFold(c); next != c; next = unicode.SimpleFold(next) {
		first = min(first, next)
	}
	return first
}

func canonical(text string) string { return string(appendCanonical(nil, text)) }
