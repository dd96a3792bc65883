package inline

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// scanner is a text of which it is known where its tags are.
type scanner struct {
	text   []byte
	tags   []tag // start tags
	sheets []sheet
	key    []byte   // what a plan depends on
	asked  []string // attributes that selectors ask for
	passed []string // attributes before the first style sheet that are not part of the key
}

// tag is a start tag.
type tag struct{ start, end int }

// sheet is a style sheet.
type sheet struct {
	tag        int // the start tag of its element
	end, after int // where its text ends, and its element
}

// scan finds the tags and style sheets of a text. A style sheet may ask for attributes; where it does, the text is
// walked over again, so that they become part of the key.
func (s *scanner) scan(text []byte) {
	s.text, s.asked, s.passed = text, s.asked[:0], s.passed[:0]
	for s.walk() {
	}
}

// done forgets the text.
func (s *scanner) done() {
	s.text = nil
	if cap(s.key) > largestKey {
		s.key = nil
	}
}

// largestKey is how much memory a scanner keeps for its next text.
const largestKey = 1 << 20

// walk walks over the text once; again means that style sheets ask for attributes that were passed over.
func (s *scanner) walk() (again bool) {
	s.tags, s.sheets, s.key = s.tags[:0], s.sheets[:0], s.key[:0]
	z := html.NewTokenizer(bytes.NewReader(s.text))
	at, hidden := 0, 0
	open := -1 // the style element that is open
	for {
		kind := z.Next()
		start := at
		at += len(z.Raw())
		switch kind {
		case html.ErrorToken:
			return again
		case html.StartTagToken, html.SelfClosingTagToken:
			s.tags = append(s.tags, tag{start, at})
			open = -1
			if s.note(z, s.text[start:at]) && hidden == 0 && kind == html.StartTagToken {
				open = len(s.tags) - 1
			}
		case html.TextToken:
			if open >= 0 {
				s.sheets = append(s.sheets, sheet{tag: open, end: at, after: at})
				s.key = append(append(s.key, 2), s.text[start:at]...)
				again = s.ask(s.text[start:at]) || again
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			s.key = append(append(s.key, '/'), name...)
			if open >= 0 && len(s.sheets) > 0 && s.sheets[len(s.sheets)-1].tag == open {
				s.sheets[len(s.sheets)-1].after = at
			}
			open = -1
		case html.CommentToken:
			hidden = max(hidden+condition(s.text[start:at]), 0)
		}
	}
}

// ask notes which attributes a style sheet asks for. news: a tag before it had one that was passed over.
func (s *scanner) ask(sheet []byte) (news bool) {
	for {
		i := bytes.IndexByte(sheet, '[')
		if i < 0 {
			return news
		}
		sheet = sheet[i+1:]
		end := bytes.IndexAny(sheet, "]=~|^$*")
		if end < 0 {
			return news
		}
		name := strings.ToLower(string(bytes.TrimSpace(sheet[:end])))
		if !slices.Contains(s.asked, name) && len(s.asked) < mostAsked {
			s.asked = append(s.asked, name)
			news = news || len(s.sheets) > 1 || slices.Contains(s.passed, name)
		}
	}
}

// mostAsked is how many attributes selectors may ask for, and one more.
const mostAsked = 100

// note adds a start tag to the key, and reports whether it begins a style sheet for the screen.
func (s *scanner) note(z *html.Tokenizer, raw []byte) bool {
	name, more := z.TagName()
	isStyle := string(name) == "style"
	s.key = append(append(s.key, 0), name...)
	for isStyle && more {
		var key, value []byte
		if key, value, more = z.TagAttr(); !forScreen(key, value) {
			isStyle = false
			s.key = append(s.key, 3)
		}
	}
	eachAttribute(raw, func(a attribute) bool {
		if key := raw[a.name:a.nameEnd]; holdsFold(always, key) || holdsFold(s.asked, key) {
			s.key = append(append(append(append(s.key, 1), key...), '='), a.value...)
		} else if len(s.sheets) == 0 && !holdsFold(s.passed, key) {
			s.passed = append(s.passed, strings.ToLower(string(key)))
		}
		return true
	})
	return isStyle
}

// always has the attributes that are part of the key whatever the rules ask for.
var always = []string{"class", "id", "style"}

// holdsFold reports whether a name is among some that are in lower case.
func holdsFold(names []string, name []byte) bool {
	for _, n := range names {
		if len(n) == len(name) && strings.EqualFold(n, string(name)) {
			return true
		}
	}
	return false
}

// forScreen reports whether an attribute of a style element leaves it a style sheet for the screen.
func forScreen(key, value []byte) bool {
	switch string(key) {
	case "media":
		media := strings.ToLower(strings.TrimSpace(string(value)))
		return media == "" || media == "all" || media == "screen"
	case "type":
		return len(value) == 0 || bytes.EqualFold(value, []byte("text/css"))
	}
	return true
}

// condition reports what a comment does to what follows: 1 begins what Outlook does not see, as <!--[if !mso]><!-->,
// and -1 ends it, as <!--<![endif]-->.
func condition(comment []byte) int {
	switch {
	case bytes.HasPrefix(comment, []byte("<!--<![endif]")):
		return -1
	case bytes.HasPrefix(comment, []byte("<!--[if")) && !bytes.Contains(comment, []byte("<![endif]")):
		return 1
	}
	return 0
}
