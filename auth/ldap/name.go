package ldap

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// escape returns a value as it stands in a distinguished name (RFC 4514 section 2.4): it can neither end there nor begin
// another attribute. Controls and what is not UTF-8 become hexadecimal pairs.
func escape(value string) string {
	var b strings.Builder
	for i := 0; i < len(value); {
		r, size := utf8.DecodeRuneInString(value[i:])
		switch {
		case r < ' ' || r == 0x7f || r == utf8.RuneError && size == 1:
			b.WriteByte('\\')
			b.WriteString(hex.EncodeToString([]byte{value[i]}))
		case strings.ContainsRune(`"+,;<>\=`, r),
			i == 0 && (r == '#' || r == ' '),
			i == len(value)-1 && r == ' ':
			b.WriteByte('\\')
			b.WriteByte(value[i])
		default:
			b.WriteString(value[i : i+size])
		}
		i += size
	}
	return b.String()
}
