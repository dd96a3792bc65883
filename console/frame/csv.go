package frame

import (
	"encoding/csv"
	"iter"
	"net/http"
	"strings"
	"time"
)

// csvTime is how long a client may take for some thousand rows.
const csvTime = 30 * time.Second

// CSV sends a table as comma separated values, to be saved under a name. An error breaks the download off, so that
// nobody takes a part of the table for the whole; callers return errors that come before the first row themselves.
func (v *Visit) CSV(name string, rows iter.Seq2[[]string, error]) error {
	v.W.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.W.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	out, n := csv.NewWriter(v.W), 0
	for row, err := range rows {
		if err != nil {
			v.Frame.log().Error("an export was broken off", "table", name, "error", err)
			panic(http.ErrAbortHandler)
		}
		if n++; n%1000 == 1 {
			// fails where there is no connection: in tests
			_ = http.NewResponseController(v.W).SetWriteDeadline(time.Now().Add(csvTime))
		}
		for i := range row {
			row[i] = cellOf(row[i])
		}
		if out.Write(row) != nil {
			return nil // who has gone needs no answer
		}
	}
	out.Flush()
	return nil
}

// Rows are the rows of a small table, for CSV.
func Rows(all [][]string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for _, row := range all {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// cellOf keeps spreadsheets from taking a text for a formula.
func cellOf(text string) string {
	if strings.ContainsAny(text[:min(len(text), 1)], "=+-@\t\r") {
		return "'" + text
	}
	return text
}
