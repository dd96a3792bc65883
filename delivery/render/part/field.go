package part

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/mailheader"
)

// wordDecoder decodes encoded words (RFC 2047).
var wordDecoder = mime.WordDecoder{CharsetReader: func(name string, input io.Reader) (io.Reader, error) {
	c, err := findCharset(name)
	if err != nil || c.encoding == nil {
		return input, err
	}
	return c.encoding.NewDecoder().Reader(input), nil
}}

func (t *Text) decodeField() ([]byte, error) {
	value := mailheader.AppendUnfolded(nil, t.field.Value())
	if i := invalid(value); i >= 0 {
		return nil, fmt.Errorf("byte %d is not UTF-8", i+1)
	}
	text := string(value)
	var err error
	if t.Kind == Addresses {
		text, err = decodeAddresses(text)
	} else if strings.Contains(text, "=?") {
		text, err = wordDecoder.DecodeHeader(text)
	}
	if err != nil {
		return nil, errors.New("an encoded word cannot be read: " + err.Error())
	}
	return []byte(text), nil
}

// appendField adds the field with another text to dst.
func (t *Text) appendField(dst, text []byte) ([]byte, error) {
	value := oneLine(string(text))
	if t.Kind == Addresses {
		list, err := parseAddresses(value)
		if err != nil {
			return dst, &Error{t.Name, err.Error()}
		}
		value = list
	} else if needsEncoding(value) {
		value = encodedWords(value)
	}
	return mailheader.AppendField(dst, string(t.field.Name()), value), nil
}

// oneLine has blanks instead of line ends and other control characters.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '\u2028' || c == '\u2029' || c == '\u0085' {
			return ' '
		}
		return c
	}, s))
}

// longestWord is how long a word of a text may be that is not encoded: it has to fit on a line.
const longestWord = 900

// needsEncoding reports whether a text would be read as another one if it were in a field as it is.
func needsEncoding(s string) bool {
	start := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf || i-start > longestWord:
			return true
		case c == ' ':
			start = i
		}
	}
	return strings.Contains(s, "=?")
}

// bytesPerWord is how much text an encoded word holds, so that a line with it and the name of a field is no longer than
// 76 characters.
const bytesPerWord = 39

// encodedWords encodes a text (RFC 2047). No character is in two words.
func encodedWords(s string) string {
	var b strings.Builder
	for s != "" {
		n := min(bytesPerWord, len(s))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(s[:n])) + "?=")
		s = s[n:]
	}
	return b.String()
}

// wordLength returns the length of the encoded word that s begins with, or 0.
func wordLength(s string) int {
	if !strings.HasPrefix(s, "=?") {
		return 0
	}
	charset := strings.IndexByte(s[2:], '?') + 2
	if charset < 3 || len(s) < charset+3 || s[charset+2] != '?' {
		return 0
	}
	text := charset + 3
	end := strings.Index(s[text:], "?=")
	if end < 0 || strings.ContainsAny(s[:text+end], " \t") {
		return 0
	}
	return text + end + 2
}
