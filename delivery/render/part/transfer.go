package part

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
)

// decodeTransfer undoes a transfer encoding.
func decodeTransfer(encoding string, data []byte) ([]byte, error) {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return data, nil
	case "quoted-printable":
		return decodeQuoted(nil, data)
	case "base64":
		return decodeBase64(nil, data)
	}
	return nil, fmt.Errorf("there is no transfer encoding %.40q", encoding)
}

// decodeQuoted decodes quoted-printable (RFC 2045 §6.7). White space at the end of a line is not part of it.
func decodeQuoted(out, data []byte) ([]byte, error) {
	out = slices.Grow(out, len(data))
	for number := 1; len(data) > 0; number++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		end := data[len(line) : len(data)-len(rest)]
		if bytes.HasSuffix(line, []byte("\r")) {
			end = data[len(line)-1 : len(data)-len(rest)]
		}
		data = rest
		line = bytes.TrimRight(line, " \t\r")
		if bytes.HasSuffix(line, []byte("=")) {
			line, end = line[:len(line)-1], nil
		}
		for {
			i := bytes.IndexByte(line, '=')
			if i < 0 {
				break
			}
			if i+2 >= len(line) || hexDigits[line[i+1]] == 0 || hexDigits[line[i+2]] == 0 {
				return nil, fmt.Errorf("it is not quoted-printable as its header says: line %d has %q", number,
					line[i:min(i+3, len(line))])
			}
			out = append(append(out, line[:i]...), (hexDigits[line[i+1]]-1)<<4|(hexDigits[line[i+2]]-1))
			line = line[i+3:]
		}
		out = append(append(out, line...), end...)
	}
	return out, nil
}

// hexDigits has what a digit stands for, plus one.
var hexDigits = func() (t [256]byte) {
	for i, c := range "0123456789ABCDEF" {
		t[c] = byte(i + 1)
		t[c|0x20] = byte(i + 1)
	}
	return t
}()

func decodeBase64(out, data []byte) ([]byte, error) {
	from := len(out)
	out = slices.Grow(out, len(data))
	for _, c := range data {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			out = append(out, c)
		}
	}
	n, err := base64.StdEncoding.Decode(out[from:], out[from:])
	if err != nil {
		return nil, errors.New("it is not base64 as its header says")
	}
	return out[:from+n], nil
}

// inLines writes base64 in lines of 76 characters (RFC 2045 §6.8).
func inLines(out, data []byte) []byte {
	const perLine = 57
	out = slices.Grow(out, base64.StdEncoding.EncodedLen(len(data))+2*(len(data)/perLine+1))
	for len(data) > perLine {
		out = append(base64.StdEncoding.AppendEncode(out, data[:perLine]), '\r', '\n')
		data = data[perLine:]
	}
	return base64.StdEncoding.AppendEncode(out, data)
}

// quotedPrintable writes lines of at most 76 characters (RFC 2045 §6.7). A dash at the beginning of a line is encoded
// when another one follows, so that no line can be a boundary.
func quotedPrintable(out, data []byte) []byte {
	out = slices.Grow(out, len(data)+len(data)/8+64)
	for len(data) > 0 {
		line, rest, broken := bytes.Cut(data, []byte("\r\n"))
		out = quotedLine(out, line)
		if broken {
			out = append(out, '\r', '\n')
		}
		data = rest
	}
	return out
}

const quotedWidth = 75 // and an equals sign

// quotedPlain has the characters that stand for themselves.
var quotedPlain = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '='
	}
	t['\t'] = true
	return t
}()

func quotedLine(out, line []byte) []byte {
	if last := len(line) - 1; last >= 0 && (line[last] == ' ' || line[last] == '\t') {
		return quotedByte(quotedLine(out, line[:last]), line[last]) // at most a character longer than a line should be
	}
	width := 0
	for len(line) > 0 {
		n := 0
		if width == 0 && line[0] == '-' && len(line) > 1 && line[1] == '-' {
			out, line, width = quotedByte(out, '-'), line[1:], 3
		}
		for n < len(line) && width+n < quotedWidth && quotedPlain[line[n]] {
			n++
		}
		out = append(out, line[:n]...)
		line, width = line[n:], width+n
		if len(line) == 0 {
			break
		}
		if quotedPlain[line[0]] || width+3 > quotedWidth {
			out, width = append(out, '=', '\r', '\n'), 0
			continue
		}
		out, line, width = quotedByte(out, line[0]), line[1:], width+3
	}
	return out
}

func quotedByte(out []byte, c byte) []byte {
	return append(out, '=', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
}
