package part

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/addr"
)

// In a list of addresses, characters that separate names and addresses do so only where the sender of the mail wrote
// them. In values and encoded words they are moved out of the way, to characters of private use, until the list was
// taken apart.
const (
	separators = `"\<>,;:()@[]`
	away       = 0xF0000 // a separator is moved to away plus itself
)

// protect adds a value to dst for a list of addresses that is taken apart: what is in it is part of one name or
// address, whatever characters it has.
func protect(dst, value []byte) []byte {
	for _, c := range string(value) {
		dst = utf8.AppendRune(dst, protected(c))
	}
	return dst
}

func protected(c rune) rune {
	switch {
	case c < utf8.RuneSelf && strings.ContainsRune(separators, c):
		return away + c
	case isAway(c):
		return utf8.RuneError
	}
	return c
}

func isAway(c rune) bool { return c >= away && c < away+utf8.RuneSelf }

// restore undoes protect.
func restore(s string) string {
	return strings.Map(func(c rune) rune {
		if isAway(c) {
			return c - away
		}
		return c
	}, s)
}

// decodeAddresses decodes the encoded words in a list of addresses, and protects what they hold, but for tags of
// templates.
func decodeAddresses(s string) (string, error) {
	s = strings.Map(func(c rune) rune {
		if isAway(c) {
			return utf8.RuneError
		}
		return c
	}, s)
	var b strings.Builder
	for s != "" {
		n := strings.Index(s, "=?")
		if n < 0 {
			n = len(s)
		}
		if n > 0 {
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		n = wordsLength(s)
		if n == 0 {
			b.WriteString(s[:2])
			s = s[2:]
			continue
		}
		text, err := wordDecoder.DecodeHeader(s[:n])
		if err != nil {
			return "", err
		}
		b.WriteString(protectText(text))
		s = s[n:]
	}
	return b.String(), nil
}

// wordsLength returns the length of the encoded words that s begins with, and the white space between them.
func wordsLength(s string) int {
	end := wordLength(s)
	for end > 0 {
		gap := len(s[end:]) - len(strings.TrimLeft(s[end:], " \t"))
		n := wordLength(s[end+gap:])
		if n == 0 || gap == 0 {
			break
		}
		end += gap + n
	}
	return end
}

// protectText is protect for a text with tags.
func protectText(s string) string {
	within := false
	return strings.Map(func(c rune) rune {
		switch {
		case c == '{':
			within = true
		case c == '}':
			within = false
		case !within:
			return protected(c)
		}
		return c
	}, s)
}

// list takes a list of addresses apart.
type list struct {
	out     []string // the addresses as they are written
	phrase  strings.Builder
	comment strings.Builder
	address string
	bracket bool
}

// parseAddresses returns a list of addresses as it belongs into a field.
func parseAddresses(s string) (string, error) {
	var l list
	for i := 0; i < len(s); i++ {
		var err error
		switch c := s[i]; c {
		case '"':
			i = l.quoted(s, i)
		case '(':
			i = l.commented(s, i)
		case '<':
			i, err = l.bracketed(s, i)
		case ':', ';':
			err = errors.New("groups of addresses cannot be personalised")
		case ',':
			err = l.end()
		default:
			l.phrase.WriteByte(c)
		}
		if err != nil {
			return "", err
		}
	}
	if err := l.end(); err != nil {
		return "", err
	}
	if len(l.out) == 0 {
		return "", errors.New("there is no address")
	}
	return strings.Join(l.out, ", "), nil
}

func (l *list) quoted(s string, i int) int {
	for i++; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		if s[i] < utf8.RuneSelf {
			l.phrase.WriteRune(protected(rune(s[i])))
		} else {
			l.phrase.WriteByte(s[i])
		}
	}
	return i
}

func (l *list) commented(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '(':
			if depth++; depth == 1 {
				continue
			}
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
		l.comment.WriteByte(s[i])
	}
	return i
}

func (l *list) bracketed(s string, i int) (int, error) {
	end := strings.IndexByte(s[i:], '>')
	if end < 0 || l.bracket {
		return i, errors.New("expected one address between < and >")
	}
	l.address, l.bracket = s[i+1:i+end], true
	return i + end, nil
}

// end ends an address.
func (l *list) end() error {
	name, address := oneLine(restore(l.phrase.String())), oneLine(restore(l.address))
	if !l.bracket {
		name, address = oneLine(restore(l.comment.String())), name
		if open := strings.LastIndexByte(address, '<'); open >= 0 && strings.HasSuffix(address, ">") {
			// a value has both
			name, address = strings.Trim(oneLine(address[:open]), `"`), address[open+1:len(address)-1]
		}
	}
	l.phrase.Reset()
	l.comment.Reset()
	empty := !l.bracket && address == "" && name == ""
	l.address, l.bracket = "", false
	if empty {
		return nil
	}
	address, err := usable(address)
	if err != nil {
		return err
	}
	if name != "" {
		address = phrase(name) + " <" + address + ">"
	}
	l.out = append(l.out, address)
	return nil
}

// usable checks that an address is one, and gives its domain A-labels.
func usable(address string) (string, error) {
	local, domain, err := addr.Parse(address, addr.Strict|addr.UTF8)
	if err != nil {
		local, domain, err = addr.Parse(address, addr.Loose|addr.UTF8)
		if err == nil && strings.ContainsAny(local, separators+" ") {
			err = errors.New("it is more than one address")
		}
	}
	if err != nil {
		return "", fmt.Errorf("the address %.80q cannot be used: %w", address, err)
	}
	if !isASCII([]byte(domain)) {
		domain = addr.Fold(domain)
	}
	return local + "@" + domain, nil
}

// phrase writes a display name (RFC 5322 §3.4).
func phrase(name string) string {
	switch {
	case needsEncoding(name):
		return encodedWords(name)
	case strings.ContainsAny(name, separators+"."):
		return `"` + quotes.Replace(name) + `"`
	}
	return name
}

// quotes escapes what a text in quotes cannot have as it is.
var quotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
