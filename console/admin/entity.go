package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/sluicemail/sluice/config/settings"
)

// Values are the columns of a row by name: int64, bool or string. As input, numbers and booleans may be texts, and
// integers of any kind.
type Values map[string]any

// Row is a row of a table.
type Row struct {
	ID int64
	// Values are all columns but secret ones.
	Values Values
	// Secrets tells for each secret column whether it is set.
	Secrets map[string]bool
	// Version changes with the contents; an update that names another one than the row has fails with a [Conflict].
	Version string
	// Broken is why the row is not in force; "": it is, or it is not enabled.
	Broken string
}

// entity is a table whose row struct is not known.
type entity interface {
	name() settings.TableName
	describe() *Table
	list(ctx context.Context, s settings.Store, q settings.Query) ([]Row, []settings.Broken, error)
	count(ctx context.Context, s settings.Store, q settings.Query) (int64, error)
	get(ctx context.Context, s settings.Store, id int64) (Row, error)
	// write inserts a row, or updates the one with this id; values are complete but for secrets that stay.
	write(ctx context.Context, s settings.Store, id int64, values Values) (Row, error)
	delete(ctx context.Context, s settings.Store, id int64) error
	// place puts a row with these values into rows, instead of the one with its id, for a look at what becomes of it.
	place(rows *settings.Rows, id int64, values Values) error
	// keep makes the row with an id, if there is one, the only one of the table in rows; keepAll takes the whole table
	// over.
	keep(rows, from *settings.Rows, id int64)
	keepAll(rows, from *settings.Rows)
	// enable enables all rows of the table in rows, which must be kept ones.
	enable(rows *settings.Rows)
	// remembered lists without the database; see [Admin.Remembered].
	remembered(ctx context.Context, rows *settings.Rows, matches func(*Row) bool, offset, limit int) ([]Row, int)
}

// of is the entity of a row struct.
type of[T settings.Entity[T]] struct{}

func (of[T]) name() settings.TableName { return settings.Describe[T]().Name }

func (of[T]) describe() *Table { return describe(settings.Describe[T]()) }

func (e of[T]) list(ctx context.Context, s settings.Store, q settings.Query) ([]Row, []settings.Broken, error) {
	found, broken, err := settings.Select[T](ctx, s, q)
	if err != nil {
		return nil, nil, err
	}
	t := settings.Describe[T]()
	rows := make([]Row, len(found))
	for i := range found {
		rows[i] = e.row(&t, &found[i])
	}
	return rows, broken, nil
}

func (of[T]) count(ctx context.Context, s settings.Store, q settings.Query) (int64, error) {
	return settings.Count[T](ctx, s, q)
}

func (e of[T]) get(ctx context.Context, s settings.Store, id int64) (Row, error) {
	found, err := settings.Get[T](ctx, s, id)
	if err != nil {
		return Row{}, err
	}
	t := settings.Describe[T]()
	return e.row(&t, &found), nil
}

func (e of[T]) write(ctx context.Context, s settings.Store, id int64, values Values) (Row, error) {
	var row T
	if id != 0 {
		old, err := settings.Get[T](ctx, s, id)
		if err != nil {
			return Row{}, err
		}
		row = old
	}
	if err := e.fill(&row, values); err != nil {
		return Row{}, err
	}
	var err error
	if id != 0 {
		err = settings.Update(ctx, s, &row)
	} else {
		err = settings.Insert(ctx, s, &row)
	}
	if err != nil {
		return Row{}, err
	}
	t := settings.Describe[T]()
	return e.row(&t, &row), nil
}

func (of[T]) delete(ctx context.Context, s settings.Store, id int64) error {
	return settings.Delete[T](ctx, s, id)
}

func (e of[T]) place(rows *settings.Rows, id int64, values Values) error {
	all := settings.Of[T](rows)
	i := slices.IndexFunc(*all, func(r T) bool { return *settings.ID(&r) == id })
	changed := slices.Clone(*all)
	if i < 0 {
		var row T
		*settings.ID(&row) = id
		changed, i = append(changed, row), len(changed)
	}
	if err := e.fill(&changed[i], values); err != nil {
		return err
	}
	*all = changed
	return nil
}

func (e of[T]) keep(rows, from *settings.Rows, id int64) {
	all := *settings.Of[T](from)
	*settings.Of[T](rows) = nil
	if i := slices.IndexFunc(all, func(r T) bool { return *settings.ID(&r) == id }); i >= 0 {
		*settings.Of[T](rows) = []T{all[i]}
	}
}

func (e of[T]) keepAll(rows, from *settings.Rows) { *settings.Of[T](rows) = *settings.Of[T](from) }

func (e of[T]) enable(rows *settings.Rows) {
	all := *settings.Of[T](rows)
	for i := range all {
		_ = settings.SetValue(&all[i], "enabled", true) // some tables have no such column
	}
}

func (of[T]) fill(row *T, values Values) error {
	for name, value := range values {
		if err := settings.SetValue(row, name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// row makes a Row of a row struct.
func (e of[T]) row(t *settings.Table, from *T) Row {
	r := Row{ID: *settings.ID(from), Values: make(Values, len(t.Columns))}
	sum := sha256.New()
	for _, c := range t.Columns {
		v, err := settings.Value(from, c.Name)
		if err != nil { // the columns are those of T
			continue
		}
		fmt.Fprintf(sum, "%s=%d:%v\n", c.Name, len(fmt.Sprint(v)), v)
		if c.Secret {
			if r.Secrets == nil {
				r.Secrets = make(map[string]bool)
			}
			r.Secrets[c.Name] = v != ""
			continue
		}
		r.Values[c.Name] = v
	}
	r.Version = hex.EncodeToString(sum.Sum(nil)[:8])
	return r
}

// tables lists all tables, in the order of package settings.
func tables() []entity {
	return []entity{
		of[settings.Local]{}, of[settings.MTAName]{}, of[settings.MTALabel]{}, of[settings.IP]{},
		of[settings.Block]{}, of[settings.Capacity]{}, of[settings.CapacityRule]{}, of[settings.FloodResponse]{},
		of[settings.Schedule]{}, of[settings.ScheduleStep]{}, of[settings.ScheduleRule]{},
		of[settings.ScheduleDay]{}, of[settings.Pool]{}, of[settings.PoolIP]{}, of[settings.ExternalMTA]{},
		of[settings.DKIMKey]{}, of[settings.DKIMPattern]{}, of[settings.DNSRecord]{}, of[settings.ForcedError]{},
		of[settings.Pause]{}, of[settings.Delegate]{}, of[settings.Suppression]{}, of[settings.ResponsePattern]{},
		of[settings.ResponseAction]{}, of[settings.ResponseLink]{}, of[settings.RewriteTrigger]{},
		of[settings.RewriteCondition]{}, of[settings.RewriteAction]{}, of[settings.Token]{}, of[settings.Route]{},
	}
}

// tableNamed returns the entity of a table.
func tableNamed(name settings.TableName) (entity, error) {
	for _, t := range tables() {
		if t.name() == name {
			return t, nil
		}
	}
	return nil, notFound(fmt.Sprintf("there is no table %s", show(name)))
}
