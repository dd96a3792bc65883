package live

import (
	"encoding/csv"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/console/frame"
)

// export sends all rows of a table that match, in its order, as comma separated values.
func (c *Live) export(v *frame.Visit, o order) error {
	o.from, o.n = 0, len(c.rows(o.kind))
	v.W.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.W.Header().Set("Content-Disposition", `attachment; filename="`+o.kind+`.csv"`)
	out := csv.NewWriter(v.W)
	heads := []string{"name", "status"}
	for _, col := range columnsOf(o.kind) {
		heads = append(heads, col.Key)
	}
	_ = out.Write(heads) // Flush tells, and who has gone needs no answer
	for _, row := range c.window(o).Rows {
		line := []string{cellOf(row.Name), row.Status}
		if row.Other {
			line[0] = "all others"
		}
		for _, n := range row.Values {
			line = append(line, strconv.FormatInt(n, 10))
		}
		_ = out.Write(line)
	}
	out.Flush()
	return nil
}

// cellOf keeps spreadsheets from taking a name for a formula.
func cellOf(name string) string {
	if strings.ContainsAny(name[:min(len(name), 1)], "=+-@\t\r") {
		return "'" + name
	}
	return name
}
