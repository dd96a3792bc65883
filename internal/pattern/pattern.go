package pattern

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxLength is the length of the longest pattern, in bytes.
const maxLength = 4096

// Type says how a pattern is to be read.
type Type uint8

// The types of patterns.
const (
	Exact Type = iota + 1
	Regex      // a regular expression (RE2), found anywhere in a text unless it is anchored
	// * ? [a-z] [!a-z] and \ as in a shell; the whole text has to match, and * matches dots and slashes too
	Wildcard
	Substring // found anywhere in a text
)

// typeNames are the names in settings, by Type.
var typeNames = [...]string{Exact: "exact", Regex: "regex", Wildcard: "fnmatch", Substring: "substr"}

// ParseType returns the type of a name as settings have it: exact, regex, fnmatch (or wildcard), or substr (or
// substring).
func ParseType(name string) (Type, error) {
	switch strings.ToLower(name) {
	case "exact":
		return Exact, nil
	case "regex":
		return Regex, nil
	case "fnmatch", "wildcard":
		return Wildcard, nil
	case "substr", "substring":
		return Substring, nil
	}
	return 0, fmt.Errorf("unknown type of pattern %q: expected exact, regex, fnmatch or substr", name)
}

// String returns the name of the type in settings.
func (t Type) String() string {
	if int(t) < len(typeNames) && t > 0 {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Pattern is a compiled pattern. It may be used concurrently. The zero Pattern matches nothing.
type Pattern struct {
	typ  Type
	fold bool
	text string // of Exact and Substring
	re   *regexp.Regexp
	glob []element
}

// Compile reads a pattern. With fold, case makes no difference. An error quotes the pattern and says what is wrong.
func Compile(typ Type, text string, fold bool) (*Pattern, error) {
	switch {
	case len(text) > maxLength:
		return nil, fmt.Errorf("pattern has %d bytes: expected at most %d", len(text), maxLength)
	case text == "":
		return nil, fmt.Errorf("pattern is empty")
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("pattern %q is not UTF-8", text)
	}
	p := &Pattern{typ: typ, fold: fold, text: text}
	if fold && typ != Regex {
		p.text = strings.ToLower(text)
	}
	var err error
	switch typ {
	case Exact, Substring:
	case Regex:
		p.re, err = compileRegex(text, fold)
	case Wildcard:
		p.glob, err = parseGlob(p.text)
	default:
		return nil, fmt.Errorf("pattern %q has no type", text)
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	return p, nil
}

func compileRegex(text string, fold bool) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(text); err != nil || !fold {
		return regexp.Compile(text) // so that an error quotes what was written
	}
	return regexp.Compile("(?i:" + text + ")")
}

// Match reports whether the pattern matches s.
func (p *Pattern) Match(s string) bool {
	if p.fold && p.typ != Regex {
		s = strings.ToLower(s)
	}
	switch p.typ {
	case Exact:
		return s == p.text
	case Substring:
		return strings.Contains(s, p.text)
	case Regex:
		return p.re.MatchString(s)
	case Wildcard:
		return matchGlob(p.glob, s)
	}
	return false
}

// Type returns the type of the pattern.
func (p *Pattern) Type() Type { return p.typ }

// Suffix returns the text behind the * of a wildcard that is a * and plain text, such as "@example.com" of
// "*@example.com": a set of many such patterns can look that up. It is in lower case where case makes no difference.
func (p *Pattern) Suffix() (string, bool) {
	if p.typ != Wildcard || len(p.glob) < 2 || p.glob[0].kind != anything {
		return "", false
	}
	var b strings.Builder
	for _, e := range p.glob[1:] {
		if e.kind != literal {
			return "", false
		}
		b.WriteRune(e.char)
	}
	return b.String(), true
}
