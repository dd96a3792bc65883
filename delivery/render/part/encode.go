package part

import (
	"bytes"
)

// longestLine is how many bytes a line may have, without its end (RFC 5322 §2.1.1).
const longestLine = 998

// fitting returns the transfer encoding for new data of a part: the one it had, unless that cannot hold it.
func fitting(encoding string, data []byte, boundaries [][]byte) string {
	switch encoding {
	case "quoted-printable", "base64":
		return encoding
	}
	eight := encoding == "8bit" || encoding == "binary"
	if !eight && !isASCII(data) || bytes.IndexByte(data, 0) >= 0 || hasLongLine(data) || holdsDelimiter(data, boundaries) {
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
