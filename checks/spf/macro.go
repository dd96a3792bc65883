package spf

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// macros knows what the letters of macros stand for (§7.2).
type macros struct {
	identity
	client    netip.Addr
	current   string // %{d}: whose record it is
	validated string // %{p}
}

// value returns what a letter stands for.
func (m *macros) value(letter byte) string {
	switch letter | 0x20 {
	case 's':
		return m.local + "@" + m.domain
	case 'l':
		return m.local
	case 'o':
		return m.domain
	case 'd':
		return m.current
	case 'i':
		return digitsOf(m.client)
	case 'p':
		return m.validated
	case 'v':
		if m.client.Is4() {
			return "in-addr"
		}
		return "ip6"
	}
	return m.helo
}

// digitsOf returns an address as macros have it: of an IPv6 one, the digits with dots between them.
func digitsOf(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	return strings.Join(strings.Split(strings.ReplaceAll(addr.StringExpanded(), ":", ""), ""), ".")
}

// expand replaces the macros of a domain-spec that checkDomainSpec has approved (§7.3).
func (m *macros) expand(spec string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(spec, "%")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		switch rest[0] {
		case '%':
			b.WriteByte('%')
		case '_':
			b.WriteByte(' ')
		case '-':
			b.WriteString("%20")
		default:
			body, after, _ := strings.Cut(rest[1:], "}")
			b.WriteString(m.transform(body))
			spec = after
			continue
		}
		spec = rest[1:]
	}
}

// transform returns the value of a macro such as "d2r-": of the value's parts at the delimiters, reversed with an r,
// the last so many, with dots between them.
func (m *macros) transform(body string) string {
	letter, rest := body[0], body[1:]
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	rest = rest[len(digits):]
	reverse := rest != "" && rest[0]|0x20 == 'r'
	if reverse {
		rest = rest[1:]
	}
	if rest == "" {
		rest = "."
	}
	parts := strings.FieldsFunc(m.value(letter), func(c rune) bool { return strings.ContainsRune(rest, c) })
	if reverse {
		slices.Reverse(parts)
	}
	if n, err := strconv.Atoi(digits); err == nil {
		parts = parts[max(0, len(parts)-n):]
	}
	value := strings.Join(parts, ".")
	if letter < 'a' {
		return escapeURL(value)
	}
	return value
}

// escapeURL escapes what is not unreserved in RFC 3986, as upper case letters want.
func escapeURL(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; isLetter(c) || isDigit(c) || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
		}
	}
	return b.String()
}
