package part

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
)

// decodeTransfer undoes a transfer encoding.
func decodeTransfer(encoding string, data []byte) ([]byte, error) {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return data, nil
	case "quoted-printable":
		if bytes.IndexByte(data, '=') < 0 {
			return data, nil
		}
		var b bytes.Buffer
		b.Grow(len(data))
		if _, err := io.Copy(&b, quotedprintable.NewReader(bytes.NewReader(data))); err != nil {
			return nil, errors.New("it is not quoted-printable as its header says: " + err.Error())
		}
		return b.Bytes(), nil
	case "base64":
		return decodeBase64(data)
	}
	return nil, fmt.Errorf("there is no transfer encoding %.40q", encoding)
}

func decodeBase64(data []byte) ([]byte, error) {
	packed := make([]byte, 0, len(data))
	for _, c := range data {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			packed = append(packed, c)
		}
	}
	n, err := base64.StdEncoding.Decode(packed, packed)
	if err != nil {
		return nil, errors.New("it is not base64 as its header says")
	}
	return packed[:n], nil
}

// encodeTransfer does a transfer encoding.
func encodeTransfer(encoding string, data []byte) []byte {
	switch encoding {
	case "quoted-printable":
		return quotedPrintable(data)
	case "base64":
		return inLines(data)
	}
	return data
}

// inLines writes base64 in lines of 76 characters (RFC 2045 §6.8).
func inLines(data []byte) []byte {
	const perLine = 57
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(data))+2*(len(data)/perLine+1))
	for len(data) > 0 {
		n := min(perLine, len(data))
		out = append(base64.StdEncoding.AppendEncode(out, data[:n]), '\r', '\n')
		data = data[n:]
	}
	return bytes.TrimSuffix(out, []byte("\r\n"))
}

// quotedPrintable writes lines of at most 76 characters (RFC 2045 §6.7). A dash at the beginning of a line is encoded
// when another one follows, so that no line can be a boundary.
func quotedPrintable(data []byte) []byte {
	out := make([]byte, 0, len(data)+len(data)/8+64)
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

func quotedLine(out, line []byte) []byte {
	width := 0
	for i := 0; i < len(line); i++ {
		c := line[i]
		plain := c > ' ' && c < 0x7f && c != '=' || (c == ' ' || c == '\t') && i+1 < len(line)
		if plain && c == '-' && i+1 < len(line) && line[i+1] == '-' {
			plain = width > 0 && width < quotedWidth
		}
		n := 3
		if plain {
			n = 1
		}
		if width+n > quotedWidth {
			out = append(out, '=', '\r', '\n')
			width = 0
		}
		width += n
		if plain {
			out = append(out, c)
			continue
		}
		out = append(out, '=', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
	}
	return out
}
