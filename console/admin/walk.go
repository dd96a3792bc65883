package admin

import (
	"context"
	"iter"

	"github.com/sluicemail/sluice/config/settings"
)

// pageSize is how many rows of a large table are in memory at a time.
const pageSize = 5000

// Walk returns all rows of a table that have the given values and contain a text, without holding a large table in
// memory. An error ends it; rows that come or go meanwhile may be met or not.
func (a *Admin) Walk(ctx context.Context, table settings.TableName, values Values, search string) iter.Seq2[Row,
	error] {
	return func(yield func(Row, error) bool) {
		t, err := tableNamed(table)
		if err != nil {
			yield(Row{}, err)
			return
		}
		where, err := normalQuery(t.describe(), values)
		if err != nil {
			yield(Row{}, err)
			return
		}
		a.walk(ctx, t, where, search, yield)
	}
}

func (a *Admin) walk(ctx context.Context, t entity, where Values, search string, yield func(Row, error) bool) {
	q := settings.Query{Search: search}
	q.Column, q.Value = narrowest(where)
	if !t.describe().Ordered {
		q.Limit = pageSize
	}
	for {
		var rows []Row
		var broken []settings.Broken
		err := a.view(ctx, func(s settings.Store) (err error) {
			rows, broken, err = t.list(ctx, s, q)
			return err
		})
		if err != nil {
			yield(Row{}, err)
			return
		}
		a.markBroken(t.name(), rows)
		for i := range rows {
			q.After = max(q.After, rows[i].ID)
			if rows[i].has(where) && !yield(rows[i], nil) {
				return
			}
		}
		for i := range broken {
			q.After = max(q.After, broken[i].ID)
		}
		if q.Limit == 0 || len(rows)+len(broken) == 0 {
			return
		}
	}
}

// narrowest returns the condition that promises the fewest rows, for the database to look at.
func narrowest(where Values) (column string, value any) {
	for _, name := range sortedNames(where) {
		v := where[name]
		if text, ok := v.(string); name == "id" || column == "" || column != "id" && ok && text != "" {
			column, value = name, v
		}
	}
	return column, value
}
