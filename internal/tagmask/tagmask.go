// Package tagmask keeps the tags of personalisation, such as {$name} and {if $age > 3}, whole while the text around
// them is escaped or parsed: each is replaced by a token of characters that no text has, and put back afterwards.
package tagmask

import (
	"strconv"
	"strings"
)

// The tokens are a number between these characters, of the private use area.
const (
	open  = '\uE000'
	close = '\uE001'
)

const maxTag = 16 << 10 // as in delivery/render/template

// Tags are the tags that were replaced in a text.
type Tags []string

// Mask replaces the tags of a text. What the text itself has of the characters for tokens becomes U+FFFD.
func Mask(text string) (masked string, tags Tags) {
	if strings.ContainsRune(text, open) || strings.ContainsRune(text, close) {
		text = strings.NewReplacer(string(open), "\uFFFD", string(close), "\uFFFD").Replace(text)
	}
	var b strings.Builder
	from := 0
	for at := strings.IndexByte(text, '{'); at >= 0; {
		end := at + 1
		if n := length(text[at:]); n > 0 {
			b.WriteString(text[from:at])
			b.WriteString(token(len(tags)))
			tags = append(tags, text[at:at+n])
			from, end = at+n, at+n
		}
		next := strings.IndexByte(text[end:], '{')
		if next < 0 {
			break
		}
		at = end + next
	}
	if tags == nil {
		return text, nil
	}
	b.WriteString(text[from:])
	return b.String(), tags
}

func token(i int) string { return string(open) + strconv.Itoa(i) + string(close) }

// Restore puts the tags back in a text that was made from the masked one.
func (t Tags) Restore(text string) string {
	if len(t) == 0 {
		return text
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, string(open))
		b.WriteString(before)
		if !found {
			return b.String()
		}
		number, rest, _ := strings.Cut(after, string(close))
		if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(t) {
			b.WriteString(t[i])
		}
		text = rest
	}
}

// Around applies f to a text, and leaves its tags as they are.
func Around(text string, f func(string) string) string {
	masked, tags := Mask(text)
	return tags.Restore(f(masked))
}

// Between applies f to each piece of a text between its tags.
func Between(text string, f func(string) string) string {
	if strings.IndexByte(text, '{') < 0 {
		return f(text)
	}
	masked, tags := Mask(text)
	var b strings.Builder
	for {
		before, after, found := strings.Cut(masked, string(open))
		b.WriteString(f(before))
		if !found {
			return b.String()
		}
		number, rest, _ := strings.Cut(after, string(close))
		b.WriteString(tags.Restore(string(open) + number + string(close)))
		masked = rest
	}
}

// Masked reports whether a masked text has a tag.
func Masked(text string) bool { return strings.ContainsRune(text, open) }

var keywords = []string{"if", "elseif", "else", "foreach", "foreachelse", "assign", "ldelim", "rdelim", "literal",
	"/if", "/foreach", "/literal"}

// length returns the length of the tag that a text begins with; 0 when it is none.
func length(text string) int {
	if !begins(text[1:]) {
		return 0
	}
	quote := byte(0)
	for i := 1; i < len(text) && i < maxTag; i++ {
		switch c := text[i]; {
		case c == '\\' && quote != 0:
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '}':
			return i + 1
		}
	}
	return 0
}

// begins reports whether what follows a brace makes it a tag.
func begins(text string) bool {
	if len(text) > 1 && text[0] == '$' {
		c := text[1] | 0x20
		return 'a' <= c && c <= 'z'
	}
	for _, word := range keywords {
		after, found := strings.CutPrefix(text, word)
		if found && after != "" && strings.IndexByte(" \t\r\n}($", after[0]) >= 0 {
			return true
		}
	}
	return false
}
