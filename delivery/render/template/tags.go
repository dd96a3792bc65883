package template

import "strings"

// token is a part of a tag.
type token struct {
	kind tokenKind
	s    string // a name without its dollar sign, a text without its quotes, or the token itself
}

type tokenKind uint8

const (
	noToken tokenKind = iota // the end of the tag
	nameToken
	wordToken
	numberToken
	textToken
	signToken
)

// tokens reads the tokens of a tag.
type tokens struct {
	rest string
	now  token // the one that is next
	fail func(reason string)
}

// advance steps to the next token.
func (t *tokens) advance() {
	for t.rest != "" && isBlank(t.rest[0]) {
		t.rest = t.rest[1:]
	}
	if t.rest == "" {
		t.now = token{}
		return
	}
	switch c := t.rest[0]; {
	case c == '$':
		t.name()
	case isLetter(c) || c == '_':
		t.now = token{wordToken, t.take(run(t.rest, isWord))}
	case isDigit(c):
		t.number()
	case c == '"' || c == '\'':
		t.text(c)
	default:
		t.sign()
	}
}

func (t *tokens) take(n int) string {
	s := t.rest[:n]
	t.rest = t.rest[n:]
	return s
}

// run is the length of the characters of a kind at the beginning of s.
func run(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func (t *tokens) name() {
	n := 1 + run(t.rest[1:], isWord)
	if n == 1 || !isLetter(t.rest[1]) {
		t.fail("expected the name of a variable after $: it begins with a letter")
	}
	t.now = token{nameToken, t.take(n)[1:]}
}

func (t *tokens) number() {
	n := run(t.rest, isDigit)
	if n+1 < len(t.rest) && t.rest[n] == '.' && isDigit(t.rest[n+1]) {
		n += 1 + run(t.rest[n+1:], isDigit)
	}
	t.now = token{numberToken, t.take(n)}
}

// text reads a text in quotes. A backslash makes a quote or backslash part of it, and n, r and t a control character
// when the quotes are double; before anything else it is itself, as regular expressions need it.
func (t *tokens) text(quote byte) {
	var b strings.Builder
	for i := 1; i < len(t.rest); i++ {
		c := t.rest[i]
		if c == quote {
			t.rest = t.rest[i+1:]
			t.now = token{textToken, b.String()}
			return
		}
		if c == '\\' && i+1 < len(t.rest) {
			i++
			c = t.rest[i]
			switch control := strings.IndexByte("nrt", c); {
			case c == quote || c == '\\':
			case quote == '"' && control >= 0:
				c = "\n\r\t"[control]
			default:
				b.WriteByte('\\')
			}
		}
		b.WriteByte(c)
	}
	t.fail("a text is not closed: expected " + string(rune(quote)) + " at its end")
}

func (t *tokens) sign() {
	if len(t.rest) > 1 {
		switch two := t.rest[:2]; two {
		case "==", "!=", ">=", "<=", "=~", "=>":
			t.now = token{signToken, t.take(2)}
			return
		}
	}
	if strings.IndexByte("+-*/%()<>|:.[]", t.rest[0]) < 0 {
		t.fail("did not expect " + shown(t.rest) + "; " + asText)
	}
	t.now = token{signToken, t.take(1)}
}

// shown quotes the beginning of what is left of a tag.
func shown(s string) string {
	if s == "" {
		return "the end of the tag"
	}
	if runes := []rune(s[:min(len(s), 4*20)]); len(runes) > 20 {
		s = string(runes[:20]) + "..."
	}
	return `"` + s + `"`
}

// is reports whether a sign is next.
func (t *tokens) is(sign string) bool { return t.now.kind == signToken && t.now.s == sign }

// isWord reports whether a word is next, in any case.
func (t *tokens) isWord(word string) bool {
	return t.now.kind == wordToken && strings.EqualFold(t.now.s, word)
}

// accept steps over a sign if it is next.
func (t *tokens) accept(sign string) bool {
	if !t.is(sign) {
		return false
	}
	t.advance()
	return true
}

func (t *tokens) acceptWord(word string) bool {
	if !t.isWord(word) {
		return false
	}
	t.advance()
	return true
}

func (t *tokens) expect(sign string) {
	if !t.accept(sign) {
		t.expected(sign)
	}
}

func (t *tokens) expected(what string) {
	got := t.now.s + t.rest
	if t.now.kind == nameToken {
		got = "$" + got
	}
	t.fail("expected " + what + ", got " + shown(got))
}
