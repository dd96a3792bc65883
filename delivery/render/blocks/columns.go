package blocks

import (
	"strconv"

	"github.com/sluicemail/sluice/internal/jsontree"
)

// grid is how many parts a row has.
const grid = 12

// columns writes cells side by side.
func (r *renderer) columns(n *jsontree.Node, s scope) {
	if s.inColumns {
		n.Fail(&Error{Want: "no columns within columns"})
		return
	}
	list := n.Array("columns")
	if len(list) == 0 || len(list) > grid {
		n.Fail(&Error{Want: `an array "columns" with 1 to 12 objects`})
		return
	}
	sizes, ok := columnSizes(n, list)
	if !ok {
		return
	}
	r.open(table().attr("width", "100%").style("border-collapse", "collapse").style("table-layout", "fixed").custom(n))
	r.write("<tr>\n")
	s.inColumns = true
	left := float64(grid)
	for i, column := range list {
		r.column(column, s, sizes[i])
		left -= sizes[i]
	}
	if left > 0.01 {
		r.open(tag("td").class("column").style("width", percent(left/grid)))
		r.write("</td>\n")
	}
	r.write("</tr></table>")
}

// columnSizes returns how many of twelve parts each column has. What is left is shared by those that do not say.
func columnSizes(n *jsontree.Node, list []*jsontree.Node) ([]float64, bool) {
	sizes := make([]float64, len(list))
	left, silent := grid, 0
	for i, column := range list {
		if !column.Is(jsontree.Object) {
			column.Expected("an object")
			return nil, false
		}
		size := whole(column, "size", 1, grid, 0)
		if sizes[i] = float64(size); size == 0 {
			silent++
		}
		left -= size
	}
	if left < 0 || silent > left {
		n.Get("columns").Fail(&Error{Want: "sizes of 12 together"})
		return nil, false
	}
	for i := range sizes {
		if sizes[i] == 0 {
			sizes[i] = float64(left) / float64(silent)
		}
	}
	return sizes, true
}

func (r *renderer) column(n *jsontree.Node, s scope, size float64) {
	color := background(n)
	s.width = max(1, int(float64(s.width)*size/grid))
	s.background = or(color, s.background)
	s.font = s.font.with(n)
	cell := tag("td").class("column").attr("valign", "top").attr("width", percent(size/grid)).attr("bgcolor", color).
		style("width", percent(size/grid)).style("vertical-align", "top").style("padding", "0").
		style("background-color", color)
	r.open(s.font.apply(cell, s.background).custom(n.Object("container")))
	r.stack(n.Array("blocks"), s)
	r.write("</td>\n")
}

// percent returns a part of one as CSS has it.
func percent(part float64) string {
	return strconv.FormatFloat(float64(int(part*10_000+0.5))/100, 'f', -1, 64) + "%"
}

// container writes blocks below each other.
func (r *renderer) container(n *jsontree.Node, s scope) {
	if s.nested++; s.nested > maxNested {
		n.Fail(&Error{Want: "at most 20 containers within each other"})
		return
	}
	s.font = s.font.with(n)
	r.stack(n.Array("blocks"), s)
}
