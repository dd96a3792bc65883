package frame

import (
	"encoding/csv"
	"strings"
)

// CSV sends a table as comma separated values, to be saved under a name.
func (v *Visit) CSV(name string, rows [][]string) error {
	v.W.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.W.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	out := csv.NewWriter(v.W)
	for _, row := range rows {
		for i := range row {
			row[i] = cellOf(row[i])
		}
		_ = out.Write(row) // who has gone needs no answer
	}
	out.Flush()
	return nil
}

// cellOf keeps spreadsheets from taking a text for a formula.
func cellOf(text string) string {
	if strings.ContainsAny(text[:min(len(text), 1)], "=+-@\t\r") {
		return "'" + text
	}
	return text
}
