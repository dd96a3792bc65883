package rules

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/rawjson"
)

// maxPointer bounds the parts of a JSON pointer.
const maxPointer = 32

// parsePointer reads a JSON pointer, RFC 6901. A name without a slash is the property of that name.
func parsePointer(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	if text == "" || text == "/" || !utf8.ValidString(text) {
		return nil, wrong("property", " %q: expected a JSON pointer such as /connection/user", text)
	}
	if !strings.HasPrefix(text, "/") {
		text = "/" + text
	}
	path := strings.Split(text[1:], "/")
	if len(path) > maxPointer {
		return nil, wrong("property", " has %d parts: expected at most %d", len(path), maxPointer)
	}
	for i, p := range path {
		for rest := p; ; {
			_, after, found := strings.Cut(rest, "~")
			if !found {
				break
			}
			if after == "" || after[0] != '0' && after[0] != '1' {
				return nil, wrong("property", " %q: expected ~0 for a tilde and ~1 for a slash (RFC 6901)", text)
			}
			rest = after
		}
		path[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return path, nil
}

// parseValue reads the value of an action: JSON, or any text that is none. Its JSON is returned without blanks.
func parseValue(text string) (raw []byte, isJSON bool) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err == nil {
		return b.Bytes(), true
	}
	return rawjson.AppendString(nil, text), false
}
