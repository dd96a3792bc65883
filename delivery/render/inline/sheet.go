package inline

import "strings"

// rule is a rule of a style sheet: its selectors, and its declarations.
type rule struct {
	selectors []string
	body      string
}

// parseSheet takes a style sheet apart: at-rules as they are, and the rules. It never fails: what it does not
// understand it passes on or over, as browsers do (CSS Syntax 3 §5).
func parseSheet(s string, atRule func(raw string), each func(rule)) {
	s = withoutComments(s)
	for {
		s = strings.TrimLeft(s, " \t\r\n\f;}")
		if rest, ok := strings.CutPrefix(s, "<!--"); ok {
			s = rest
			continue
		}
		if rest, ok := strings.CutPrefix(s, "-->"); ok {
			s = rest
			continue
		}
		if s == "" {
			return
		}
		end := find(s, "{;")
		if s[0] == '@' {
			end = atRuleEnd(s, end)
			atRule(s[:end])
			s = s[end:]
			continue
		}
		for end < len(s) && s[end] == ';' { // no rule ends so: it is part of what comes before the next block
			end += 1 + find(s[end+1:], "{;")
		}
		if end >= len(s) {
			return
		}
		prelude := s[:end]
		s = s[end+1:]
		end = blockEnd(s)
		each(rule{splitTop(prelude, ','), s[:end]})
		s = s[min(end+1, len(s)):]
	}
}

// atRuleEnd returns where an at-rule ends: with its block, or its semicolon.
func atRuleEnd(s string, end int) int {
	if end < len(s) && s[end] == '{' {
		end += 1 + blockEnd(s[end+1:])
	}
	return min(end+1, len(s))
}

// withoutComments leaves the comments out of a style sheet, but not what looks like one within quotes.
func withoutComments(s string) string {
	if !strings.Contains(s, "/*") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		switch {
		case s[i] == '"' || s[i] == '\'':
			end := i + quotedEnd(s[i:])
			b.WriteString(s[i:end])
			i = end
		case strings.HasPrefix(s[i:], "/*"):
			end := strings.Index(s[i+2:], "*/")
			if end < 0 {
				return b.String()
			}
			b.WriteByte(' ')
			i += end + 4
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String()
}

// quotedEnd returns the length of the quoted text that s begins with. A line break ends it, too.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0], '\n':
			return i + 1
		}
	}
	return len(s)
}

// find returns where the first of some characters is in s, outside of quotes, brackets and parentheses, or len(s).
func find(s, chars string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if depth == 0 && strings.IndexByte(chars, c) >= 0 {
			return i
		}
		switch c {
		case '"', '\'':
			i += quotedEnd(s[i:]) - 1
		case '\\':
			i++
		case '(', '[':
			depth++
		case ')', ']':
			depth = max(depth-1, 0)
		}
	}
	return len(s)
}

// blockEnd returns where the block is closed that s is the inside of.
func blockEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'':
			i += quotedEnd(s[i:]) - 1
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return len(s)
}

// splitTop splits s at a character that is outside of quotes, brackets and parentheses, and trims what is between.
func splitTop(s string, at byte) []string {
	var all []string
	for {
		end := find(s, string(rune(at)))
		all = append(all, strings.TrimSpace(s[:end]))
		if end == len(s) {
			return all
		}
		s = s[end+1:]
	}
}
