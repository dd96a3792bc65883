package admin

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
)

// dependant is a column of one table that holds ids of another.
type dependant struct {
	table  settings.TableName
	column *settings.Column
}

// dependants returns what refers to rows of a table by id.
func dependants(table settings.TableName) []dependant {
	var all []dependant
	for _, t := range settings.Tables() {
		for i := range t.Columns {
			if c := &t.Columns[i]; c.Refers == table {
				all = append(all, dependant{t.Name, c})
			}
		}
	}
	return all
}

// deleteRow deletes a row and the rows that it owns. A row that others use stays, with a [Conflict].
func deleteRow(ctx context.Context, s settings.Store, t entity, row *Row) error {
	for _, d := range dependants(t.name()) {
		other, err := tableNamed(d.table)
		if err != nil {
			return err
		}
		rows, _, err := other.list(ctx, s, settings.Query{Column: d.column.Name, Value: row.ID})
		if err != nil {
			return err
		}
		if len(rows) > 0 && !d.column.Owned {
			return &Conflict{Reason: fmt.Sprintf("row %d of %s is in use: by %s", row.ID, t.name(), rowNames(d.table, rows)),
				Current: row}
		}
		for i := range rows {
			if err := other.Delete(ctx, s, rows[i].ID); err != nil {
				return err
			}
		}
	}
	return t.Delete(ctx, s, row.ID)
}

// rowNames writes "schedule_steps 3, 4".
func rowNames(table settings.TableName, rows []Row) string {
	const most = 5
	var ids []string
	for _, r := range rows[:min(len(rows), most)] {
		ids = append(ids, fmt.Sprint(r.ID))
	}
	if len(rows) > most {
		ids = append(ids, "…")
	}
	return string(table) + " " + strings.Join(ids, ", ")
}
