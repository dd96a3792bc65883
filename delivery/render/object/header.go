package object

import (
	"encoding/base64"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/jsontree"
)

// field is a header field whose value is encoded, but not folded.
type field struct{ name, value string }

func (b *builder) add(name, value string) { b.fields = append(b.fields, field{name, value}) }

// ours are fields that say how the mail is built.
var ours = map[string]bool{"content-type": true, "content-transfer-encoding": true, "mime-version": true, "bcc": true}

// properties are fields that have a property of their own, which must not be there as well.
var properties = map[string][]string{"from": {"from"}, "to": {"to"}, "cc": {"cc"}, "subject": {"subject"},
	"reply-to": {"replyTo", "replyto", "reply-to"}}

// customFields reads headers.
func (b *builder) customFields() (all []field) {
	headers := b.root.Object("headers")
	if headers == nil {
		return nil
	}
	for _, n := range headers.Items {
		lower := strings.ToLower(n.Key)
		if !fieldName(n.Key) {
			n.Fail(&Error{Want: "the name of a header field"})
			continue
		}
		for _, property := range properties[lower] {
			if b.root.Get(property) != nil {
				n.Fail(&Error{Want: "no such field beside the property " + property})
			}
		}
		for _, value := range several(n) {
			if ours[lower] {
				if lower != "bcc" { // which is never written
					n.Fail(&Error{Want: "no such field, as the mail's parts make it"})
				}
				continue
			}
			all = append(all, b.customField(n.Key, value)...)
		}
	}
	return all
}

// several returns the elements of an array, and anything else as it is.
func several(n *jsontree.Node) []*jsontree.Node {
	if n.Is(jsontree.Array) {
		return n.Items
	}
	return []*jsontree.Node{n}
}

func (b *builder) customField(name string, n *jsontree.Node) []field {
	if !n.Is(jsontree.String) && !n.Is(jsontree.Number) {
		if n.Kind != jsontree.Null {
			n.Expected("a string, or an array of strings")
		}
		return nil
	}
	text := oneLine(n.Text)
	value := text
	if !addr.IsASCII(text) {
		value = encodeText(text)
	}
	for word := range strings.FieldsSeq(value) {
		if len(name)+len(word) > maxLine-4 {
			n.Fail(&Error{Want: "words of less than a line of 998 bytes"})
		}
	}
	return []field{{name, value}}
}

// fieldName reports whether a text is the name of a field, RFC 5322 §2.2.
func fieldName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == ':' {
			return false
		}
	}
	return s != "" && len(s) <= 200
}

const (
	goodLine = 76
	maxLine  = 998
)

// fold writes a field in lines of 76 bytes where spaces allow that, RFC 5322 §2.2.3. Of several spaces one stays.
func (f *field) fold() []byte {
	line := []byte(f.name + ":")
	var done []byte
	begun := false // the line has a word
	for word := range strings.FieldsSeq(f.value) {
		if begun && len(line)+1+len(word) > goodLine {
			done, line = append(append(done, line...), "\r\n"...), line[:0]
		}
		line, begun = append(append(line, ' '), word...), true
	}
	return append(append(done, line...), "\r\n"...)
}

// oneLine makes spaces of tabs and line breaks, and takes out other control characters.
func oneLine(s string) string {
	pieces := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("\t\r\n\u0085\u2028\u2029", r) })
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.Join(pieces, " ")))
}

// encodeText returns the value of a field without structure, in encoded words where it needs them.
func encodeText(s string) string {
	s = oneLine(s)
	if !addr.IsASCII(s) {
		return mime.QEncoding.Encode("utf-8", s)
	}
	if strings.Contains(s, "=?") || strings.Contains(s, "  ") || longest(s) > goodLine-12 {
		return words(s)
	}
	return s
}

// longest returns the length of the longest word.
func longest(s string) (n int) {
	for word := range strings.FieldsSeq(s) {
		n = max(n, len(word))
	}
	return n
}

// phrase returns a name before an address, RFC 5322 §3.2.5.
func phrase(s string) string {
	switch {
	case !addr.IsASCII(s):
		return mime.QEncoding.Encode("utf-8", s)
	case strings.ContainsAny(s, `"\`) || strings.Contains(s, "=?") || strings.Contains(s, "  ") || longest(s) > goodLine:
		return words(s)
	case strings.ContainsAny(s, `()<>[]:;@,.`):
		return `"` + s + `"`
	}
	return s
}

// words returns a text in encoded words whatever it is, RFC 2047 §2.
func words(s string) string {
	const most = 45 // bytes in a word
	var all []string
	for s != "" {
		n := min(len(s), most)
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		all = append(all, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(all, " ")
}
