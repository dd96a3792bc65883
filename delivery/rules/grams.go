package rules

import (
	"unicode"
	"unicode/utf8"
)

// maxGram is the length of the longest parts of texts by which they are found.
const maxGram = 4

// gram is a part of a text, of up to maxGram bytes, with its length.
type gram struct {
	bits uint32
	n    uint8
}

// grams finds rules by parts of a text: one pass over the text for each length of gram in use, whatever the number of
// rules.
type grams struct {
	any   bool
	byLen [maxGram + 1]struct {
		rules  map[uint32][]int32
		filter []uint64 // a bit for each hash of a gram that may be in rules
	}
}

// filterBits is the size of a filter, as a power of two: 8 KiB, and almost empty with 10,000 rules.
const filterBits = 16

func hash(g uint32) uint32 { return g * 2654435769 >> (32 - filterBits) }

// add files a rule under each of some grams.
func (x *grams) add(keys []gram, rule int32) {
	x.any = true
	for _, g := range keys {
		push(&x.byLen[g.n].rules, g.bits, rule)
	}
}

// finish makes the filters.
func (x *grams) finish() {
	for n := range x.byLen {
		l := &x.byLen[n]
		if len(l.rules) == 0 {
			continue
		}
		l.filter = make([]uint64, 1<<filterBits/64)
		for g := range l.rules {
			h := hash(g)
			l.filter[h/64] |= 1 << (h % 64)
		}
	}
}

// find appends the rules whose grams are in a canonical text. One may be found several times.
func (x *grams) find(dst []int32, text []byte) []int32 {
	for n := 1; n <= maxGram; n++ {
		l := &x.byLen[n]
		if l.filter == nil {
			continue
		}
		mask := uint32(1)<<(8*n) - 1
		if n == maxGram {
			mask = ^uint32(0)
		}
		var g uint32
		for i, c := range text {
			g = (g<<8 | uint32(c)) & mask
			h := hash(g)
			if i >= n-1 && l.filter[h/64]&(1<<(h%64)) != 0 {
				dst = append(dst, l.rules[g]...)
			}
		}
	}
	return dst
}

// gramsOf calls f with the grams of a branch: those of each text that have the greatest length that fits.
func gramsOf(b branch, f func(gram)) {
	for _, t := range b {
		n := min(len(t), maxGram)
		for i := 0; n > 0 && i+n <= len(t); i++ {
			f(gramAt(t, i, n))
		}
	}
}

func gramAt(text string, at, n int) gram {
	g := gram{n: uint8(n)}
	for i := at; i < at+n; i++ {
		g.bits = g.bits<<8 | uint32(text[i])
	}
	return g
}

// rarest returns a gram of each branch, the one that counts knows the fewest of, and how many those are together; nil:
// there is no branch, or one without a gram. Of equally rare ones the longest is best.
func rarest(branches []branch, counts map[gram]int) (keys []gram, total int) {
	for _, b := range branches {
		var best gram
		gramsOf(b, func(g gram) {
			if best.n == 0 || counts[g] < counts[best] || counts[g] == counts[best] && g.n > best.n {
				best = g
			}
		})
		if best.n == 0 {
			return nil, 0
		}
		keys = append(keys, best)
		total += counts[best]
	}
	return keys, total
}

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
