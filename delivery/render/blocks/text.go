package blocks

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"golang.org/x/net/html/charset"

	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/internal/jsontree"
)

// text writes text as it is, with its line breaks.
func (r *renderer) text(n *jsontree.Node, s scope) {
	text := strings.NewReplacer("\r\n", "<br>\n", "\r", "<br>\n", "\n", "<br>\n").Replace(escape(r.source(n)))
	r.open(s.font.with(n).apply(tag("div"), s.background).custom(n))
	r.write(text, "</div>")
}

// html writes HTML without scripts.
func (r *renderer) html(n *jsontree.Node, s scope) {
	e := tag("div")
	if s.font.with(n).on(s.background) == "#ffffff" {
		e.class("on") // links in blue cannot be read there
	}
	r.open(s.font.with(n).apply(e, s.background).custom(n))
	r.write(clean(r.source(n)), "</div>")
}

// source returns the content of a block, or what its url names.
func (r *renderer) source(n *jsontree.Node) string {
	if n.Get("url") == nil {
		return n.String(first(n, "content", "source"))
	}
	file := r.fetch(n, "url")
	if file == nil {
		return ""
	}
	in, err := charset.NewReader(bytes.NewReader(file.Data), file.Type)
	var text []byte
	if err == nil {
		text, err = io.ReadAll(in)
	}
	if err != nil {
		n.Get("url").Fail(&Error{Want: "text", Err: err})
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// fetch downloads what a property names; nil: it cannot be, which the tree is told.
func (r *renderer) fetch(n *jsontree.Node, key string) *fetch.File {
	at := n.String(key)
	if at == "" || r.stopped(n) {
		return nil
	}
	file, err := r.download(at)
	if err != nil {
		n.Get(key).Fail(&Error{Err: err})
	}
	return file
}

func (r *renderer) download(at string) (*fetch.File, error) {
	if r.opts.Fetcher == nil {
		return nil, &fetch.Error{URL: "this address", Reason: "downloads are not allowed"}
	}
	if r.fetches++; r.fetches > maxFetches {
		return nil, &fetch.Error{URL: "this address", Reason: "a mail may have 100 downloads"}
	}
	return r.opts.Fetcher.Fetch(r.ctx, at)
}

// headings are the sizes of six levels, in pixels.
var headings = [...]string{"32px", "26px", "22px", "18px", "16px", "14px"}

func (r *renderer) heading(n *jsontree.Node, s scope) {
	level := whole(n, "size", 1, 6, 1)
	f := s.font
	f.size, f.lineHeight, f.weight = headings[level-1], "1.25", "bold"
	f = f.with(n)
	name := "h" + strconv.Itoa(level)
	r.open(f.apply(tag(name).style("margin", "0").style("padding", "0"), s.background).custom(n))
	l := readLink(n, "link")
	if l.url != "" {
		r.open(l.anchor(n).style("color", f.on(s.background)).style("text-decoration", "underline"))
	}
	r.write(strings.ReplaceAll(escape(r.source(n)), "\n", "<br>"))
	if l.url != "" {
		r.write("</a>")
	}
	r.write("</", name, ">")
}
