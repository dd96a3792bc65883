package settings

import (
	"context"
	"database/sql"
	"strings"

	"github.com/pressly/goose/v3"
)

// engine is what the three engines do each in its own way. All queries are written once, with ? for values and quoted
// names.
type engine interface {
	dialect() goose.Dialect
	// quote makes a name safe to stand in a statement.
	quote(name string) string
	// placeholder returns the mark of the nth value of a statement, from 1.
	placeholder(n int) string
	// columnType returns the type of a column, idType that of the column id.
	columnType(c Column) string
	idType() string
	// createTable wraps the lines of a table's definition.
	createTable(t Table, lines []string) string
	// fits tells whether a column of an existing table holds what a column of a kind has to.
	fits(existing string, k Kind) bool
	// catalog lists the tables that unqualified names mean.
	catalog(ctx context.Context, q querier) (catalog, error)
	// lock keeps other instances from changing the schema until unlock is called.
	lock(ctx context.Context, db *sql.DB) (unlock func(), err error)
	// insert runs an INSERT statement without an id and returns the id that the row got.
	insert(ctx context.Context, q querier, table, statement string, values []any) (int64, error)
	// inserted is called after a row with a given id was inserted.
	inserted(ctx context.Context, q querier, table string) error
	// duplicate recognises the violation of a unique index.
	duplicate(err error) bool
	// snapshot are the options of a transaction that sees one moment.
	snapshot() *sql.TxOptions
	// check looks for damage below the tables; it may take long.
	check(ctx context.Context, q querier) error
}

// querier is a database, a connection or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// catalog is what exists in a database, by the names of tables.
type catalog map[string]*existingTable

type existingTable struct {
	columns map[string]existingColumn
	unique  map[string]bool // columns that alone make a unique index
}

// has reports whether a table, which may be nil, has a column.
func (t *existingTable) has(column string) bool {
	if t == nil {
		return false
	}
	_, ok := t.columns[column]
	return ok
}

type existingColumn struct {
	kind     string // as the engine names it, in lower case
	required bool   // a writer has to give a value
	counts   bool   // the engine makes the values of an id
}

// table returns the entry of a name, made when need be.
func (c catalog) table(name string) *existingTable {
	t := c[name]
	if t == nil {
		t = &existingTable{columns: map[string]existingColumn{}, unique: map[string]bool{}}
		c[name] = t
	}
	return t
}

// readColumns fills a catalog from a query for table, column, type, required, counts, as integers where they are
// booleans.
func (c catalog) readColumns(ctx context.Context, q querier, query string) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var table, name, kind string
		var required, counts bool
		if err := rows.Scan(&table, &name, &kind, &required, &counts); err != nil {
			return err
		}
		c.table(table).columns[name] = existingColumn{kind: strings.ToLower(kind), required: required, counts: counts}
	}
	return rows.Err()
}

// readUnique fills a catalog from a query for table and column of the unique indexes over one column.
func (c catalog) readUnique(ctx context.Context, q querier, query string) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var table, name string
		if err := rows.Scan(&table, &name); err != nil {
			return err
		}
		c.table(table).unique[name] = true
	}
	return rows.Err()
}

// indexName is the name of the unique index over a column.
func indexName(table, column string) string { return table + "_" + column }
