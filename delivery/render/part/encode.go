package part

import (
	"bytes"
)

// longestLine is how many bytes a line may have, without its end (RFC 5322 §2.1.1).
const longestLine = 998

// flaws are what may keep a text from being written as it is.
type flaws uint8

const (
	beyondASCII flaws = 1 << iota
	withNUL
	longLines
	delimiting // a line would be taken for a delimiter
)

// flawsOf returns what is in data whose lines end with CRLF.
func flawsOf(data []byte, boundaries [][]byte) (f flaws) {
	if !isASCII(data) {
		f |= beyondASCII
	}
	if bytes.IndexByte(data, 0) >= 0 {
		f |= withNUL
	}
	if hasLongLine(data) {
		f |= longLines
	}
	if holdsDelimiter(data, boundaries) {
		f |= delimiting
	}
	return f
}

// fitting returns the transfer encoding for a part that was not encoded: the one it had, unless its new text has flaws.
func fitting(encoding string, f flaws) string {
	if encoding == "8bit" || encoding == "binary" {
		f &^= beyondASCII
	}
	if f != 0 {
		return "quoted-printable"
	}
	return encoding
}

func hasLongLine(data []byte) bool {
	for len(data) > longestLine {
		end := bytes.IndexByte(data, '\n')
		if end < 0 || end > longestLine+1 {
			return true
		}
		data = data[end+1:]
	}
	return false
}

// crlf ends all lines with CRLF.
func crlf(text []byte) []byte {
	pairs := bytes.Count(text, []byte("\r\n"))
	bare := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) - 2*pairs
	if bare == 0 {
		return text
	}
	out := make([]byte, 0, len(text)+bare)
	for i, c := range text {
		switch {
		case c == '\n' && (i == 0 || text[i-1] != '\r'), c == '\r' && (i+1 == len(text) || text[i+1] != '\n'):
			out = append(out, '\r', '\n')
		default:
			out = append(out, c)
		}
	}
	return out
}
