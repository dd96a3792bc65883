package mailsig

import "bytes"

// Form is a way of canonicalisation (RFC 6376 §3.4).
type Form uint8

// The two ways.
const (
	Simple Form = iota
	Relaxed
)

// String returns its name in a c= tag.
func (f Form) String() string {
	if f == Relaxed {
		return "relaxed"
	}
	return "simple"
}

// parseForms reads a c= tag: header/body, where the body is simple unless said otherwise.
func parseForms(s string) (header, body Form, ok bool) {
	h, b, _ := bytes.Cut([]byte(s), []byte("/"))
	header, ok1 := parseForm(string(h))
	body, ok2 := parseForm(string(b))
	return header, body, ok1 && ok2
}

func parseForm(s string) (Form, bool) {
	switch s {
	case "", "simple":
		return Simple, true
	case "relaxed":
		return Relaxed, true
	}
	return 0, false
}

// appendField appends a field in canonical form, with a CRLF at its end.
func appendField(dst, raw []byte, form Form) []byte {
	if form == Simple {
		return appendSimple(dst, raw)
	}
	name, value, _ := bytes.Cut(raw, []byte(":"))
	for _, c := range bytes.TrimRight(name, " \t") {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	dst = append(dst, ':')
	space, start := false, len(dst)
	for _, c := range value {
		if blank(c) {
			space = true
			continue
		}
		if space && len(dst) > start {
			dst = append(dst, ' ')
		}
		space = false
		dst = append(dst, c)
	}
	return append(dst, '\r', '\n')
}

func appendSimple(dst, raw []byte) []byte {
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\n')
		if i < 0 {
			return append(append(dst, raw...), '\r', '\n')
		}
		dst = append(append(dst, bytes.TrimSuffix(raw[:i], []byte("\r"))...), '\r', '\n')
		raw = raw[i+1:]
	}
	return dst
}
