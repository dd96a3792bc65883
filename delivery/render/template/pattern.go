package template

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// pattern is a regular expression.
type pattern struct {
	*regexp.Regexp
	size int // about how many states it has
}

// The limits of regular expressions. They are RE2's, so that their time grows with the length of text and expression
// only.
const (
	longestPattern  = 1000 // bytes
	largestPattern  = 5000 // states
	mostNewPatterns = 32   // that one run makes of data
	// statesPerStep is how many bytes of text times states of the expression are one step.
	statesPerStep = 4096
)

func compilePattern(s string) (*pattern, error) {
	if len(s) > longestPattern {
		return nil, errors.New("a regular expression is longer than " + strconv.Itoa(longestPattern) + " bytes")
	}
	parsed, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return nil, errors.New("a regular expression cannot be used: " +
			strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	size := states(parsed)
	if size > largestPattern {
		return nil, errors.New("a regular expression repeats too much")
	}
	compiled, err := regexp.Compile(s)
	if err != nil {
		return nil, err
	}
	return &pattern{compiled, size}, nil
}

// states reckons how many states an expression has when its repetitions are written out.
func states(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += states(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<20)
}

// pattern returns a regular expression, compiled; nil ends the run.
func (r *running) pattern(s string) *pattern {
	if p := r.t.patterns[s]; p != nil {
		return p
	}
	if p := r.patterns[s]; p != nil {
		return p
	}
	if len(r.patterns) == mostNewPatterns {
		r.fail("more than " + strconv.Itoa(mostNewPatterns) + " different regular expressions")
		return nil
	}
	p, err := compilePattern(s)
	if err != nil {
		r.fail(err.Error())
		return nil
	}
	if r.patterns == nil {
		r.patterns = make(map[string]*pattern)
	}
	r.patterns[s] = p
	if !r.step(p.size) {
		return nil
	}
	return p
}

// match counts the steps of looking for a pattern in a text.
func (r *running) match(p *pattern, s string) bool { return r.step(len(s) * p.size / statesPerStep) }

// replacePattern replaces what matches. In the new text $0 or $& is what matched, $1 to $9, or \1 to \9, its groups; a
// group that the pattern does not have is text.
func (r *running) replacePattern(p *pattern, s, by string) string {
	var b strings.Builder
	last := 0
	for _, m := range p.FindAllStringSubmatchIndex(s, MaxSteps-r.steps+1) { // each is a step
		b.WriteString(s[last:m[0]])
		last = m[1]
		expand(&b, by, s, m)
		if b.Len() > MaxOutput || !r.step(1+len(by)/bytesPerStep) {
			break
		}
	}
	b.WriteString(s[last:])
	if !r.room(b.Len()) {
		return ""
	}
	return b.String()
}

func expand(b *strings.Builder, by, s string, m []int) {
	for i := 0; i < len(by) && b.Len() <= MaxOutput; i++ {
		if group := groupAt(by[i:]); group >= 0 && 2*group < len(m) {
			if m[2*group] >= 0 {
				b.WriteString(s[m[2*group]:m[2*group+1]])
			}
			i++
			continue
		}
		b.WriteByte(by[i])
	}
}

// groupAt returns the number of the group that a text begins with; -1: none.
func groupAt(s string) int {
	switch {
	case len(s) < 2 || s[0] != '$' && s[0] != '\\':
		return -1
	case s[0] == '$' && s[1] == '&':
		return 0
	case isDigit(s[1]):
		return int(s[1] - '0')
	}
	return -1
}
