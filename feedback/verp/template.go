package verp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
)

// Template says what return paths look like. The zero Template makes none.
type Template struct {
	prefix, suffix string // of the local part, around the token
	domain         string // lower case
	below          bool   // the domain is below that of the sender, and domain ends with a dot
}

// What a template has in place of the token, and of the domain of the message's own envelope sender.
const (
	tokenMark  = "{token}"
	domainMark = "{domain}"
)

// maxLocal is how long a local part may be (RFC 5321 §4.5.3.1.1).
const maxLocal = 64

// ParseTemplate reads a template: an address with {token} in its local part, whose domain may end in {domain} for the
// domain of the sender; or a domain, which stands for bounce+{token} at it. The token must stand apart, and have room.
func ParseTemplate(s string) (Template, error) {
	local, domain := addr.Split(strings.TrimSpace(s))
	if domain == "" {
		local, domain = "bounce+"+tokenMark, local
	}
	prefix, suffix, found := strings.Cut(strings.ToLower(local), tokenMark)
	t := Template{prefix: prefix, suffix: suffix, domain: strings.ToLower(domain)}
	switch {
	case !found || strings.Contains(suffix, tokenMark):
		return Template{}, errors.New("expected {token} once before the @, as in bounce+{token}@bounces.example.org")
	case prefix != "" && inAlphabet(prefix[len(prefix)-1]), suffix != "" && inAlphabet(suffix[0]):
		return Template{}, errors.New("expected a character such as + between {token} and letters or digits")
	case t.room() < leastToken:
		return Template{},
			fmt.Errorf("expected at most %d characters beside {token} before the @: %d octets are allowed there",
				maxLocal-digits(leastToken), maxLocal)
	}
	sample := t.domain
	if t.below = strings.HasSuffix(t.domain, domainMark); t.below {
		t.domain = strings.TrimSuffix(t.domain, domainMark)
		sample = t.domain + "example.org"
	}
	if _, _, err := addr.Parse(prefix+"0"+suffix+"@"+sample, addr.Strict); err != nil {
		return Template{}, fmt.Errorf("expected a mail address or a domain: %w", err)
	}
	if t.below && t.domain != "" && !strings.HasSuffix(t.domain, ".") {
		return Template{}, errors.New("expected {domain} alone or behind a dot, as in bounces.{domain}")
	}
	return t, nil
}

// IsZero reports whether t makes no return paths.
func (t *Template) IsZero() bool { return t.domain == "" && !t.below }

// Unsubscribing returns the template of addresses at the same domain to which recipients write who want no more mail.
func (t *Template) Unsubscribing() Template {
	return Template{prefix: unsubscribePrefix, domain: t.domain, below: t.below}
}

const unsubscribePrefix = "unsubscribe+"

// room is how many bytes a token may have.
func (t *Template) room() int { return (maxLocal - len(t.prefix) - len(t.suffix)) * 5 / 8 }

// Fits reports whether an address looks as if it was made of the template: it may be, or is forged.
func (t *Template) Fits(address string) bool {
	if t.IsZero() {
		return false
	}
	local, domain := addr.Split(address)
	if len(local) > maxLocal || len(local) < len(t.prefix)+len(t.suffix) {
		return false
	}
	at := len(local) - len(t.suffix)
	token := local[len(t.prefix):at]
	if !strings.EqualFold(local[:len(t.prefix)], t.prefix) || !strings.EqualFold(local[at:], t.suffix) ||
		len(token) < digits(shortest) || run(token) != len(token) {
		return false
	}
	if t.below {
		return t.domain != "" && len(domain) > len(t.domain) && strings.EqualFold(domain[:len(t.domain)], t.domain)
	}
	return strings.EqualFold(domain, t.domain)
}
