package webhook

import (
	"bytes"
	"hash/maphash"
)

// batch is the body of a request, with the results of the journal from first on.
type batch struct {
	first, end place
	lines      int
	body       []byte   // a JSON array
	messages   []uint64 // hashes of what they are about; nil while requests go one by one
	flying     bool
	done       bool // taken, or refused for good
	outcome    outcome
}

// messageOf returns what tells the message of a line from others: the id without the count of attempts.
func messageOf(line []byte) []byte {
	id, _, _ := bytes.Cut(bytes.TrimPrefix(line, []byte(lineMark)), []byte(atMark))
	return id[:max(bytes.LastIndexByte(id, '/'), 0)]
}

// hashes returns a hash for each line's message, up to the first that is among others.
func hashes(seed maphash.Seed, lines []byte, others map[uint64]int) []uint64 {
	all := make([]uint64, 0, countLines(lines))
	for line := range bytes.Lines(lines) {
		h := maphash.Bytes(seed, messageOf(line))
		if others[h] > 0 {
			break
		}
		all = append(all, h)
	}
	return all
}

// array makes a JSON array of a bracket with lines behind it, where they are.
func array(body []byte) []byte {
	replace(body, '\n', ',')
	body[len(body)-1] = ']'
	return body
}

// replace puts one byte for another, where they are.
func replace(text []byte, old, by byte) {
	for {
		n := bytes.IndexByte(text, old)
		if n < 0 {
			return
		}
		text[n] = by
		text = text[n+1:]
	}
}

func countLines(lines []byte) int { return bytes.Count(lines, []byte{'\n'}) }
