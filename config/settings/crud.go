package settings

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
)

// Store is where rows are read and written: a [*DB], or a [*Tx] for changes that belong together.
type Store interface {
	use() (querier, *DB)
	wrote(table TableName, id int64)
}

func (db *DB) use() (querier, *DB)    { return db.sql, db }
func (db *DB) wrote(TableName, int64) {}

// Tx is a transaction; see [DB.Tx]. It is for one goroutine.
type Tx struct {
	tx      *sql.Tx
	db      *DB
	written []Written
}

// Written says what was written of a table.
type Written struct {
	Table TableName
	IDs   []int64 // of the rows that were written or deleted; nil: any of them
}

func (tx *Tx) use() (querier, *DB) { return tx.tx, tx.db }

// wrote notes a row that was written; id 0: it is not known which.
func (tx *Tx) wrote(table TableName, id int64) {
	w := Written{Table: table}
	if id != 0 {
		w.IDs = []int64{id}
	}
	tx.written = AddWritten(tx.written, w)
}

// Written returns what was written so far, each table once.
func (tx *Tx) Written() []Written { return tx.written }

// maxWritten bounds the ids that are kept of each table.
const maxWritten = 1000

// AddWritten adds what was written to a list that names each table once. The list given must not be used any more.
func AddWritten(list []Written, more ...Written) []Written {
	for _, w := range more {
		i := slices.IndexFunc(list, func(known Written) bool { return known.Table == w.Table })
		switch {
		case i < 0:
			list = append(list, w)
		case list[i].IDs == nil:
		case w.IDs == nil || len(list[i].IDs)+len(w.IDs) > maxWritten:
			list[i].IDs = nil
		default:
			list[i].IDs = slices.Concat(list[i].IDs, w.IDs)
		}
	}
	return list
}

// Tx calls do and keeps what it wrote unless it returns an error.
func (db *DB) Tx(ctx context.Context, do func(*Tx) error) error {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return db.fail(ctx, "beginning a change", err)
	}
	defer tx.Rollback()
	if err := do(&Tx{tx: tx, db: db}); err != nil {
		return err
	}
	return db.fail(ctx, "finishing a change", tx.Commit())
}

// Query selects rows; the zero value selects all.
type Query struct {
	// Column and Value select the rows in which a column, "id" included, has a value: an integer, a bool or a string.
	// An empty Column selects all. NULL counts as the default.
	Column string
	Value  any
	// Search selects the rows in which a text column that is not secret contains it, whatever
	// the case of ASCII letters. Empty: all.
	Search string
	// After selects the rows with a higher id: with Limit, a walk through a large table without a priority. 0: all.
	After int64
	// Limit is how many rows are wanted at most, 0 for all; Offset how many to leave out before.
	Limit, Offset int
}

// List returns all rows of a table, ordered by priority, where there is one, and id. Rows that cannot be read are in
// broken.
func List[T Entity[T]](ctx context.Context, s Store) (rows []T, broken []Broken, err error) {
	return Select[T](ctx, s, Query{})
}

// Select is List for some of the rows.
func Select[T Entity[T]](ctx context.Context, s Store, q Query) (rows []T, broken []Broken, err error) {
	where, order, values, err := q.clauses(s, Describe[T]())
	if err != nil {
		return nil, nil, err
	}
	conn, db := s.use()
	l := loader{ctx: ctx, conn: conn, db: db}
	rows, err = readTable(&l, schemaOf[T](), where+order, values)
	return rows, l.broken, err
}

// Count returns how many rows a query selects, its limit and offset apart.
func Count[T Entity[T]](ctx context.Context, s Store, q Query) (n int64, err error) {
	t := Describe[T]()
	where, _, values, err := q.clauses(s, t)
	if err != nil {
		return 0, err
	}
	conn, db := s.use()
	err = conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+db.engine.quote(string(t.Name))+where, values...).Scan(&n)
	return n, db.fail(ctx, "counting "+string(t.Name), err)
}

// Get returns the row with an id, or [ErrNotFound]. A row that cannot be read is a [ValueError].
func Get[T Entity[T]](ctx context.Context, s Store, id int64) (T, error) {
	var none T
	rows, broken, err := Select[T](ctx, s, Query{Column: "id", Value: id})
	switch {
	case err != nil:
		return none, err
	case len(broken) > 0:
		return none, &ValueError{Table: broken[0].Table, ID: id, Reason: broken[0].Reason}
	case len(rows) == 0:
		return none, ErrNotFound
	}
	return rows[0], nil
}

// Insert adds a row and sets its ID; an ID that is not 0 is kept. It returns a [ValueError] for a value that not every
// engine could store, and an error that wraps [ErrDuplicate] for a value that is there already.
func Insert[T Entity[T]](ctx context.Context, s Store, row *T) error {
	t := schemaOf[T]()
	values, err := t.values(row)
	if err != nil {
		return err
	}
	conn, db := s.use()
	names := make([]string, 0, len(values)+1)
	for i := range t.columns {
		names = append(names, db.engine.quote(t.columns[i].Name))
	}
	id := t.id(row)
	given := *id != 0
	if given {
		names, values = append(names, db.engine.quote("id")), append(values, *id)
	}
	statement := "INSERT INTO " + db.engine.quote(string(t.Name)) + " (" + strings.Join(names, ", ") + ") VALUES (" +
		marks(db.engine, len(values)) + ")"
	if given {
		if _, err = conn.ExecContext(ctx, statement, values...); err == nil {
			err = db.engine.inserted(ctx, conn, string(t.Name))
		}
	} else {
		*id, err = db.engine.insert(ctx, conn, string(t.Name), statement, values)
	}
	s.wrote(t.Name, *id)
	return db.fail(ctx, "writing "+string(t.Name), err)
}

// Update writes all columns of the row with row's ID. It returns [ErrNotFound] when there is none, and else as
// [Insert].
func Update[T Entity[T]](ctx context.Context, s Store, row *T) error {
	t := schemaOf[T]()
	values, err := t.values(row)
	if err != nil {
		return err
	}
	conn, db := s.use()
	s.wrote(t.Name, *t.id(row))
	sets := make([]string, len(values))
	for i := range sets {
		sets[i] = db.engine.quote(t.columns[i].Name) + " = " + db.engine.placeholder(i+1)
	}
	statement := "UPDATE " + db.engine.quote(string(t.Name)) + " SET " + strings.Join(sets, ", ") + " WHERE id = " +
		db.engine.placeholder(len(sets)+1)
	result, err := conn.ExecContext(ctx, statement, append(values, *t.id(row))...)
	n, err := affected(result, err)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return db.fail(ctx, "writing "+string(t.Name), err)
}

// Delete deletes the row with an id, or returns [ErrNotFound]. Rows of other tables that refer to it stay.
func Delete[T Entity[T]](ctx context.Context, s Store, id int64) error {
	n, err := DeleteWhere[T](ctx, s, Query{Column: "id", Value: id})
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// errNoSelection keeps DeleteWhere from emptying a table by mistake.
var errNoSelection = errors.New("deleting needs a column and its value, and takes no limit")

// DeleteWhere deletes the rows that a query selects, and returns how many there were. The query has to name a column.
func DeleteWhere[T Entity[T]](ctx context.Context, s Store, q Query) (int64, error) {
	if q.Column == "" || q.Limit != 0 || q.Offset != 0 {
		return 0, errNoSelection
	}
	t := Describe[T]()
	where, _, values, err := q.clauses(s, t)
	if err != nil {
		return 0, err
	}
	conn, db := s.use()
	id, known := q.Value.(int64)
	if !known || q.Column != "id" || q.Search != "" || q.After != 0 {
		id = 0
	}
	s.wrote(t.Name, id)
	result, err := conn.ExecContext(ctx, "DELETE FROM "+db.engine.quote(string(t.Name))+where, values...)
	n, err := affected(result, err)
	return n, db.fail(ctx, "deleting from "+string(t.Name), err)
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// marks returns n placeholders with commas between.
func marks(e engine, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = e.placeholder(i + 1)
	}
	return strings.Join(all, ", ")
}

// values returns what is written of a row, its id apart.
func (t *table[T]) values(row *T) ([]any, error) {
	if t.review != nil {
		if _, err := t.review(row, true); err != nil {
			return nil, &ValueError{Table: t.Name, Reason: err.Error()}
		}
	}
	values := make([]any, len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		if err := c.check(row); err != nil {
			return nil, &ValueError{Table: t.Name, Column: c.Name, Reason: err.Error()}
		}
		values[i] = c.get(row)
	}
	return values, nil
}
