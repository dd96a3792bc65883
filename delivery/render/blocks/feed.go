package blocks

import (
	"bytes"
	"encoding/xml"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html/charset"

	"github.com/sluicemail/sluice/internal/jsontree"
)

// maxArticles is how many articles of a feed are shown.
const maxArticles = 50

// article is an article of a feed, as strangers wrote it.
type article struct{ title, link, content, image string }

// feedXML is an RSS, RDF or Atom feed.
type feedXML struct {
	Items   []itemXML  `xml:"channel>item"`
	RDF     []itemXML  `xml:"item"`
	Entries []entryXML `xml:"entry"`
}

type itemXML struct {
	Title       string     `xml:"title"`
	Link        []string   `xml:"link"`
	Description string     `xml:"description"`
	Encoded     string     `xml:"http://purl.org/rss/1.0/modules/content/ encoded"`
	Enclosures  []mediaXML `xml:"enclosure"`
	Media       []mediaXML `xml:"http://search.yahoo.com/mrss/ content"`
	Thumbnails  []mediaXML `xml:"http://search.yahoo.com/mrss/ thumbnail"`
}

type mediaXML struct {
	URL    string `xml:"url,attr"`
	Type   string `xml:"type,attr"`
	Medium string `xml:"medium,attr"`
}

type entryXML struct {
	Title string `xml:"title"`
	Links []struct {
		Href string `xml:"href,attr"`
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
	} `xml:"link"`
	Content string `xml:"content"`
	Summary string `xml:"summary"`
}

func readFeed(data []byte) (all []article, err error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false
	d.Entity = xml.HTMLEntity
	d.CharsetReader = charset.NewReaderLabel
	var f feedXML
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	for _, item := range append(f.Items, f.RDF...) {
		all = append(all, item.article())
	}
	for _, entry := range f.Entries {
		all = append(all, entry.article())
	}
	return all[:min(len(all), maxArticles)], nil
}

func (i *itemXML) article() article {
	a := article{title: i.Title, content: or(i.Encoded, i.Description)}
	for _, link := range i.Link {
		a.link = or(a.link, strings.TrimSpace(link))
	}
	for _, m := range append(append(i.Enclosures, i.Media...), i.Thumbnails...) {
		if m.Type == "" && m.Medium == "" || strings.HasPrefix(m.Type, "image/") || m.Medium == "image" {
			a.image = or(a.image, m.URL)
		}
	}
	return a
}

func (e *entryXML) article() article {
	a := article{title: e.Title, content: or(e.Content, e.Summary)}
	for _, l := range e.Links {
		switch {
		case l.Rel == "" || l.Rel == "alternate":
			a.link = or(a.link, l.Href)
		case l.Rel == "enclosure" && strings.HasPrefix(l.Type, "image/"):
			a.image = or(a.image, l.Href)
		}
	}
	return a
}

// feed writes a heading, an image and text for each article (ResponsiveEmail, block-feed).
func (r *renderer) feed(n *jsontree.Node, s scope, class string) {
	key := first(n, "url", "source")
	if n.Get(key) == nil {
		n.Fail(&Error{Want: `a "url" in it`})
		return
	}
	order := []string{"heading", "image", "html"}
	if n.Get("blocks") != nil {
		order = nil
		for _, item := range n.Array("blocks") {
			if item.Text != "heading" && item.Text != "image" && item.Text != "html" {
				item.Expected("heading, image or html")
				return
			}
			order = append(order, item.Text)
		}
	}
	file := r.fetch(n, key)
	if file == nil {
		return
	}
	all, err := readFeed(file.Data)
	if err != nil {
		n.Get(key).Fail(&Error{Want: "a feed in RSS or Atom", Err: err})
		return
	}
	for i := range all {
		for _, kind := range order {
			r.article(n, s, class, &all[i], kind)
		}
	}
}

// article writes one block of an article, with the properties that the feed has for such blocks.
func (r *renderer) article(n *jsontree.Node, s scope, class string, a *article, kind string) {
	link := webAddress(a.link)
	var o *jsontree.Node
	switch base := n.Object(kind); {
	case kind == "heading" && strings.TrimSpace(a.title) != "":
		o = n.With(base, "content", strangers(oneLine(a.title)), "link", link)
		if base.Get("size") == nil {
			o = n.With(o, "size", "3")
		}
	case kind == "image" && webAddress(a.image) != "":
		o = n.With(base, "src", webAddress(a.image), "link", link, "alt", strangers(oneLine(a.title)))
	case kind == "html" && strings.TrimSpace(a.content) != "":
		safe := bluemonday.UGCPolicy().Sanitize(a.content)
		o = n.With(base, "content", strings.ReplaceAll(safe, "{", "&#123;"))
	default:
		return
	}
	if r.stopped(n) {
		return
	}
	write, padding, _ := r.kind(kind)
	r.row(o, s, class, padding, write)
}

// strangers returns text that is not personalised: nothing in it is a tag.
func strangers(s string) string { return strings.ReplaceAll(s, "{", "(") }

// webAddress returns an address of the web; "": it is none.
func webAddress(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") {
		return strings.ReplaceAll(s, "{", "%7B")
	}
	return ""
}

// imported writes blocks that are kept elsewhere: one, an array, or what a mime object has of them (ResponsiveEmail,
// block-import).
func (r *renderer) imported(n *jsontree.Node, s scope) {
	key := first(n, "url", "source")
	if n.Get(key) == nil {
		n.Fail(&Error{Want: `a "url" in it`})
		return
	}
	if s.nested++; s.nested > maxNested {
		n.Fail(&Error{Want: "at most 20 imports and containers within each other"})
		return
	}
	file := r.fetch(n, key)
	if file == nil {
		return
	}
	root, err := jsontree.Parse(file.Data, n.Get(key).Pointer()+"#")
	if err == nil {
		list := root.Items
		switch content := root.Object("content"); {
		case root.Get("type") != nil:
			list = []*jsontree.Node{root}
		case root.Get("blocks") != nil:
			list = root.Array("blocks")
		case content != nil:
			list = content.Array("blocks")
		case !root.Is(jsontree.Array):
			root.Fail(&Error{Want: "blocks"})
		}
		for _, block := range list {
			r.block(block, s)
		}
		err = root.Err()
	}
	if err != nil && r.err == nil {
		r.err = err
	}
}
