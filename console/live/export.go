package live

import (
	"strconv"

	"github.com/sluicemail/sluice/console/frame"
)

// export sends all rows of a table that match, in its order, as comma separated values.
func (c *Live) export(v *frame.Visit, o order) error {
	o.from, o.n = 0, len(c.rows(o.kind))
	heads := []string{"name", "status"}
	for _, col := range columnsOf(o.kind) {
		heads = append(heads, col.Key)
	}
	rows := [][]string{heads}
	for _, row := range c.window(o).Rows {
		line := []string{row.Name, row.Status}
		if row.Other {
			line[0] = "all others"
		}
		for _, n := range row.Values {
			line = append(line, strconv.FormatInt(n, 10))
		}
		rows = append(rows, line)
	}
	return v.CSV(o.kind, frame.Rows(rows))
}
