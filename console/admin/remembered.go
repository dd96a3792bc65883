package admin

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
)

// Remembered is [Admin.List] from the settings in force instead of the database, for pages that still want to show them
// while that cannot be reached. Rows that are broken are among them.
func (a *Admin) Remembered(ctx context.Context, table settings.TableName, q Query) (List, error) {
	t, err := tableNamed(table)
	if err != nil || a.Settings == nil {
		return List{}, err
	}
	where, err := normalQuery(t.describe(), q.Where)
	if err != nil {
		return List{}, err
	}
	limit := min(q.Limit, largestPage)
	if limit <= 0 {
		limit = defaultPage
	}
	search := strings.ToLower(q.Search)
	matches := func(r *Row) bool { return r.has(where) && r.contains(search) }
	if len(where) == 0 && search == "" {
		matches = nil
	}
	var list List
	list.Rows, list.Total = t.remembered(ctx, a.Settings.Current().Rows, matches, max(q.Offset, 0), limit)
	a.markBroken(table, list.Rows)
	return list, ctx.Err()
}

// remembered returns a part of the rows that match, and how many do; nil matches all.
func (e entity) remembered(ctx context.Context, rows *settings.Rows, matches func(*Row) bool, offset,
	limit int) (part []Row, total int) {
	all := e.Len(rows)
	t := e.Describe()
	if matches == nil {
		for i := min(offset, all); i < min(offset+limit, all); i++ {
			part = append(part, rowOf(&t, e.At(rows, i)))
		}
		return part, all
	}
	for i := range all {
		if i%1000 == 0 && ctx.Err() != nil {
			break
		}
		row := rowOf(&t, e.At(rows, i))
		if !matches(&row) {
			continue
		}
		if total >= offset && len(part) < limit {
			part = append(part, row)
		}
		total++
	}
	return part, total
}

// contains reports whether a column that is not secret has a text, which is in lower case.
func (r *Row) contains(text string) bool {
	if text == "" {
		return true
	}
	for _, v := range r.Values {
		if strings.Contains(strings.ToLower(fmt.Sprint(v)), text) {
			return true
		}
	}
	return false
}
