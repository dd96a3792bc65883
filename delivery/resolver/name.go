package resolver

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxName  = 253
	maxLabel = 63
	// specials are characters that have a backslash before them in textual DNS names.
	specials = `'@;()"`
)

// normalName returns name as the cache has it: lower case, A-labels, no trailing dot. ok is false when it is no DNS
// name. Names that already have this form cost nothing.
func normalName(name string) (normal string, ok bool) {
	name = strings.TrimSuffix(name, ".")
	upper, ascii := false, true
	for i := range len(name) {
		c := name[i]
		upper = upper || 'A' <= c && c <= 'Z'
		ascii = ascii && c < 0x80
	}
	if !ascii {
		var err error
		if name, err = idnaLookup(name); err != nil {
			return "", false
		}
	} else if upper {
		name = strings.ToLower(name)
	}
	return name, validName(name)
}

// idnaLookup turns U-labels into A-labels. Unlike idna.Lookup it lets underscores through: service names have them.
func idnaLookup(name string) (string, error) {
	if !utf8.ValidString(name) || len(name) > 4*maxName {
		return "", errors.New("no text")
	}
	return idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)).ToASCII(name)
}

// validName reports whether name can be asked for: labels of one to 63 printable characters, 253 in all. Backslashes
// are refused because they begin an escape in textual DNS names.
func validName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	label := 0
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
		case c <= ' ' || c >= 0x7f || c == '\\':
			return false
		default:
			if label++; label > maxLabel {
				return false
			}
		}
	}
	return label > 0
}

// wireName returns a normal name in the textual form that the DNS library takes and gives: with a trailing dot, and
// special characters escaped.
func wireName(name string) string {
	if !strings.ContainsAny(name, specials) {
		return name + "."
	}
	var b strings.Builder
	for i := range len(name) {
		if strings.IndexByte(specials, name[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(name[i])
	}
	b.WriteByte('.')
	return b.String()
}

// plainName is the reverse of wireName for names that came in records: lower case, no trailing dot. Names with other
// escapes than those of wireName stay as they are; they can be shown, but validName refuses them.
func plainName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if strings.IndexByte(name, '\\') < 0 {
		return name
	}
	plain := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' {
			if i++; i == len(name) || strings.IndexByte(specials, name[i]) < 0 {
				return name
			}
		}
		plain = append(plain, name[i])
	}
	return string(plain)
}

// unescape decodes the textual form of a character string (RFC 1035 §5.1): \DDD is an octet, \X is X.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		if octet, ok := threeDigits(s[i+1:]); ok {
			b = append(b, octet)
			i += 3
			continue
		}
		i++
		b = append(b, s[i])
	}
	return string(b)
}

func threeDigits(s string) (octet byte, ok bool) {
	if len(s) < 3 {
		return 0, false
	}
	n := 0
	for i := range 3 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return byte(n), n < 256
}
