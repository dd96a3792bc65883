package template

import "strings"

// scanner finds the tags of a text.
type scanner struct {
	text string
	at   int
	code bool // within <style> or <script>
}

// next returns the text up to the next tag, and what is between the braces of that tag, which begins at the offset at;
// more is false when there is none.
func (s *scanner) next() (before, tag string, at int, more bool) {
	start := s.at
	for from := start; ; {
		brace := strings.IndexByte(s.text[from:], '{')
		if brace < 0 {
			s.at = len(s.text)
			return s.text[start:], "", s.at, false
		}
		brace += from
		s.code = inCode(s.text[from:brace], s.code)
		if s.code && !beginsTag(s.text[brace+1:]) {
			from = brace + 1
			continue
		}
		tag := s.tag(brace)
		return s.text[start:brace], tag, brace, true
	}
}

// maxTag is how many bytes a tag may have.
const maxTag = 16 << 10

// tag reads the tag that begins with the brace at an offset. Braces within quotes do not end it.
func (s *scanner) tag(brace int) string {
	quote := byte(0)
	for i := brace + 1; i < len(s.text) && i-brace <= maxTag; i++ {
		switch c := s.text[i]; {
		case c == '\\' && quote != 0:
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '}':
			s.at = i + 1
			return s.text[brace+1 : i]
		}
	}
	panic(errorAt(s.text, brace, "the tag is not closed: expected a } after it, outside of quotes; "+asText))
}

const asText = "a brace that is text is written {ldelim}, or within {literal}...{/literal}"

// literal returns what is before the next {/literal}, and goes on behind it.
func (s *scanner) literal(tagAt int) string {
	const end = "{/literal}"
	n := strings.Index(s.text[s.at:], end)
	if n < 0 {
		panic(errorAt(s.text, tagAt, "expected {/literal} after it"))
	}
	text := s.text[s.at : s.at+n]
	s.at += n + len(end)
	return text
}

// inCode reports whether what follows a piece of text is within <style> or <script>.
func inCode(piece string, code bool) bool {
	for {
		i := strings.IndexByte(piece, '<')
		if i < 0 {
			return code
		}
		piece = piece[i+1:]
		switch {
		case code:
			code = !element(piece, "/style") && !element(piece, "/script")
		default:
			code = element(piece, "style") || element(piece, "script")
		}
	}
}

// element reports whether a text begins with the name of an element, in any case.
func element(s, name string) bool {
	if len(s) < len(name) || !strings.EqualFold(s[:len(name)], name) {
		return false
	}
	return len(s) == len(name) || strings.IndexByte(" \t\r\n>/", s[len(name)]) >= 0
}

// beginsTag reports whether what follows a brace within a style sheet or script makes that a tag. There, all other
// braces are text, in particular those before white space.
func beginsTag(s string) bool {
	if len(s) > 1 && s[0] == '$' {
		return isLetter(s[1])
	}
	word := keyword(s)
	if word == "" || !keywords[word] {
		return false
	}
	return len(s) > len(word) && strings.IndexByte(" \t\r\n}($", s[len(word)]) >= 0
}

// keyword returns the word at the beginning of a tag, with the slash before it.
func keyword(s string) string {
	end := 0
	if strings.HasPrefix(s, "/") {
		end++
	}
	for end < len(s) && isLetter(s[end]) {
		end++
	}
	return s[:end]
}

var keywords = map[string]bool{"if": true, "elseif": true, "else": true, "/if": true, "foreach": true,
	"foreachelse": true, "/foreach": true, "assign": true, "literal": true, "ldelim": true, "rdelim": true}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }
func isBlank(c byte) bool  { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
