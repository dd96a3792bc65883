package authres

import (
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
)

// Header is an Authentication-Results field.
type Header struct {
	ID       string // the authserv-id: the name of the server that checked
	Version  int    // of the field's form; 0 and 1 are the only one there is
	Instance int    // of ARC-Authentication-Results: the number of the set; 0: plain Authentication-Results
	// Results have Check, Verdict, Reason and Properties. None: nothing was checked, or nothing found.
	Results []checks.Result
}

// Limits of what is written: a line of a mail may have 998 bytes (RFC 5322 §2.1.1).
const (
	maxValue  = 400
	maxReason = 200
	width     = 78
)

// Append appends the field, folded and ended by CRLF. Nothing in a result can end the field or begin another result:
// values are quoted where they must be, and control characters become question marks. Results whose check or verdict is
// no keyword are left out, and so are properties whose value is longer than 400 bytes.
func (h *Header) Append(dst []byte) []byte {
	w := writer{dst: dst, line: len(dst)}
	if h.Instance > 0 {
		w.put("ARC-Authentication-Results: i=" + strconv.Itoa(h.Instance) + "; ")
	} else {
		w.put("Authentication-Results: ")
	}
	w.value(h.ID, "")
	if h.Version > 1 {
		w.put(" " + strconv.Itoa(h.Version))
	}
	empty := true
	for i := range h.Results {
		if r := &h.Results[i]; keyword(r.Check) && keyword(string(r.Verdict)) {
			w.result(r)
			empty = false
		}
	}
	if empty {
		w.put("; none")
	}
	return append(w.dst, '\r', '\n')
}

// writer folds as it writes.
type writer struct {
	dst  []byte
	line int // where the current line begins
}

func (w *writer) put(s string) { w.dst = append(w.dst, s...) }

// fold begins a new line.
func (w *writer) fold() {
	w.put("\r\n")
	w.line = len(w.dst)
	w.put("\t")
}

func (w *writer) result(r *checks.Result) {
	w.put(";")
	w.fold()
	w.put(r.Check + "=" + string(r.Verdict))
	if r.Reason != "" {
		w.pair("reason", clip(r.Reason), true)
	}
	for _, p := range r.Properties {
		if propertyName(p.Name) && len(p.Value) <= maxValue {
			w.pair(p.Name, p.Value, false)
		}
	}
}

// pair writes name=value, on a line of its own when it does not fit.
func (w *writer) pair(name, value string, quoted bool) {
	if len(w.dst)-w.line+len(name)+len(value)+2 > width {
		w.fold()
	} else {
		w.put(" ")
	}
	w.put(name + "=")
	if quoted {
		w.quote(value)
		return
	}
	w.value(value, "@")
}

// value writes a token, which may have some more characters, as it is, and quotes everything else.
func (w *writer) value(s, more string) {
	if s == "" {
		w.quote(s)
		return
	}
	for i := range len(s) {
		if c := s[i]; !tokenByte(c) && strings.IndexByte(more, c) < 0 {
			w.quote(s)
			return
		}
	}
	w.put(s)
}

func (w *writer) quote(s string) {
	w.dst = append(w.dst, '"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			w.dst = append(w.dst, '\\')
		case c < ' ' || c == 0x7f:
			c = '?'
		}
		w.dst = append(w.dst, c)
	}
	w.dst = append(w.dst, '"')
}

// clip shortens a text for people, not within a character.
func clip(s string) string {
	if len(s) <= maxReason {
		return s
	}
	n := maxReason
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "..."
}

// Remove takes out of a mail, or of a header, every Authentication-Results that bears this authserv-id, in any
// spelling, and every one whose authserv-id cannot be read: a sender has no business with either. It works in the
// mail's own memory and returns what remains. Fields of other servers stay, and so does ARC-Authentication-Results,
// which its seal protects.
func Remove(mail []byte, id string) []byte {
	id = normal(id)
	return mailheader.Remove(mail, func(f mailheader.Field) bool {
		return f.Is("authentication-results") && claims(f.Value(), id)
	})
}

// Claims reports whether the value of an Authentication-Results field bears an authserv-id, or none that can be read:
// the rule of [Remove].
func Claims(value []byte, id string) bool { return claims(value, normal(id)) }

func claims(value []byte, id string) bool {
	if len(value) > maxLength {
		value = value[:maxLength]
	}
	p := parser{rest: string(value)}
	if p.instance(&Header{}) != nil { // belongs into the ARC field only, but careless readers skip it
		return true
	}
	found, err := p.id()
	return err != nil || normal(found) == id
}

// normal brings an authserv-id into the form in which ids are compared.
func normal(id string) string { return addr.Fold(strings.TrimSuffix(strings.TrimSpace(id), ".")) }

// keyword reports whether s is a Keyword (RFC 5321 §4.1.2), underscores allowed.
func keyword(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || i > 0 && (c == '-' || c == '_')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// propertyName reports whether s is ptype.property. Properties may have dots, as policy.dkim-rules or
// header.oldest-pass.
func propertyName(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if !keyword(part) {
			return false
		}
	}
	return true
}

// tokenByte reports whether c may stand in a token (RFC 2045 §5.1).
func tokenByte(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, c) < 0
}
