package blocks

import "github.com/sluicemail/sluice/internal/jsontree"

// firstButton is the colour of a button that names none: white is easy to read on it.
const firstButton = "#1565a8"

// button writes a table that looks like a button.
func (r *renderer) button(n *jsontree.Node, s scope) {
	paint := or(color(n, "color"), firstButton)
	size, ok := readBox(n, "size")
	if !ok {
		size = box{12, 24, 12, 24}
	}
	corners := map[string]string{"radius": "4px", "round": "500px"}[choice(n, "corners", "default", "radius", "round")]
	l := readLink(n, "link")
	f := s.font
	f.color, f.weight, f.lineHeight = "", "bold", "1.25"
	f = f.with(n)

	r.open(table().attr("align", choice(n, "align", "left", "center", "right")).style("border-collapse", "separate"))
	r.write("<tr>")
	r.open(tag("td").attr("align", "center").attr("bgcolor", paint).style("background-color", paint).
		style("border-radius", corners).style("padding", "0").custom(n))
	label := tag("span")
	if l.url != "" {
		label = l.anchor(nil)
	}
	label.style("display", "inline-block").style("padding", size.String()).style("text-decoration", "none").
		style("border-radius", corners)
	f.apply(label, paint).custom(n.Object("a"))
	r.open(label)
	r.write(escape(oneLine(n.String("label"))), "</", label.name, "></td></tr></table>")
}

// link writes a link that stands alone.
func (r *renderer) link(n *jsontree.Node, s scope) {
	key := first(n, "link", "url")
	l := readLink(n, key)
	label := n.String("label")
	if item := n.Get(key); item.Is(jsontree.Object) {
		label = or(label, item.String("label"))
	}
	f := s.font.with(n)
	if f.color == "" && f.on(s.background) != "#ffffff" {
		f.color = firstButton
	}
	r.open(f.apply(tag("div"), s.background).style("text-align", choice(n, "align", "left", "center", "right")))
	a := tag("span")
	if l.url != "" {
		a = l.anchor(nil)
	}
	r.open(a.style("color", f.on(s.background)).style("text-decoration", "underline").custom(n).custom(n.Object("a")))
	r.write(escape(oneLine(or(label, l.url))), "</", a.name, "></div>")
}
