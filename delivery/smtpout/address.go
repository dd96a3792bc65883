package smtpout

import (
	"strings"

	"golang.org/x/net/idna"

	"github.com/sluicemail/sluice/internal/addr"
)

// maxAddress bounds an address; RFC 5321 §4.5.3.1 allows 64 + 1 + 255, some are longer.
const maxAddress = 1000

// sendable reports whether an address can stand between < and > in a command without meaning something else.
func sendable(address string) bool {
	if len(address) > maxAddress || hasControl(address) {
		return false
	}
	quoted := false
	for i := 0; i < len(address); i++ {
		switch c := address[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '<' || c == '>' || c == ' '):
			return false
		}
	}
	return !quoted
}

// asciiDomain writes the domain of an address in its ASCII form (RFC 5891); ok is false when the local part is not
// ASCII or the domain has no such form.
func asciiDomain(address string) (converted string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 || !addr.IsASCII(address[:at]) {
		return "", false
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	if err != nil {
		return "", false
	}
	return address[:at+1] + domain, true
}

// appendXtext appends text as RFC 3461 §4 wants parameters: bytes outside of printable ASCII, "+" and "=" in
// hexadecimal.
func appendXtext(dst []byte, text string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		if c < '!' || c > '~' || c == '+' || c == '=' {
			dst = append(dst, '+', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}
