package admin

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
)

// dependant is a column of one table that holds ids, or for pools names, of another.
type dependant struct {
	table, column string
	// owned rows mean nothing without what they refer to, and go with it.
	owned bool
}

// dependants returns what refers to rows of a table by id.
func dependants(table string) []dependant {
	switch table {
	case "capacity":
		return []dependant{{"capacity_rules", "capacity", true}, {"schedule_steps", "capacity", false}}
	case "schedules":
		return []dependant{{"schedule_steps", "schedule", true}, {"schedule_rules", "schedule", true}}
	case "dkim_keys":
		return []dependant{{"dkim_patterns", "dkim_key", true}}
	case "response_patterns":
		return []dependant{{"response_patterns_actions", "pattern", true}}
	case "response_actions":
		return []dependant{{"response_patterns_actions", "action", false}}
	case "rewrite_triggers":
		return []dependant{{"rewrite_conditions", "trigger", true}, {"rewrite_actions", "trigger", true}}
	}
	return nil
}

// deleteRow deletes a row and those that it owns. One that others use stays, with a [Conflict].
func deleteRow(ctx context.Context, s settings.Store, t entity, row *Row) error {
	for _, d := range dependants(t.name()) {
		other, err := tableNamed(d.table)
		if err != nil {
			return err
		}
		rows, _, err := other.list(ctx, s, settings.Query{Column: d.column, Value: row.ID})
		if err != nil {
			return err
		}
		if len(rows) > 0 && !d.owned {
			return &Conflict{Reason: fmt.Sprintf("row %d of %s is in use: by %s", row.ID, t.name(), rowNames(d.table, rows)),
				Current: row}
		}
		for i := range rows {
			if err := other.delete(ctx, s, rows[i].ID); err != nil {
				return err
			}
		}
	}
	return t.delete(ctx, s, row.ID)
}

// rowNames writes "schedule_steps 3, 4".
func rowNames(table string, rows []Row) string {
	const most = 5
	var ids []string
	for _, r := range rows[:min(len(rows), most)] {
		ids = append(ids, fmt.Sprint(r.ID))
	}
	if len(rows) > most {
		ids = append(ids, "…")
	}
	return table + " " + strings.Join(ids, ", ")
}
