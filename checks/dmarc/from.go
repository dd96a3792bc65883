package dmarc

import (
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
)

// maxDomains is the most domains of From that are judged.
const maxDomains = 5

// FromDomains returns the domains of the value of a From field, each once, in lower case and with A-labels. Groups,
// comments, quoted strings and source routes are understood. nobody is true when the field is well-formed but names
// nobody, as an empty group does (RFC 6854). No domains and not nobody: there is an address without a usable domain.
func FromDomains(value string) (domains []string, nobody bool) {
	p := fromParser{rest: value}
	nobody = true
	for p.mailbox() {
		for _, address := range p.found {
			nobody = false
			_, domain := addr.Split(address)
			domain = addr.Fold(strings.TrimSuffix(domain, "."))
			if domain == "" || !addr.ValidDomain(domain, addr.Loose) || domain[0] == '[' {
				return nil, false
			}
			if !slices.Contains(domains, domain) {
				domains = append(domains, domain)
			}
		}
	}
	return domains, nobody
}

// fromParser walks over the mailboxes of an address list.
type fromParser struct {
	rest  string
	found []string // the addresses of the mailbox: usually one
}

// mailbox reads up to the next comma or the end of a group.
func (p *fromParser) mailbox() bool {
	if p.rest == "" {
		return false
	}
	p.found = p.found[:0]
	var bare []byte // what stands outside angle brackets and comments
	for p.rest != "" {
		c := p.rest[0]
		switch {
		case p.opaque(&bare):
			continue
		case c == '<':
			p.angle()
			continue
		}
		p.rest = p.rest[1:]
		switch {
		case c == ',' || c == ';':
			p.add(bare)
			return true
		case c == ':':
			bare = bare[:0] // that was the name of a group
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			bare = append(bare, ' ')
		default:
			bare = append(bare, c)
		}
	}
	p.add(bare)
	return true
}

// add takes the bare text for an address when there is none in angle brackets.
func (p *fromParser) add(bare []byte) {
	text := strings.Trim(string(bare), " ")
	if len(p.found) == 0 && text != "" {
		p.found = append(p.found, address(text))
	}
}

// opaque reads a comment, or a quoted string, which belongs to text; false: the next is neither. What is in them ends
// nothing.
func (p *fromParser) opaque(text *[]byte) bool {
	switch p.rest[0] {
	case '(':
		p.rest = p.rest[comment(p.rest):]
	case '"':
		n := quoted(p.rest)
		*text = append(*text, p.rest[:n]...)
		p.rest = p.rest[n:]
	default:
		return false
	}
	return true
}

// angle reads an address in angle brackets. A source route in front of it goes.
func (p *fromParser) angle() {
	var text []byte
	p.rest = p.rest[1:]
	for p.rest != "" {
		c := p.rest[0]
		if p.opaque(&text) {
			continue
		}
		p.rest = p.rest[1:]
		if c == '>' {
			break
		}
		if c == ':' {
			text = text[:0]
			continue
		}
		text = append(text, c)
	}
	p.found = append(p.found, address(string(text)))
}

// address takes the blanks out of an address: they may stand around its dots and its @.
func address(s string) string {
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		return s[:at+1] + strings.Join(strings.Fields(s[at+1:]), "")
	}
	return s
}

// comment returns the length of the comment that s begins with; comments nest.
func comment(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// quoted returns the length of the quoted string that s begins with.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}
