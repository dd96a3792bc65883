package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluicemail/sluice/config/settings"
)

// Query selects rows of a table. The zero Query selects the first hundred.
type Query struct {
	Where  Values // columns, or "id", with the value they have
	Search string // text in any column that is not secret
	Limit  int    // 0: 100; at most 10,000
	Offset int
}

// List is a page of rows.
type List struct {
	Rows  []Row
	Total int // rows that the query selects, on all pages
	// Broken are rows of the table that cannot even be read, with the reason.
	Broken []settings.Broken
}

const (
	defaultPage = 100
	largestPage = 10_000
)

// List returns rows of a table, ordered by priority, where there is one, and id.
func (a *Admin) List(ctx context.Context, table settings.TableName, q Query) (List, error) {
	t, err := tableNamed(table)
	if err != nil {
		return List{}, err
	}
	limit := min(q.Limit, largestPage)
	if limit <= 0 {
		limit = defaultPage
	}
	where, err := normalQuery(t.describe(), q.Where)
	if err != nil {
		return List{}, err
	}
	var list List
	err = a.view(ctx, func(s settings.Store) error {
		list, err = listWhere(ctx, s, t, where, settings.Query{Search: q.Search, Limit: limit, Offset: max(q.Offset, 0)})
		return err
	})
	if err != nil {
		return List{}, err
	}
	a.markBroken(table, list.Rows)
	return list, nil
}

// listWhere lists with the first condition left to the database; further ones are looked at here.
func listWhere(ctx context.Context, s settings.Store, t entity, where Values, q settings.Query) (List, error) {
	names := sortedNames(where)
	if len(names) > 0 {
		q.Column, q.Value = names[0], where[names[0]]
	}
	if len(names) <= 1 {
		n, err := t.Count(ctx, s, q)
		if err != nil {
			return List{}, err
		}
		rows, broken, err := t.list(ctx, s, q)
		return List{Rows: rows, Total: int(n), Broken: broken}, err
	}
	limit, offset := q.Limit, q.Offset
	q.Limit, q.Offset = 0, 0
	rows, broken, err := t.list(ctx, s, q)
	if err != nil {
		return List{}, err
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool { return !r.has(where) })
	total := len(rows)
	rows = rows[min(offset, total):]
	return List{Rows: rows[:min(limit, len(rows))], Total: total, Broken: broken}, nil
}

// has reports whether a row has these values.
func (r *Row) has(values Values) bool {
	for name, want := range values {
		if name == "id" {
			if want != r.ID {
				return false
			}
		} else if r.Values[name] != want {
			return false
		}
	}
	return true
}

// Get returns one row.
func (a *Admin) Get(ctx context.Context, table settings.TableName, id int64) (Row, error) {
	t, err := tableNamed(table)
	if err != nil {
		return Row{}, err
	}
	var row Row
	err = a.view(ctx, func(s settings.Store) error {
		row, err = t.get(ctx, s, id)
		return rowError(table, id, err)
	})
	if err != nil {
		return Row{}, err
	}
	one := []Row{row}
	a.markBroken(table, one)
	return one[0], nil
}

// rowError says which row is not there.
func rowError(table settings.TableName, id int64, err error) error {
	if errors.Is(err, settings.ErrNotFound) {
		return notFound(fmt.Sprintf("table %s has no row with id %d", table, id))
	}
	return err
}

// markBroken tells for each row why it is not in force.
func (a *Admin) markBroken(table settings.TableName, rows []Row) {
	if a.Settings == nil || len(rows) == 0 {
		return
	}
	reasons := map[int64]string{}
	for _, b := range a.Settings.Current().Broken {
		if b.Table == table {
			reasons[b.ID] = b.Reason
		}
	}
	for i := range rows {
		rows[i].Broken = reasons[rows[i].ID]
	}
}

// Create adds a row. What is not given has its default.
func (a *Admin) Create(ctx context.Context, table settings.TableName, values Values) (Row, error) {
	return a.save(ctx, table, 0, values, "")
}

// Update changes the given columns of a row; the others stay as they are. When version is not "", the row must still be
// of that version: if not, the error is a [Conflict].
func (a *Admin) Update(ctx context.Context, table settings.TableName, id int64, values Values, version string) (Row,
	error) {
	if id == 0 {
		return Row{}, invalid("id", id, "the id of a row")
	}
	return a.save(ctx, table, id, values, version)
}

// Enable switches a row on or off.
func (a *Admin) Enable(ctx context.Context, table settings.TableName, id int64, on bool) (Row, error) {
	return a.Update(ctx, table, id, Values{"enabled": on}, "")
}

func (a *Admin) save(ctx context.Context, table settings.TableName, id int64, values Values, version string) (Row,
	error) {
	t, err := writable(table)
	if err != nil {
		return Row{}, err
	}
	var row Row
	err = a.change(ctx, func(s settings.Store) error {
		row, err = a.write(ctx, s, t, id, values, version)
		return err
	})
	if err != nil {
		return Row{}, err
	}
	a.didWrite(ctx, t.describe(), row, id == 0)
	return row, nil
}

// didWrite logs a row that was written.
func (a *Admin) didWrite(ctx context.Context, t *Table, row Row, created bool) {
	what := "setting changed"
	if created {
		what = "setting added"
	}
	a.did(ctx, what, "table", t.Name, "id", row.ID, "row", t.brief(row.Values))
}

// writable returns a table that can be written.
func writable(name settings.TableName) (entity, error) {
	t, err := tableNamed(name)
	if err == nil && t.Describe().ReadOnly {
		err = unsupported("table " + string(name) + " is not for writing")
	}
	return t, err
}

// Put adds a row, or changes the given columns of the row that has the same values in the table's key. It tells which.
func (a *Admin) Put(ctx context.Context, table settings.TableName, values Values) (row Row, created bool, err error) {
	t, err := writable(table)
	if err != nil {
		return Row{}, false, err
	}
	d := t.describe()
	given, err := normal(d, values)
	if err != nil {
		return Row{}, false, err
	}
	err = a.change(ctx, func(s settings.Store) error {
		found, err := findKey(ctx, s, t, d, given)
		if err != nil {
			return err
		}
		created = len(found) == 0
		if created {
			row, err = a.write(ctx, s, t, 0, given, "")
			return err
		}
		row, err = a.write(ctx, s, t, found[0].ID, given, "")
		return err
	})
	if err != nil {
		return Row{}, false, err
	}
	a.didWrite(ctx, d, row, created)
	return row, created, nil
}

// findKey returns the rows with the same key as values.
func findKey(ctx context.Context, s settings.Store, t entity, d *Table, values Values) ([]Row, error) {
	if len(d.Key) == 0 {
		return nil, nil
	}
	where := Values{}
	for _, name := range d.Key {
		v, given := values[name]
		if !given {
			v = d.Field(name).Default
		}
		where[name] = v
	}
	return findRows(ctx, s, t, where)
}

// findRows returns all rows with these values.
func findRows(ctx context.Context, s settings.Store, t entity, where Values) ([]Row, error) {
	var q settings.Query
	q.Column, q.Value = narrowest(where)
	rows, _, err := t.list(ctx, s, q)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rows, func(r Row) bool { return !r.has(where) }), nil
}

// Delete deletes a row, and the rows of other tables that belong to it alone, such as the rules of a throttle. One that
// others use is a [Conflict]. When version is not "", the row must still be of that version.
func (a *Admin) Delete(ctx context.Context, table settings.TableName, id int64, version string) error {
	t, err := writable(table)
	if err != nil {
		return err
	}
	var row Row
	err = a.change(ctx, func(s settings.Store) error {
		if row, err = t.get(ctx, s, id); err != nil {
			return rowError(table, id, err)
		}
		if err := row.unchanged(version); err != nil {
			return err
		}
		return deleteRow(ctx, s, t, &row)
	})
	if err != nil {
		return err
	}
	d := t.describe()
	a.did(ctx, "setting deleted", "table", table, "id", id, "row", d.brief(row.Values))
	return nil
}

// DeleteWhere deletes the rows with these values of the table's key, and returns how many there were. Values that are
// empty need not be given; other columns are not looked at.
func (a *Admin) DeleteWhere(ctx context.Context, table settings.TableName, values Values) (int, error) {
	t, err := writable(table)
	if err != nil {
		return 0, err
	}
	d := t.describe()
	where, err := normal(&Table{Name: table, Fields: d.Selecting()}, values)
	if err != nil {
		return 0, err
	}
	for _, name := range d.Key {
		if _, given := where[name]; given {
			continue
		}
		if d.Field(name).Required {
			return 0, invalid(name, nil, "a value that tells which row is meant")
		}
		where[name] = d.Field(name).Default
	}
	return a.deleteRows(ctx, t, d, where, nil)
}

// deleteRows deletes the rows with these values that pass also, and with each what hangs on it.
func (a *Admin) deleteRows(ctx context.Context, t entity, d *Table, where Values,
	also func(settings.Store, *Row) (bool, error)) (int, error) {
	var gone []Row
	err := a.change(ctx, func(s settings.Store) error {
		gone = nil
		rows, err := findRows(ctx, s, t, where)
		if err != nil {
			return err
		}
		for i := range rows {
			if also != nil {
				if ok, err := also(s, &rows[i]); err != nil || !ok {
					if err != nil {
						return err
					}
					continue
				}
			}
			if err := deleteRow(ctx, s, t, &rows[i]); err != nil {
				return err
			}
			gone = append(gone, rows[i])
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for i := range gone {
		a.did(ctx, "setting deleted", "table", d.Name, "id", gone[i].ID, "row", d.brief(gone[i].Values))
	}
	return len(gone), nil
}

// unchanged reports whether a row is of a version; "" is any.
func (r *Row) unchanged(version string) error {
	if version == "" || version == r.Version {
		return nil
	}
	now := *r
	return &Conflict{Reason: fmt.Sprintf("row %d was changed by somebody else in the meantime", r.ID), Current: &now}
}

// Order puts rows of an ordered table into an order: the first of ids comes first. Rows that are not named come behind
// these, in the order they had.
func (a *Admin) Order(ctx context.Context, table settings.TableName, ids []int64) error {
	t, err := writable(table)
	if err != nil {
		return err
	}
	if !t.describe().Ordered {
		return unsupported("the rows of table " + string(table) + " have no order")
	}
	err = a.change(ctx, func(s settings.Store) error { return reorder(ctx, s, t, ids) })
	if err != nil {
		return err
	}
	a.did(ctx, "settings put into order", "table", table, "ids", ids)
	return nil
}

func reorder(ctx context.Context, s settings.Store, t entity, ids []int64) error {
	rows, _, err := t.list(ctx, s, settings.Query{})
	if err != nil {
		return err
	}
	var order []Row
	for i, id := range ids {
		at := slices.IndexFunc(rows, func(r Row) bool { return r.ID == id })
		if at < 0 || slices.Contains(ids[:i], id) {
			return invalid("ids", id, "the id of a row, once")
		}
		order = append(order, rows[at])
	}
	for _, r := range rows {
		if !slices.Contains(ids, r.ID) {
			order = append(order, r)
		}
	}
	for i, r := range order {
		if want := int64(i + 1); r.Values["priority"] != want {
			if _, err := t.write(ctx, s, r.ID, Values{"priority": want}); err != nil {
				return err
			}
		}
	}
	return nil
}
