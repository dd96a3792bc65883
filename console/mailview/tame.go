package mailview

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// tame bounds how many elements a piece of HTML has, and how deep they are nested, so that no mail keeps a browser
// busy. What is within other elements stays; only their tags go.
func (v *View) tame(text string) string {
	if strings.Count(text, "<") <= maxNested {
		return text
	}
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(text))
	tags, depth, skipped := 0, 0, 0
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return b.String()
		}
		raw := z.Raw()
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			if tags++; tags > maxTags {
				v.cut(fmt.Sprintf("HTML after the first %d elements", maxTags))
				return b.String()
			}
			raw = slices.Clone(raw)
			if name, _ := z.TagName(); isVoid(string(name)) {
				break
			}
			if depth == maxNested {
				skipped++
				continue
			}
			depth++
		case html.EndTagToken:
			if skipped > 0 {
				skipped--
				continue
			}
			depth = max(depth-1, 0)
		}
		b.Write(raw)
	}
}

// isVoid tells elements that contain nothing, and those that need no end tag.
func isVoid(name string) bool {
	switch name {
	case "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "keygen", "link",
		"meta", "param", "source", "track", "wbr",
		"p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup", "colgroup":
		return true
	}
	return false
}
