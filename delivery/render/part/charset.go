package part

import (
	"encoding/binary"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// charset is how the characters of a text are written.
type charset struct {
	name     string            // as it is in the mail; "" when it is not
	encoding encoding.Encoding // nil: UTF-8, or ASCII
	ascii    bool              // declared to be ASCII, or not at all
}

// utf8Charset has all characters.
var utf8Charset = charset{name: "utf-8"}

func findCharset(name string) (charset, error) {
	switch strings.ToLower(name) {
	case "", "us-ascii", "ascii":
		return charset{name: name, ascii: true}, nil
	case "utf-8", "utf8":
		return charset{name: name}, nil
	}
	if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil {
		return charset{name: name, encoding: e}, nil
	}
	if e, err := htmlindex.Get(name); err == nil {
		return charset{name: name, encoding: e}, nil
	}
	return charset{}, fmt.Errorf("there is no charset %.40q", name)
}

// decode returns data in UTF-8.
func (c charset) decode(data []byte) ([]byte, error) {
	if c.encoding == nil {
		if i := invalid(data); i >= 0 {
			return nil, fmt.Errorf("byte %d is not UTF-8", i+1)
		}
		return data, nil
	}
	text, err := c.encoding.NewDecoder().Bytes(data)
	if err != nil {
		return nil, fmt.Errorf("it is not in charset %.40q", c.name)
	}
	if strings.ContainsRune(string(text), utf8.RuneError) {
		return nil, fmt.Errorf("it holds bytes that are no characters of charset %.40q", c.name)
	}
	return text, nil
}

// invalid returns the offset of the first byte that is not UTF-8, or -1.
func invalid(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

// encode writes a text in c, or in UTF-8 when c does not have all of its characters.
func (c charset) encode(text []byte) (charset, []byte) {
	if c.encoding != nil {
		data, err := c.encoding.NewEncoder().Bytes(text)
		if err == nil {
			return c, data
		}
		return utf8Charset, text
	}
	if c.ascii && !isASCII(text) {
		return utf8Charset, text
	}
	return c, text
}

func isASCII(text []byte) bool {
	for ; len(text) >= 8; text = text[8:] {
		if binary.LittleEndian.Uint64(text)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// withCharset is the Content-Type of a part in another charset.
func withCharset(e *entity, name string) string {
	params := map[string]string{"charset": name}
	for key, value := range e.params {
		if key != "charset" {
			params[key] = value
		}
	}
	return mime.FormatMediaType(e.mediaType, params)
}
