package blocks

import (
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/jsontree"
)

// kinds are the types of blocks: what writes them into a cell, and the padding they have when nothing is said.
func (r *renderer) kind(name string) (write func(*jsontree.Node, scope), padding box, ok bool) {
	text := box{10, 20, 10, 20}
	switch name {
	case "text":
		return r.text, text, true
	case "html":
		return r.html, text, true
	case "heading":
		return r.heading, text, true
	case "button":
		return r.button, text, true
	case "link":
		return r.link, text, true
	case "image":
		return r.image, box{}, true
	case "video":
		return r.video, box{}, true
	case "separator", "seperator": // as one page has it
		return r.separator, text, true
	case "spacer":
		return r.spacer, box{}, true
	case "columns":
		return r.columns, box{}, true
	case "container":
		return r.container, box{}, true
	case "follow":
		return r.follow, text, true
	case "share":
		return r.share, text, true
	}
	return nil, box{}, false
}

var kinds = []string{"button", "columns", "container", "feed", "follow", "heading", "html", "image", "import", "link",
	"separator", "share", "spacer", "text", "video"}

// stack writes blocks below each other, in a table of their own.
func (r *renderer) stack(list []*jsontree.Node, s scope) {
	if len(list) == 0 {
		return
	}
	r.open(table().attr("width", "100%").style("border-collapse", "collapse"))
	r.write("\n")
	for _, n := range list {
		r.block(n, s)
	}
	r.write("</table>\n")
}

// block writes one block, as a row of the table that is open; feeds and imports are several.
func (r *renderer) block(n *jsontree.Node, s scope) {
	if r.stopped(n) {
		return
	}
	if !n.Is(jsontree.Object) {
		n.Expected("an object")
		return
	}
	if r.blocks++; r.blocks > maxBlocks {
		n.Fail(&Error{Want: "at most 10000 blocks"})
		return
	}
	class, shown := visibility(n)
	if !shown {
		return
	}
	name := n.String("type")
	switch write, padding, ok := r.kind(name); {
	case name == "feed":
		r.feed(n, s, class)
	case name == "import":
		r.imported(n, s)
	case ok:
		r.row(n, s, class, padding, write)
	case n.Get("type") == nil:
		n.Fail(&Error{Want: `a "type" in it`})
	default:
		n.Get("type").Expected("one of %s", strings.Join(kinds, ", "))
	}
}

// visibility returns the class of a block that only some screens show, and whether a mail shows it at all.
func visibility(n *jsontree.Node) (class string, shown bool) {
	v := n.Object("visibility")
	class = choice(v, "device", "always", "desktop", "mobile")
	if class == "always" {
		class = ""
	}
	return class, choice(v, "output", "always", "mailonly", "webonly") != "webonly"
}

// row writes a block in a row. The margin is the padding of its cell; where there is a background, which the margin is
// not to have, another table has padding and background.
func (r *renderer) row(n *jsontree.Node, s scope, class string, padding box, write func(*jsontree.Node, scope)) {
	margin, hasMargin := readBox(n, "margin")
	own, hasPadding := readBox(n, "padding")
	switch {
	case hasPadding:
		padding = own
	case hasMargin:
		padding = box{}
	}
	tr := tag("tr").class(class)
	if class == "mobile" {
		tr.style("display", "none").style("mso-hide", "all")
	}
	r.open(tr)
	color := background(n)
	cell := tag("td").attr("align", choice(n, "align", "left", "center", "right"))
	inner := color != "" && margin != (box{})
	around := margin
	if !inner {
		around = margin.plus(padding)
		cell.attr("bgcolor", color).style("background-color", color)
	}
	r.open(cell.style("padding", around.String()).custom(n.Object("container")))
	s.width = padding.inside(margin.inside(s.width))
	s.background = or(color, s.background)
	if inner {
		r.open(table().attr("width", "100%").style("border-collapse", "collapse"))
		r.write("<tr>")
		r.open(tag("td").attr("align", choice(n, "align", "left", "center", "right")).attr("bgcolor", color).
			style("padding", padding.String()).style("background-color", color))
	}
	write(n, s)
	if inner {
		r.write("</td></tr></table>")
	}
	r.write("</td></tr>\n")
}

// first returns the first of some properties that is there: pages differ in what they call one.
func first(n *jsontree.Node, keys ...string) (key string) {
	i := slices.IndexFunc(keys, func(key string) bool { return n.Get(key) != nil })
	return keys[max(i, 0)]
}
