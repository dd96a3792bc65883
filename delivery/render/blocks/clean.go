package blocks

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/sluicemail/sluice/internal/tagmask"
)

// clean returns HTML that can stand in a cell: without scripts, frames and what only the head of a document has, and
// with an end for each element that it begins. All else stays as it is written: a parser would move what stands
// between the rows of a table, such as {foreach}.
func clean(text string) string {
	return tagmask.Around(text, func(masked string) string {
		c := &cleaner{z: html.NewTokenizer(strings.NewReader(masked))}
		c.run()
		return c.b.String()
	})
}

type cleaner struct {
	z    *html.Tokenizer
	b    strings.Builder
	open []string // elements that have begun
}

// dropped are elements that are left out with all that is in them.
var dropped = map[atom.Atom]bool{atom.Script: true, atom.Iframe: true, atom.Object: true, atom.Applet: true,
	atom.Frameset: true, atom.Title: true, atom.Noscript: true, atom.Template: true}

// unwrapped are elements whose tags are left out.
var unwrapped = map[atom.Atom]bool{atom.Html: true, atom.Head: true, atom.Body: true, atom.Meta: true, atom.Link: true,
	atom.Base: true, atom.Embed: true, atom.Frame: true}

// void are elements that have no end.
var void = map[atom.Atom]bool{atom.Img: true, atom.Br: true, atom.Hr: true, atom.Input: true, atom.Col: true,
	atom.Area: true, atom.Wbr: true, atom.Source: true, atom.Track: true, atom.Param: true}

func (c *cleaner) run() {
	for {
		kind := c.z.Next()
		raw := string(c.z.Raw())
		switch kind {
		case html.ErrorToken:
			for _, name := range slices.Backward(c.open) {
				c.b.WriteString("</" + name + ">")
			}
			return
		case html.DoctypeToken:
		case html.StartTagToken, html.SelfClosingTagToken:
			c.begin(c.z.Token(), raw)
		case html.EndTagToken:
			c.end(c.z.Token(), raw)
		default:
			c.b.WriteString(raw)
		}
	}
}

func (c *cleaner) begin(t html.Token, raw string) {
	switch {
	case dropped[t.DataAtom]:
		if t.Type == html.StartTagToken {
			c.skip(t.Data)
		}
		return
	case unwrapped[t.DataAtom]:
		return
	case t.DataAtom == atom.Style && t.Type == html.StartTagToken:
		c.sheet(raw)
		return
	}
	attributes := slices.DeleteFunc(slices.Clone(t.Attr), func(a html.Attribute) bool {
		return strings.HasPrefix(a.Key, "on") || scripted(a.Val)
	})
	changed := len(attributes) < len(t.Attr)
	if t.DataAtom == atom.Img && !slices.ContainsFunc(attributes, func(a html.Attribute) bool { return a.Key == "alt" }) {
		attributes, changed = append(attributes, html.Attribute{Key: "alt"}), true
	}
	if changed {
		t.Attr = attributes
		raw = t.String()
	}
	if !void[t.DataAtom] && t.Type == html.StartTagToken {
		c.open = append(c.open, t.Data)
	}
	c.b.WriteString(raw)
}

// end writes the end of an element that has begun here.
func (c *cleaner) end(t html.Token, raw string) {
	for i, name := range slices.Backward(c.open) {
		if name == t.Data {
			c.open = c.open[:i]
			c.b.WriteString(raw)
			return
		}
	}
}

// skip reads up to the end of an element.
func (c *cleaner) skip(name string) {
	for depth := 1; depth > 0; {
		switch c.z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken:
			if tag, _ := c.z.TagName(); string(tag) == name {
				depth++
			}
		case html.EndTagToken:
			if tag, _ := c.z.TagName(); string(tag) == name {
				depth--
			}
		}
	}
}

// sheet writes a style sheet, unless it loads another one.
func (c *cleaner) sheet(raw string) {
	var text string
	if c.z.Next() == html.TextToken {
		text = string(c.z.Raw())
		c.z.Next() // its end
	}
	if !scripted(text) {
		c.b.WriteString(raw + text + "</style>")
	}
}
