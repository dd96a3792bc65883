// Package grams finds, among many, the patterns that a text may match, by parts of up to four bytes that have to occur
// in it: one pass over the text, whatever the number of patterns. Whether one does match remains to be seen.
package grams

import "bytes"

// Branch is texts that occur in a text, all of them, when one of the ways in which a pattern matches is taken.
type Branch []string

// In reports whether all of a branch is in a text.
func (b Branch) In(text []byte) bool {
	for _, l := range b {
		if !bytes.Contains(text, []byte(l)) {
			return false
		}
	}
	return true
}

// maxGram is the length of the longest parts of texts by which they are found.
const maxGram = 4

// Gram is a part of a text, of up to maxGram bytes, with its length.
type Gram struct {
	bits uint32
	n    uint8
}

// Index finds rules, which are numbers, by the grams of a text: one pass for each length of gram in use. The zero Index
// has none. Once it is finished it is safe for concurrent use.
type Index struct {
	any   bool
	byLen [maxGram + 1]struct {
		rules  map[uint32][]int32
		filter []uint64 // a bit for each hash of a gram that may be in rules
	}
}

// filterBits is the size of a filter, as a power of two: 8 KiB, and almost empty with 10,000 rules.
const filterBits = 16

func hash(g uint32) uint32 { return g * 2654435769 >> (32 - filterBits) }

// Any reports whether there are rules at all.
func (x *Index) Any() bool { return x.any }

// Add files a rule under each of some grams.
func (x *Index) Add(keys []Gram, rule int32) {
	x.any = true
	for _, g := range keys {
		l := &x.byLen[g.n]
		if l.rules == nil {
			l.rules = make(map[uint32][]int32)
		}
		l.rules[g.bits] = append(l.rules[g.bits], rule)
	}
}

// Finish makes the filters: after the last Add, before the first Each.
func (x *Index) Finish() {
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

// Each calls f with the rules whose grams are in a text. One may be found several times.
func (x *Index) Each(text []byte, f func(rule int32)) {
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
				for _, rule := range l.rules[g] {
					f(rule)
				}
			}
		}
	}
}

// Of calls f with the grams of a branch: those of each text that have the greatest length that fits.
func Of(b Branch, f func(Gram)) {
	for _, t := range b {
		n := min(len(t), maxGram)
		for i := 0; n > 0 && i+n <= len(t); i++ {
			f(gramAt(t, i, n))
		}
	}
}

func gramAt(text string, at, n int) Gram {
	g := Gram{n: uint8(n)}
	for i := at; i < at+n; i++ {
		g.bits = g.bits<<8 | uint32(text[i])
	}
	return g
}

// Rarest returns a gram of each branch, the one that counts knows the fewest of, and how many those are together; nil:
// there is no branch, or one without a gram. Of equally rare ones the longest is best.
func Rarest(branches []Branch, counts map[Gram]int) (keys []Gram, total int) {
	for _, b := range branches {
		var best Gram
		Of(b, func(g Gram) {
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
