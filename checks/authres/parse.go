package authres

import (
	"errors"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/checks"
)

// Limits of what is read.
const (
	maxLength  = 64 << 10
	maxResults = 200
	maxPairs   = 100 // of one result
)

// The reasons why a field cannot be read.
var (
	ErrLong    = errors.New("authres: field is too long")
	ErrID      = errors.New("authres: no authserv-id")
	ErrVersion = errors.New("authres: version is not 1")
	ErrComment = errors.New("authres: comment does not end")
	ErrQuoted  = errors.New("authres: quoted string does not end")
	ErrResult  = errors.New("authres: malformed result")
)

// Parse reads the value of a field: what stands behind the colon, folds included. Names of checks and verdicts come
// back in lower case.
func Parse(value string) (*Header, error) {
	if len(value) > maxLength {
		return nil, ErrLong
	}
	p := parser{rest: value}
	h := &Header{Version: 1}
	if err := p.instance(h); err != nil {
		return nil, err
	}
	var err error
	if h.ID, err = p.id(); err != nil {
		return nil, err
	}
	if err := p.version(h); err != nil {
		return nil, err
	}
	for {
		if err := p.blanks(); err != nil {
			return nil, err
		}
		if p.rest == "" {
			return h, nil
		}
		if !p.take(';') || len(h.Results) == maxResults {
			return nil, ErrResult
		}
		if err := p.result(h); err != nil {
			return nil, err
		}
	}
}

// parser walks over the value of a field.
type parser struct{ rest string }

// take takes one byte if it comes next.
func (p *parser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// blanks skips blanks, folds and comments, which nest.
func (p *parser) blanks() error {
	for p.rest != "" {
		switch p.rest[0] {
		case ' ', '\t', '\r', '\n':
			p.rest = p.rest[1:]
		case '(':
			if err := p.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (p *parser) comment() error {
	depth := 0
	for i := 0; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				p.rest = p.rest[i+1:]
				return nil
			}
		}
	}
	return ErrComment
}

// text reads a token, or a quoted string without its quotes. A token may have what RFC 2045 forbids but many write,
// such as the slash and equals sign of base64 and the @ of an address, when loose says so.
func (p *parser) text(loose bool) (string, error) {
	if err := p.blanks(); err != nil {
		return "", err
	}
	if p.take('"') {
		return p.quoted(loose)
	}
	n := 0
	for n < len(p.rest) && textByte(p.rest[n], loose) {
		n++
	}
	s := p.rest[:n]
	p.rest = p.rest[n:]
	return s, nil
}

func textByte(c byte, loose bool) bool {
	if loose {
		return c > ' ' && c != 0x7f && c != ';' && c != '(' && c != ')' && c != '"'
	}
	return c >= 0x80 || tokenByte(c)
}

// quoted reads the rest of a quoted string. One that is the local part of an address keeps its quotes.
func (p *parser) quoted(loose bool) (string, error) {
	var b []byte
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			whole := p.rest[:i+1]
			p.rest = p.rest[i+1:]
			if !loose || !strings.HasPrefix(p.rest, "@") {
				return string(b), nil
			}
			domain, err := p.text(true)
			return `"` + whole + domain, err
		case '\\':
			i++
			if i < len(p.rest) {
				b = append(b, p.rest[i])
			}
		case '\r', '\n': // a fold
		default:
			b = append(b, c)
		}
	}
	return "", ErrQuoted
}

// instance reads the i=N; that ARC-Authentication-Results begin with.
func (p *parser) instance(h *Header) error {
	before := *p
	name, err := p.text(false)
	if err != nil {
		return err
	}
	if err := p.blanks(); err != nil {
		return err
	}
	if name != "i" || !p.take('=') {
		*p = before
		return nil
	}
	number, err := p.text(false)
	if err != nil {
		return err
	}
	h.Instance, err = strconv.Atoi(number)
	if err != nil || h.Instance < 1 || h.Instance > 50 {
		return ErrResult
	}
	if err := p.blanks(); err != nil {
		return err
	}
	if !p.take(';') {
		return ErrResult
	}
	return nil
}

// id reads the authserv-id.
func (p *parser) id() (string, error) {
	id, err := p.text(false)
	if err != nil {
		return "", err
	}
	if id == "" {
		return "", ErrID
	}
	return id, nil
}

func (p *parser) version(h *Header) error {
	version, err := p.text(false)
	if err != nil {
		return err
	}
	if version != "" && version != "1" {
		return ErrVersion
	}
	return nil
}

// result reads what stands between two semicolons: nothing, "none", or a method with its verdict, reason and
// properties.
func (p *parser) result(h *Header) error {
	method, err := p.text(false)
	if err != nil {
		return err
	}
	if err := p.blanks(); err != nil {
		return err
	}
	if ended := p.rest == "" || p.rest[0] == ';'; ended && (method == "" || strings.EqualFold(method, "none")) {
		return nil
	}
	if p.take('/') { // the version of the method
		if version, err := p.text(false); err != nil || version != "1" {
			return errors.Join(ErrVersion, err)
		}
		if err := p.blanks(); err != nil {
			return err
		}
	}
	if !keyword(method) || !p.take('=') {
		return ErrResult
	}
	verdict, err := p.text(false)
	if err != nil {
		return err
	}
	if !keyword(verdict) {
		return ErrResult
	}
	r := checks.Result{Check: strings.ToLower(method), Verdict: checks.Verdict(strings.ToLower(verdict))}
	if err := p.pairs(&r); err != nil {
		return err
	}
	h.Results = append(h.Results, r)
	return nil
}

// pairs reads the reason and the properties of a result.
func (p *parser) pairs(r *checks.Result) error {
	for range maxPairs {
		if err := p.blanks(); err != nil {
			return err
		}
		if p.rest == "" || p.rest[0] == ';' {
			return nil
		}
		name, err := p.name()
		if err != nil {
			return err
		}
		value, err := p.text(true)
		if err != nil {
			return err
		}
		if name == "reason" {
			r.Reason = value
		} else {
			r.Properties = append(r.Properties, checks.Property{Name: name, Value: value})
		}
	}
	return ErrResult
}

// name reads the name of a property up to its equals sign, in lower case. Blanks may stand around the dot.
func (p *parser) name() (string, error) {
	var name string
	for {
		part, err := p.text(false)
		if err != nil {
			return "", err
		}
		name += strings.ToLower(part)
		if err := p.blanks(); err != nil {
			return "", err
		}
		if p.take('=') {
			break
		}
		if !strings.HasSuffix(name, ".") && !strings.HasPrefix(p.rest, ".") || part == "" {
			return "", ErrResult
		}
	}
	if !propertyName(name) {
		return "", ErrResult
	}
	return name, nil
}
