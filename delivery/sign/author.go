package sign

import (
	"bytes"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
)

// authorDomain returns the domain of the first address in the first From field, folded, and whether there is such a field.
func authorDomain(header []byte) (domain string, found bool) {
	if mailheader.Headless(header) {
		return "", false
	}
	f, ok := mailheader.Find(header, "from")
	if !ok {
		return "", false
	}
	return addr.Domain(string(firstAddress(f.Value()))), true
}

// firstAddress finds the first address in a list (RFC 5322 §3.4), whatever else is wrong with the list: what stands in the
// first angle brackets, else the first item with an @. Quoted text and comments are passed over.
func firstAddress(list []byte) []byte {
	item := make([]byte, 0, 64)
	for i := 0; i < len(list); i++ {
		switch c := list[i]; c {
		case '"':
			end := quoted(list, i)
			item = append(item, 'q') // a quoted local part: what it says does not matter here
			i = end
		case '(':
			i = comment(list, i)
		case '<':
			end := bracketed(list, i)
			return bytes.TrimSpace(list[i+1 : end])
		case ':': // a group begins
			item = item[:0]
		case ',', ';':
			if bytes.IndexByte(item, '@') >= 0 {
				return item
			}
			item = item[:0]
		case ' ', '\t', '\r', '\n':
		default:
			item = append(item, c)
		}
	}
	return item
}

// quoted returns where the quoted text that begins at i ends.
func quoted(list []byte, i int) int {
	for i++; i < len(list) && list[i] != '"'; i++ {
		if list[i] == '\\' {
			i++
		}
	}
	return i
}

// comment returns where the comment that begins at i ends. Comments nest.
func comment(list []byte, i int) int {
	depth := 0
	for ; i < len(list); i++ {
		switch list[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return i
}

// bracketed returns where the angle brackets that begin at i end.
func bracketed(list []byte, i int) int {
	for i++; i < len(list) && list[i] != '>'; i++ {
		if list[i] == '"' {
			i = quoted(list, i)
		}
	}
	return min(i, len(list))
}
