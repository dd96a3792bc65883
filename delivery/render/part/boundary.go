package part

import "bytes"

// delimiters finds the lines that separate the parts of a multipart (RFC 2046 §5.1.1): two dashes, the boundary,
// perhaps two dashes, perhaps white space. A line that goes on otherwise is none.
type delimiters struct {
	raw      []byte
	at       int // the beginning of a line
	boundary []byte
}

// next returns where the next delimiter is and where the line after it begins; closing means that it is the last one.
// Without one it is at the end of raw, and next is -1.
func (d *delimiters) next() (line, next int, closing bool) {
	for d.at < len(d.raw) {
		line, rest := d.at, d.raw[d.at:]
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		d.at += end
		if found, closing := isDelimiter(rest[:end], d.boundary); found {
			return line, d.at, closing
		}
	}
	return len(d.raw), -1, false
}

func isDelimiter(line, boundary []byte) (found, closing bool) {
	if len(line) < 2+len(boundary) || line[0] != '-' || line[1] != '-' {
		return false, false
	}
	rest, found := bytes.CutPrefix(line[2:], boundary)
	if !found {
		return false, false
	}
	rest, closing = bytes.CutPrefix(rest, []byte("--"))
	return len(bytes.TrimRight(rest, " \t\r\n")) == 0, closing
}

// holdsDelimiter reports whether a line of a text would be taken for a delimiter.
func holdsDelimiter(text []byte, boundaries [][]byte) bool {
	for _, boundary := range boundaries {
		d := delimiters{raw: text, boundary: boundary}
		if _, next, _ := d.next(); next >= 0 {
			return true
		}
	}
	return false
}
