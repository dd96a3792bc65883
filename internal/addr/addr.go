package addr

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Mode says what Parse accepts. Modes combine with |.
type Mode uint8

const (
	// Strict demands the syntax of RFC 5321 §4.1.2: a dot-string or quoted string, no longer than 64 octets, and a
	// domain or address literal.
	Strict Mode = 1 << iota
	// UTF8 allows characters beyond ASCII on both sides, after RFC 6531 §3.3.
	UTF8
)

// Loose takes anything with an @ and a valid domain to its right, short of what could break a command: control
// characters, and angle brackets outside quotes.
const Loose Mode = 0

// Limits of RFC 5321 §4.5.3.1, in octets.
const (
	maxLocal   = 64
	maxAddress = 254
	maxDomain  = 253
	maxLabel   = 63
	maxLoose   = 1000
)

// Error says what is wrong with an address, in words fit for a reply.
type Error string

func (e Error) Error() string { return string(e) }

// What may be wrong with an address.
const (
	ErrNoDomain     Error = "address has no @ and domain"
	ErrNoLocal      Error = "address has nothing before the @"
	ErrLocal        Error = "malformed local part"
	ErrDomain       Error = "malformed domain"
	ErrLong         Error = "address is too long"
	ErrNotASCII     Error = "address is not ASCII"
	ErrPath         Error = "expected an address in angle brackets"
	ErrControl      Error = "control character in address"
	ErrNotUTF8      Error = "address is not valid UTF-8"
	ErrUnclosed     Error = "angle bracket is not closed"
	ErrAfterPath    Error = "expected a space after the address"
	ErrQuotedString Error = "malformed quoted string"
)

// Split takes an address apart at its last @. domain is "" when there is none.
func Split(address string) (local, domain string) {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return address, ""
	}
	return address[:i], address[i+1:]
}

// Domain returns the domain of an address as domains are compared and looked up: in lower case, with A-labels (RFC
// 5890) where it has characters beyond ASCII. A domain that has no such form is only put in lower case. It is "" when
// there is none.
func Domain(address string) string {
	_, domain := Split(address)
	return Fold(domain)
}

// Fold returns a domain in the form that Domain describes. It allocates nothing for one that is in that form already.
func Fold(domain string) string {
	if IsASCII(domain) {
		return strings.ToLower(domain)
	}
	if a, err := idna.Lookup.ToASCII(domain); err == nil {
		return a
	}
	return strings.ToLower(domain)
}

// FoldAddress returns an address as lists of addresses compare them: both sides in lower case, the domain as Fold has
// it. It allocates nothing for one in lower case and ASCII.
func FoldAddress(address string) string {
	if lowerASCII(address) {
		return address
	}
	local, domain := Split(address)
	if domain == "" {
		return strings.ToLower(address)
	}
	return strings.ToLower(local) + "@" + Fold(domain)
}

func lowerASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// Valid reports whether Parse accepts an address.
func Valid(address string, mode Mode) bool {
	_, _, err := Parse(address, mode)
	return err == nil
}

// Parse takes an address apart and checks both sides. What it returns is as written, quotes and case included. An error
// is an Error.
func Parse(address string, mode Mode) (local, domain string, err error) {
	if err := checkBytes(address, mode); err != nil {
		return "", "", err
	}
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return "", "", ErrNoDomain
	}
	local, domain = address[:i], address[i+1:]
	if local == "" {
		return "", "", ErrNoLocal
	}
	if err := checkLocal(local, mode); err != nil {
		return "", "", err
	}
	if !ValidDomain(domain, mode) {
		return "", "", ErrDomain
	}
	return local, domain, nil
}

// checkBytes refuses what no part of an address may hold.
func checkBytes(s string, mode Mode) error {
	limit := maxLoose
	if mode&Strict != 0 {
		limit = maxAddress
	}
	if len(s) > limit {
		return ErrLong
	}
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return ErrControl
		case c >= 0x80:
			ascii = false
		}
	}
	switch {
	case ascii:
		return nil
	case mode&UTF8 == 0:
		return ErrNotASCII
	case !utf8.ValidString(s):
		return ErrNotUTF8
	}
	return nil
}

func checkLocal(local string, mode Mode) error {
	if local[0] == '"' {
		if mode&Strict != 0 && len(local) > maxLocal {
			return ErrLong
		}
		if n := quotedLen(local); n == len(local) {
			return nil
		}
		return ErrQuotedString
	}
	if mode&Strict == 0 {
		if strings.ContainsAny(local, "<>") {
			return ErrLocal
		}
		return nil
	}
	if len(local) > maxLocal {
		return ErrLong
	}
	return checkDotString(local)
}

// checkDotString checks atoms joined by single dots.
func checkDotString(s string) error {
	for i := range len(s) {
		c := s[i]
		if c == '.' {
			if i == 0 || i == len(s)-1 || s[i-1] == '.' {
				return ErrLocal
			}
		} else if !isAtext(c) {
			return ErrLocal
		}
	}
	return nil
}

// isAtext knows the characters of an atom (RFC 5322 §3.2.3), and every octet of UTF-8.
func isAtext(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// quotedLen returns the length of the quoted string that s begins with, or 0 when it does not end.
func quotedLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// ValidDomain checks a domain or address literal. Loose domains may have underscores.
func ValidDomain(domain string, mode Mode) bool {
	if strings.HasPrefix(domain, "[") {
		return validLiteral(domain)
	}
	if !IsASCII(domain) {
		if mode&UTF8 == 0 {
			return false
		}
		a, err := idna.Lookup.ToASCII(domain)
		if err != nil {
			return false
		}
		domain = a
	}
	if len(domain) > maxDomain {
		return false
	}
	for {
		label, rest, more := strings.Cut(domain, ".")
		if !validLabel(label, mode) {
			return false
		}
		if !more {
			return true
		}
		domain = rest
	}
}

func validLabel(label string, mode Mode) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		switch c := label[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
		case c == '_' && mode&Strict == 0:
		default:
			return false
		}
	}
	return true
}

// validLiteral checks [192.0.2.1] and [IPv6:2001:db8::1] (RFC 5321 §4.1.3).
func validLiteral(s string) bool {
	_, ok := literal(s)
	return ok
}

// literal returns the address that an address literal names.
func literal(domain string) (netip.Addr, bool) {
	if len(domain) < 2 || domain[0] != '[' || domain[len(domain)-1] != ']' {
		return netip.Addr{}, false
	}
	text := domain[1 : len(domain)-1]
	const tag = "IPv6:"
	six := len(text) > len(tag) && strings.EqualFold(text[:len(tag)], tag)
	if six {
		text = text[len(tag):]
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" || ip.Is4() == six {
		return netip.Addr{}, false
	}
	return ip, true
}

// AppendLiteral appends the address literal of an address to dst (RFC 5321 §4.1.3): [192.0.2.1], [IPv6:2001:db8::1].
func AppendLiteral(dst []byte, ip netip.Addr) []byte {
	ip = ip.Unmap().WithZone("")
	dst = append(dst, '[')
	if ip.Is6() {
		dst = append(dst, "IPv6:"...)
	}
	dst = ip.AppendTo(dst)
	return append(dst, ']')
}

// IsASCII reports whether a text has no byte beyond ASCII.
func IsASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
