package object

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/sluicemail/sluice/internal/tagmask"
)

// plain returns the text of an HTML document: paragraphs with empty lines between them, links with their addresses,
// images by their alternative text. What is not shown is left out.
func plain(document string) string {
	return tagmask.Around(document, func(masked string) string {
		p := &plainText{}
		p.read(html.NewTokenizer(strings.NewReader(masked)))
		return strings.TrimSpace(p.b.String()) + "\n"
	})
}

// plainText is a text that grows.
type plainText struct {
	b      strings.Builder
	breaks int  // line breaks before the next word
	space  bool // a space before the next word
	pre    int  // depth of <pre>
	links  []link
}

// link is an <a> that is open.
type link struct {
	address string
	from    int // where its text begins
}

func (p *plainText) read(z *html.Tokenizer) {
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.TextToken:
			p.text(string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if unseen(&t) {
				skip(z, t.Data)
				continue
			}
			p.begin(&t)
		case html.EndTagToken:
			t := z.Token()
			p.end(&t)
		}
	}
}

// void are elements that have no end.
var void = map[atom.Atom]bool{atom.Img: true, atom.Br: true, atom.Hr: true, atom.Meta: true, atom.Link: true,
	atom.Input: true, atom.Col: true, atom.Area: true, atom.Base: true, atom.Wbr: true, atom.Source: true}

// unseen reports whether an element is not shown with all that is in it.
func unseen(t *html.Token) bool {
	switch t.DataAtom {
	case atom.Style, atom.Script, atom.Title, atom.Head, atom.Template, atom.Select, atom.Textarea, atom.Noscript:
		return t.Type == html.StartTagToken
	}
	style := strings.ToLower(strings.ReplaceAll(attribute(t, "style"), " ", ""))
	return !void[t.DataAtom] && t.Type == html.StartTagToken && strings.Contains(style, "display:none")
}

// skip reads up to the end of an element.
func skip(z *html.Tokenizer, name string) {
	for depth := 1; depth > 0; {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken:
			if tag, _ := z.TagName(); string(tag) == name {
				depth++
			}
		case html.EndTagToken:
			if tag, _ := z.TagName(); string(tag) == name {
				depth--
			}
		}
	}
}

func attribute(t *html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return strings.TrimSpace(a.Val)
		}
	}
	return ""
}

// apart is how many line breaks stand before and after an element.
var apart = map[atom.Atom]int{atom.P: 2, atom.H1: 2, atom.H2: 2, atom.H3: 2, atom.H4: 2, atom.H5: 2, atom.H6: 2,
	atom.Ul: 2, atom.Ol: 2, atom.Blockquote: 2, atom.Pre: 2, atom.Div: 1, atom.Tr: 1, atom.Table: 1, atom.Li: 1,
	atom.Section: 1, atom.Article: 1, atom.Header: 1, atom.Footer: 1, atom.Dt: 1, atom.Dd: 1, atom.Address: 1}

func (p *plainText) begin(t *html.Token) {
	p.breakLine(apart[t.DataAtom])
	switch t.DataAtom {
	case atom.Br:
		p.breaks++
		p.space = false
	case atom.Hr:
		p.breakLine(2)
		p.word("----------")
		p.breakLine(2)
	case atom.Li:
		p.word("-")
		p.space = true
	case atom.Td, atom.Th:
		p.space = true
	case atom.Pre:
		p.pre++
	case atom.Img:
		p.text(attribute(t, "alt"))
	case atom.A:
		p.links = append(p.links, link{attribute(t, "href"), p.b.Len()})
	}
}

func (p *plainText) end(t *html.Token) {
	switch t.DataAtom {
	case atom.A:
		p.endLink()
	case atom.Pre:
		p.pre = max(0, p.pre-1)
	}
	p.breakLine(apart[t.DataAtom])
}

// endLink writes the address of a link behind its text, unless that is what the text says.
func (p *plainText) endLink() {
	if len(p.links) == 0 {
		return
	}
	l := p.links[len(p.links)-1]
	p.links = p.links[:len(p.links)-1]
	text := strings.TrimSpace(p.b.String()[l.from:])
	bare := strings.TrimPrefix(l.address, "mailto:")
	if l.address == "" || l.address[0] == '#' || text == l.address || text == bare {
		return
	}
	if text != "" {
		p.space = true
	}
	p.word("<" + bare + ">")
}

func (p *plainText) breakLine(n int) {
	if n > 0 {
		p.breaks, p.space = max(p.breaks, n), false
	}
}

const blanks = " \t\r\n\f\u00a0"

// text adds words with single spaces between them; within <pre> it adds all as it is.
func (p *plainText) text(s string) {
	if p.pre > 0 {
		p.word(strings.ReplaceAll(s, "\r", ""))
		return
	}
	for s != "" {
		rest := strings.TrimLeft(s, blanks)
		if len(rest) < len(s) {
			p.space = true
		}
		end := strings.IndexAny(rest, blanks)
		if end < 0 {
			end = len(rest)
		}
		if end > 0 {
			p.word(rest[:end])
		}
		s = rest[end:]
	}
}

// word adds a word, and what stands before it.
func (p *plainText) word(s string) {
	switch {
	case p.b.Len() == 0:
	case p.breaks > 0:
		p.b.WriteString(strings.Repeat("\n", min(p.breaks, 3)))
	case p.space:
		p.b.WriteByte(' ')
	}
	p.breaks, p.space = 0, false
	p.b.WriteString(s)
}
