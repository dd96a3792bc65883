package pattern

import (
	"errors"
	"unicode/utf8"
)

// element is one thing that a wildcard pattern asks for.
type element struct {
	kind kind
	char rune   // of literal
	not  bool   // of set: none of these
	set  []span // of set
}

type kind uint8

const (
	literal  kind = iota
	anyChar       // ?
	anything      // *
	set           // [a-z]
)

// span is a range of characters.
type span struct{ from, to rune }

var (
	errNoBracket = errors.New("a [ has no ]")
	errBackslash = errors.New("nothing follows the \\ at the end")
	errRange     = errors.New("a range in [] ends before it begins")
)

// parseGlob reads a wildcard pattern. Several * in a row are one.
func parseGlob(text string) ([]element, error) {
	runes := []rune(text)
	var glob []element
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; c {
		case '*':
			if n := len(glob); n == 0 || glob[n-1].kind != anything {
				glob = append(glob, element{kind: anything})
			}
		case '?':
			glob = append(glob, element{kind: anyChar})
		case '[':
			e, n, err := parseSet(runes[i+1:])
			if err != nil {
				return nil, err
			}
			glob = append(glob, e)
			i += n
		case '\\':
			if i++; i == len(runes) {
				return nil, errBackslash
			}
			glob = append(glob, element{char: runes[i]})
		default:
			glob = append(glob, element{char: c})
		}
	}
	return glob, nil
}

// parseSet reads what follows a [ and returns how long it is with its ]. A ] that comes first stands for itself.
func parseSet(runes []rune) (e element, n int, err error) {
	e.kind = set
	i := 0
	if i < len(runes) && (runes[i] == '!' || runes[i] == '^') {
		e.not = true
		i++
	}
	for first := true; ; first = false {
		if i >= len(runes) {
			return e, 0, errNoBracket
		}
		if runes[i] == ']' && !first {
			return e, i + 1, nil
		}
		var from, to rune
		if from, i, err = setChar(runes, i); err != nil {
			return e, 0, err
		}
		to = from
		if i+1 < len(runes) && runes[i] == '-' && runes[i+1] != ']' {
			if to, i, err = setChar(runes, i+1); err != nil {
				return e, 0, err
			}
		}
		if to < from {
			return e, 0, errRange
		}
		e.set = append(e.set, span{from, to})
	}
}

// setChar reads a character of a set and returns where the next one is.
func setChar(runes []rune, i int) (c rune, next int, err error) {
	if runes[i] == '\\' {
		if i++; i == len(runes) {
			return 0, 0, errNoBracket
		}
	}
	return runes[i], i + 1, nil
}

func (e *element) matches(c rune) bool {
	switch e.kind {
	case literal:
		return c == e.char
	case anyChar:
		return true
	}
	for _, s := range e.set {
		if s.from <= c && c <= s.to {
			return !e.not
		}
	}
	return e.not
}

// matchGlob matches the whole of s. When something does not fit, only the last * is given one character more: those
// before it have nothing to gain, so the work is bounded by the product of the lengths.
func matchGlob(glob []element, s string) bool {
	g, i := 0, 0
	star, from := -1, 0 // the last *, and where what follows it was tried
	for i < len(s) {
		if g < len(glob) && glob[g].kind == anything {
			star, from = g, i
			g++
			continue
		}
		c, n := utf8.DecodeRuneInString(s[i:])
		if g < len(glob) && glob[g].matches(c) {
			g++
			i += n
			continue
		}
		if star < 0 {
			return false
		}
		_, n = utf8.DecodeRuneInString(s[from:])
		from += n
		g, i = star+1, from
	}
	for g < len(glob) && glob[g].kind == anything {
		g++
	}
	return g == len(glob)
}
