package ldap

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain reports whether a name is free of what directories leave out when they compare (RFC 4518 sections 2.2 and
// 2.6.1): controls, characters without width, spaces around it, doubled or other than U+0020. With them one user would
// have many names, and go unrecognised by a count of failures per name.
func plain(name string) bool {
	if name == "" || strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") || strings.Contains(name, "  ") {
		return false
	}
	return utf8.ValidString(name) && !strings.ContainsFunc(name, leftOut)
}

func leftOut(r rune) bool {
	return r != ' ' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Z, unicode.Variation_Selector) || r == '\u034f' ||
		r == '\ufffc'
}

// escape returns a value as it stands in a distinguished name (RFC 4514 section 2.4): it can neither end there nor
// begin another attribute. Controls and what is not UTF-8 become hexadecimal pairs.
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
