package blocks

import (
	"strconv"

	"github.com/sluicemail/sluice/internal/jsontree"
)

// separator writes a line.
func (r *renderer) separator(n *jsontree.Node, _ scope) {
	style := choice(n, "style", "solid", "dashed", "dotted", "double", "groove", "ridge")
	border := strconv.Itoa(pixels(n, "height", 4)) + "px " + style + " " + or(color(n, "color"), "#cccccc")
	r.open(tag("div").style("border-top", border).style("font-size", "0").style("line-height", "0").custom(n))
	r.write("&nbsp;</div>")
}

// spacer writes nothing, of some height.
func (r *renderer) spacer(n *jsontree.Node, _ scope) {
	height := strconv.Itoa(pixels(n, "height", 50)) + "px"
	r.open(tag("div").style("height", height).style("line-height", height).style("font-size", "1px").custom(n))
	r.write("&nbsp;</div>")
}
