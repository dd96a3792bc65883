package rules

import (
	"bytes"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailbody"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/internal/pattern"
	"github.com/sluicemail/sluice/internal/rawjson"
	"github.com/sluicemail/sluice/queue"
)

// maxHeader is how long a header may be that conditions look into; of a longer one nothing is seen.
const maxHeader = 256 << 10

// condition is a compiled Condition.
type condition struct {
	what   subject
	header string // in lower case
	path   []string
	known  *property // of path[0]; nil: nobody knows it
	match  *pattern.Pattern
	exact  string // of envelope and recipient: the folded address that has to be there
	empty  bool   // holds when there is nothing, or only empty text
	negate bool
}

// subject is what a condition looks at.
type subject uint8

const (
	ofProperty subject = iota
	ofEnvelope
	ofRecipient
	ofHeader
)

// compileCondition reads a condition.
func compileCondition(r *Condition) (*condition, error) {
	c := &condition{negate: r.Negate}
	if err := c.setProperty(r.Property); err != nil {
		return nil, err
	}
	typ, err := pattern.ParseType(r.Type)
	if err != nil {
		return nil, at("type", err)
	}
	if typ == pattern.Exact && r.Value == "" {
		c.empty = true
		return c, nil
	}
	if c.match, err = pattern.Compile(typ, r.Value, true); err != nil {
		return nil, at("value", err)
	}
	if typ == pattern.Exact && (c.what == ofEnvelope || c.what == ofRecipient) {
		c.exact = addr.FoldAddress(r.Value)
	}
	return c, nil
}

// setProperty reads what a condition looks at: envelope, recipient, a header field, or anything by JSON pointer.
func (c *condition) setProperty(text string) error {
	text = strings.TrimSpace(text)
	name, isHeader := cutPrefixFold(text, "header:")
	switch name = strings.TrimSpace(name); {
	case isHeader:
		return c.setHeader(name)
	case strings.EqualFold(name, "envelope"), name == "/envelope":
		c.what = ofEnvelope
	case strings.EqualFold(name, "recipient"), name == "/recipient":
		c.what = ofRecipient
	case strings.HasPrefix(name, "/"):
		return c.setPath(name)
	default:
		return c.setHeader(name)
	}
	return nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func (c *condition) setHeader(name string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
		return wrong("property", " %q: expected envelope, recipient, the name of a header field, or a JSON pointer", name)
	}
	c.what, c.header = ofHeader, strings.ToLower(name)
	return nil
}

func (c *condition) setPath(pointer string) (err error) {
	if c.path, err = parsePointer(pointer); err != nil {
		return err
	}
	c.known = knownProperty(c.path[0])
	if c.known != nil && c.known.mail && (len(c.path) == 1 || c.path[0] != "mime") {
		return wrong("property", " %q: expected a property, or a header field: the text of the mail is not looked at",
			pointer)
	}
	if c.path[0] == markDelays || c.path[0] == "delayed-by" {
		c.known = nil // they are kept as those are that nobody knows
	}
	return nil
}

// view is a message while its conditions are looked at. The header of the mail is read once.
type view struct {
	m      *queue.Message
	header []byte
	read   bool
}

// holds reports whether a condition holds.
func (c *condition) holds(v *view) bool {
	found := false
	switch c.what {
	case ofEnvelope:
		found = c.address(v.m.Envelope)
	case ofRecipient:
		found = c.address(v.m.Recipient)
	case ofHeader:
		found = c.inHeader(v)
	default:
		found = c.inProperty(v.m)
	}
	return found != c.negate
}

// address matches an address as it is written, and as addresses are compared.
func (c *condition) address(text string) bool {
	switch {
	case c.empty:
		return text == ""
	case c.exact != "":
		return addr.FoldAddress(text) == c.exact
	case c.match.Match(text):
		return true
	}
	folded := addr.FoldAddress(text)
	return len(folded) != len(text) && c.match.Match(folded)
}

// inProperty matches a property by its pointer: of an array any element.
func (c *condition) inProperty(m *queue.Message) bool {
	if len(c.path) == 1 && c.path[0] == "tags" && m.Extra["tags"] == nil {
		return c.any(m.Tags)
	}
	var raw []byte
	if c.known == nil {
		raw = m.Extra[c.path[0]]
	} else {
		raw = part(c.known, c.path[0], m)
	}
	if len(raw) == 0 {
		return c.empty
	}
	some, found := false, false
	texts(descend(raw, c.path[1:]), func(s string) bool {
		some = some || s != ""
		found = !c.empty && c.match.Match(s)
		return !found
	})
	return found || c.empty && !some
}

func (c *condition) any(list []string) bool {
	if c.empty {
		return !slices.ContainsFunc(list, func(s string) bool { return s != "" })
	}
	return slices.ContainsFunc(list, c.match.Match)
}

// inHeader matches the fields of a name, any of them.
func (c *condition) inHeader(v *view) bool {
	var room [8]string
	return c.any(v.fields(room[:0], c.header))
}

// fields appends the values of the fields of a name: unfolded, and without encoded words (RFC 2047). Of a mail that is
// yet to be made, they are those of its description. There are none of a mail that lies in the message store.
func (v *view) fields(dst []string, name string) []string {
	if v.m.Body == nil {
		return composed(dst, v.m.Compose, name)
	}
	if !v.read {
		v.read = true
		v.header, _ = mailbody.Header(v.m.Body, maxHeader) // what cannot be read is found out when the mail is sent
	}
	s := mailheader.NewScanner(v.header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if f.Is(name) {
			dst = append(dst, decodeWords(string(mailheader.AppendUnfolded(nil, f.Value()))))
		}
	}
	return dst
}

// decodeWords decodes encoded words where their character set is known, and makes the rest UTF-8.
func decodeWords(text string) string {
	if strings.Contains(text, "=?") {
		var d mime.WordDecoder
		if decoded, err := d.DecodeHeader(text); err == nil {
			text = decoded
		}
	}
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	return text
}

// composed appends what a mail that is yet to be made has for a field: its subject, and those under headers.
func composed(dst []string, raw []byte, name string) []string {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' {
		return dst
	}
	add := func(s string) bool {
		dst = append(dst, s)
		return true
	}
	if name == "subject" {
		texts(child(raw, "subject"), add)
	}
	headers := child(raw, "headers")
	if len(headers) > 0 && headers[0] == '{' {
		rawjson.Members(headers, func(n, v []byte) bool {
			if strings.EqualFold(string(n), name) {
				texts(v, add)
			}
			return true
		})
	}
	return dst
}
