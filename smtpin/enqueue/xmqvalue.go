package enqueue

import (
	"encoding/json"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"

	"github.com/sluicemail/sluice/internal/rawjson"
	"github.com/sluicemail/sluice/queue"
)

// isPropertyName reports whether name, in lower case, can be the name of a property.
func isPropertyName(name string) bool {
	if name == "" || len(name) > maxPropertyName {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return true
}

// isText reports whether s is UTF-8 without control characters other than tabs.
func isText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

func setString(dst *string, value string) (want string) {
	if len(value) > maxPropertyString {
		return "at most 255 bytes"
	}
	*dst = value
	return ""
}

func setBool(dst **bool, value string) (want string) {
	var b bool
	switch strings.ToLower(value) {
	case "1", "true", "yes", "on":
		b = true
	case "0", "false", "no", "off":
	default:
		return "1 or 0"
	}
	*dst = &b
	return ""
}

// setTime reads a time as messages have it.
func setTime(dst *time.Time, value string) (want string) {
	if t, ok := queue.ParseTime(value); ok && t.Year() >= 1970 {
		*dst = t
		return ""
	}
	return "a time such as 2026-12-31 23:59:59 (UTC)"
}

// decodeWords decodes encoded words (RFC 2047), in which some clients write what is long or beyond ASCII. What does not
// decode to text stays as it is.
func decodeWords(value string) string {
	if !strings.Contains(value, "=?") {
		return value
	}
	d := mime.WordDecoder{CharsetReader: charset.Reader}
	if decoded, err := d.DecodeHeader(value); err == nil && isText(decoded) {
		return decoded
	}
	return value
}

// parseInt reads a number from 0 to most, digits only.
func parseInt(s string, most int) (int, bool) {
	if s == "" || len(s) > 10 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n <= most
}

// typedJSON returns the JSON for the value of a property that is not known: a number, an array of numbers where there
// are commas, a boolean, else a string. What would not read the same again when printed as a number, such as 007, or an
// id too long for a float, stays a string.
func typedJSON(value string) json.RawMessage {
	switch lower := strings.ToLower(value); {
	case lower == "true" || lower == "false":
		return json.RawMessage(lower)
	case isNumber(value):
		return json.RawMessage(value)
	}
	if array, ok := numberArray(value); ok {
		return array
	}
	return rawjson.AppendString(nil, value)
}

func numberArray(value string) (json.RawMessage, bool) {
	if !strings.Contains(value, ",") {
		return nil, false
	}
	array := []byte{'['}
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if !isNumber(part) {
			return nil, false
		}
		if len(array) > 1 {
			array = append(array, ',')
		}
		array = append(array, part...)
	}
	return append(array, ']'), true
}

// isNumber reports whether s is a decimal number in its usual form with at most 15 digits, which every JSON reader
// keeps exactly.
func isNumber(s string) bool {
	if s == "-0" {
		return false
	}
	s = strings.TrimPrefix(s, "-")
	if s == "" || len(s) > 16 || s[0] == '0' && len(s) > 1 && s[1] != '.' {
		return false
	}
	digits, dot := 0, -1
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && dot < 0 && i > 0:
			dot = i
		default:
			return false
		}
	}
	return digits <= 15 && (dot < 0 || s[len(s)-1] >= '1' && s[len(s)-1] <= '9')
}
