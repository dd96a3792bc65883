package sheets

import (
	"strconv"

	"github.com/sluicemail/sluice/console/admin"
)

// exported is how many rows are read at a time.
const exported = 10_000

// export sends all rows that match as comma separated values: every column that holds no secret, by its name in the
// database, and whether each row is in force. They stand in the order of the database.
func (s *sheet) export(v *visit, search string) error {
	q := admin.Query{Search: search, Limit: exported}
	page, _, err := rows(v.R.Context(), v.c.Admin, s.table, q)
	if err != nil {
		return err
	}
	t := s.describe(v)
	return v.CSV(string(s.table), func(yield func([]string, error) bool) {
		if !yield(s.exportHead(&t), nil) {
			return
		}
		for len(page.Rows) > 0 {
			for i := range page.Rows {
				if !yield(s.exportRow(v, &t, &page.Rows[i]), nil) {
					return
				}
			}
			q.Offset += len(page.Rows)
			if page, _, err = rows(v.R.Context(), v.c.Admin, s.table, q); err != nil {
				yield(nil, err)
				return
			}
		}
	})
}

func (s *sheet) exportHead(t *admin.Table) []string {
	heads := []string{"id", "state"}
	for i := range t.Fields {
		if !t.Fields[i].Secret {
			heads = append(heads, t.Fields[i].Name)
		}
	}
	return heads
}

func (s *sheet) exportRow(v *visit, t *admin.Table, r *admin.Row) []string {
	cells := []string{strconv.FormatInt(r.ID, 10), s.state(v.c, r).Word}
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Secret {
			continue
		}
		value := hideSecret(r.Values, f.Name)
		if on, is := value.(bool); is {
			cells = append(cells, strconv.FormatBool(on))
			continue
		}
		cells = append(cells, valueText(f, value))
	}
	return cells
}
