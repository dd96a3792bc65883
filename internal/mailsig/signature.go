package mailsig

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/addr"
)

// Style says which kind of field a signature stands in.
type Style uint8

// The styles.
const (
	DKIM       Style = iota // DKIM-Signature
	ARCMessage              // ARC-Message-Signature: as DKIM, without v=, and i= is a number
	ARCSeal                 // ARC-Seal: no body, no list of fields
)

// Limits on one signature. Real ones stay far below.
const (
	maxSignature = 64 << 10 // bytes of the field
	maxFields    = 1000     // names in h=
	maxIdentity  = 320      // bytes of i=, an address
)

// Signature is a parsed signature field. Fields that the style does not have are zero.
type Signature struct {
	Raw       []byte // the field with its line ends
	Tags      Tags
	Algorithm string // "rsa-sha256", "ed25519-sha256", in lower case
	Domain    string // d=, folded: lower case, A-labels
	Selector  string
	Identity  string // i= of DKIM as it is written; "@domain" when there is none
	Instance  int    // i= of ARC
	Fields    []string
	Header    Form
	Body      Form
	Length    int64 // l=; -1: the whole body
	Time      time.Time
	Expires   time.Time
	Hash      []byte // of the body
	Value     []byte // the signature proper
	Text      string // b= without blanks

	valueStart, valueEnd int // of b= in Raw
	body                 *bodyHash
}

// ParseSignature reads a signature field. Of one that is malformed it returns what could be read, with a *Problem.
func ParseSignature(raw []byte, style Style) (*Signature, error) {
	s := &Signature{Raw: raw, Length: -1}
	if len(raw) > maxSignature {
		return s, problem(Refused, "signature of "+strconv.Itoa(len(raw))+" bytes")
	}
	field := string(raw)
	value := strings.IndexByte(field, ':') + 1
	tags, err := ParseTags(field[value:])
	if err != nil {
		return s, err
	}
	s.Tags = tags
	if err := s.parseNames(style); err != nil {
		return s, err
	}
	if i := tags.index("b"); i >= 0 {
		s.valueStart, s.valueEnd = value+tags[i].start, value+tags[i].end
	}
	if err := s.parseValues(style); err != nil {
		return s, err
	}
	if style == ARCSeal {
		return s, nil
	}
	if err := s.parseScope(style); err != nil {
		return s, err
	}
	return s, s.parseMore(style)
}

// parseNames reads who signs, so that a result can name them whatever else is wrong.
func (s *Signature) parseNames(style Style) error {
	get := func(name string) string { v, _ := s.Tags.Get(name); return compact(v) }
	s.Algorithm = strings.ToLower(get("a"))
	s.Domain = addr.Fold(get("d"))
	s.Selector = addr.Fold(get("s"))
	s.Text = get("b")
	if len(s.Domain)+len(s.Selector) > maxIdentity || len(s.Algorithm) > maxIdentity {
		s.Domain, s.Selector, s.Algorithm = "", "", ""
		return problem(Syntax, "domain, selector or algorithm is too long")
	}
	required := []string{"a", "b", "d", "s", "h", "bh"}
	if style == ARCSeal {
		required = required[:4]
	}
	if style == DKIM {
		s.Identity = get("i")
		if s.Identity == "" {
			s.Identity = "@" + s.Domain
		}
		if len(s.Identity) > maxIdentity {
			s.Identity = ""
			return problem(Syntax, "identity is too long")
		}
		if v, ok := s.Tags.Get("v"); !ok || v != "1" {
			return problem(Syntax, "version is not 1")
		}
	} else {
		i, err := instance(get("i"))
		if err != nil {
			return err
		}
		s.Instance = i
	}
	for _, name := range required {
		if v, ok := s.Tags.Get(name); !ok {
			return problem(Syntax, "no tag "+name)
		} else if v == "" {
			return problem(Syntax, "tag "+name+" is empty")
		}
	}
	if !validHost(s.Selector + "._domainkey." + s.Domain) {
		return problem(Syntax, "malformed domain or selector")
	}
	return nil
}

// instance reads the number of an ARC set (RFC 8617 §4.2.1).
func instance(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || s[0] == '+' {
		return 0, problem(Syntax, "malformed instance")
	}
	if n > MaxInstance {
		return 0, problem(Refused, "instance above "+strconv.Itoa(MaxInstance))
	}
	return n, nil
}

// validHost reports whether a name may go to the DNS.
func validHost(name string) bool { return len(name) <= 253 && addr.ValidDomain(name, addr.Loose) }

// parseValues reads what all styles have: the signature proper and the algorithm.
func (s *Signature) parseValues(style Style) error {
	value, err := base64.StdEncoding.DecodeString(s.Text)
	if err != nil {
		return problem(Syntax, "b is no base64")
	}
	s.Value = value
	switch s.Algorithm {
	case "rsa-sha256", "ed25519-sha256":
	case "rsa-sha1":
		return problem(Weak, "algorithm rsa-sha1 is too weak")
	default:
		return problem(Syntax, "unknown algorithm "+quote(s.Algorithm))
	}
	if style == ARCSeal {
		if _, ok := s.Tags.Get("h"); ok {
			return problem(Syntax, "a seal has no tag h") // RFC 8617 §4.1.3
		}
	}
	return s.parseTimes()
}

func (s *Signature) parseTimes() error {
	for _, tag := range []struct {
		name string
		to   *time.Time
	}{{"t", &s.Time}, {"x", &s.Expires}} {
		text, ok := s.Tags.Get(tag.name)
		if !ok {
			continue
		}
		n, ok := number(compact(text), 12)
		if !ok {
			return problem(Syntax, "tag "+tag.name+" is no time")
		}
		*tag.to = time.Unix(n, 0)
	}
	if !s.Time.IsZero() && !s.Expires.IsZero() && !s.Expires.After(s.Time) {
		return problem(Syntax, "expires before it was made") // RFC 6376 §3.5, x=
	}
	return nil
}

// number reads an unsigned decimal number of at most so many digits.
func number(s string, digits int) (int64, bool) {
	if s == "" || len(s) > digits || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// parseScope reads which fields are signed and on whose behalf.
func (s *Signature) parseScope(style Style) error {
	h, _ := s.Tags.Get("h")
	if strings.Count(h, ":") >= maxFields {
		return problem(Refused, "more than "+strconv.Itoa(maxFields)+" signed fields")
	}
	s.Fields = list(strings.ToLower(h))
	from := false
	for _, name := range s.Fields {
		from = from || name == "from"
		if style == ARCMessage && name == "arc-seal" {
			return problem(Syntax, "covers ARC-Seal") // RFC 8617 §4.1.2
		}
	}
	if !from {
		return problem(Scope, "From is not signed")
	}
	if style != DKIM {
		return nil
	}
	at := strings.LastIndexByte(s.Identity, '@')
	if at < 0 {
		return problem(Syntax, "i is no address")
	}
	if !within(addr.Fold(s.Identity[at+1:]), s.Domain) {
		return problem(Scope, "i is not within d")
	}
	return nil
}

// within reports whether a domain is another one or below it.
func within(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}

// parseMore reads how the mail was canonicalised and hashed.
func (s *Signature) parseMore(style Style) error {
	c, given := s.Tags.Get("c")
	if !given && style == ARCMessage {
		c = "relaxed/relaxed" // what other implementations of ARC make of it, unlike in DKIM
	}
	var ok bool
	if s.Header, s.Body, ok = parseForms(compact(c)); !ok {
		return problem(Syntax, "unknown canonicalisation")
	}
	if l, ok := s.Tags.Get("l"); ok {
		n, ok := number(compact(l), 18)
		if !ok {
			return problem(Syntax, "l is no length")
		}
		s.Length = n
	}
	if q, ok := s.Tags.Get("q"); ok {
		ok = false
		for _, method := range list(q) {
			ok = ok || method == "dns/txt"
		}
		if !ok {
			return problem(Syntax, "unknown way to get the key")
		}
	}
	bh, _ := s.Tags.Get("bh")
	hash, err := base64.StdEncoding.DecodeString(compact(bh))
	if err != nil {
		return problem(Syntax, "bh is no base64")
	}
	s.Hash = hash
	return nil
}

// quote shortens what a stranger wrote for use in a message.
func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strconv.QuoteToASCII(s)
}
