package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

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
type entity struct{ settings.Untyped }

// tableNamed returns the entity of a table.
func tableNamed(name settings.TableName) (entity, error) {
	t := settings.Named(name)
	if t == nil {
		return entity{}, notFound(fmt.Sprintf("there is no table %s", show(string(name))))
	}
	return entity{t}, nil
}

func (e entity) name() settings.TableName { return e.Describe().Name }

func (e entity) describe() *Table { return describe(e.Describe()) }

func (e entity) list(ctx context.Context, s settings.Store, q settings.Query) ([]Row, []settings.Broken, error) {
	found, broken, err := e.Select(ctx, s, q)
	if err != nil {
		return nil, nil, err
	}
	t := e.Describe()
	rows := make([]Row, len(found))
	for i := range found {
		rows[i] = rowOf(&t, found[i])
	}
	return rows, broken, nil
}

func (e entity) get(ctx context.Context, s settings.Store, id int64) (Row, error) {
	return e.row(e.Get(ctx, s, id))
}

// write inserts a row, or updates the one with this id; values are complete but for secrets that stay.
func (e entity) write(ctx context.Context, s settings.Store, id int64, values Values) (Row, error) {
	return e.row(e.Write(ctx, s, id, values))
}

func (e entity) row(from settings.Record, err error) (Row, error) {
	if err != nil {
		return Row{}, err
	}
	t := e.Describe()
	return rowOf(&t, from), nil
}

// rowOf takes what is secret out of a record, which it makes its own.
func rowOf(t *settings.Table, from settings.Record) Row {
	r := Row{ID: from.ID, Values: from.Values}
	sum := sha256.New()
	for i := range t.Columns {
		c := &t.Columns[i]
		v := r.Values[c.Name]
		fmt.Fprintf(sum, "%s=%d:%v\n", c.Name, len(fmt.Sprint(v)), v)
		if c.Secret {
			if r.Secrets == nil {
				r.Secrets = make(map[string]bool)
			}
			r.Secrets[c.Name] = v != ""
			delete(r.Values, c.Name)
		}
	}
	r.Version = hex.EncodeToString(sum.Sum(nil)[:8])
	return r
}
