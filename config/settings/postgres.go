package settings

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"

	"github.com/sluicemail/sluice/internal/database"
)

// OpenPostgres opens a database by a configuration of the driver's (pgx.ParseConfig).
func OpenPostgres(ctx context.Context, cfg *pgx.ConnConfig, opts Options) (*DB, error) {
	pool, name := database.Postgres(cfg, opts.dialTimeout())
	opts.limit(pool)
	return finishOpen(ctx, &DB{sql: pool, engine: postgresEngine{}, name: name}, opts)
}

type postgresEngine struct{}

func (postgresEngine) dialect() goose.Dialect { return goose.DialectPostgres }

func (postgresEngine) quote(name string) string { return `"` + name + `"` }

func (postgresEngine) placeholder(n int) string { return "$" + strconv.Itoa(n) }

func (postgresEngine) columnType(c Column) string {
	if c.Kind.integral() {
		return "BIGINT"
	}
	return "TEXT"
}

func (postgresEngine) idType() string { return "BIGSERIAL PRIMARY KEY" }

func (e postgresEngine) createTable(t Table, lines []string) string { return createPlain(e, t, lines) }

func (postgresEngine) fits(existing string, k Kind) bool {
	if k.integral() {
		return existing == "bigint"
	}
	return existing == "text" || existing == "character varying"
}

func (postgresEngine) catalog(ctx context.Context, q querier) (catalog, error) {
	all := catalog{}
	err := all.readColumns(ctx, q, `SELECT t.relname, c.attname, format_type(c.atttypid, NULL),
		c.attnotnull AND NOT c.atthasdef AND c.attidentity = '', c.atthasdef OR c.attidentity <> ''
		FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid
		WHERE c.attnum > 0 AND NOT c.attisdropped AND t.relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_table_is_visible(t.oid)`)
	if err != nil {
		return nil, err
	}
	return all, all.readUnique(ctx, q, `SELECT t.relname, c.attname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
		JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum = i.indkey[0]
		WHERE i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL AND pg_table_is_visible(t.oid)`)
}

// lock takes an advisory lock of the database; it ends with the connection.
func (postgresEngine) lock(ctx context.Context, db *sql.DB) (func(), error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	const number = 0x736c75696365 // "sluice"
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(number)); err != nil {
		conn.Close()
		return nil, err
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(number))
		conn.Close()
	}, nil
}

// insert leaves out ids that others wrote without telling the counter.
func (e postgresEngine) insert(ctx context.Context, q querier, table, statement string, values []any) (int64, error) {
	var id int64
	statement += " ON CONFLICT (id) DO NOTHING RETURNING id"
	err := q.QueryRowContext(ctx, statement, values...).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	if err := e.inserted(ctx, q, table); err != nil {
		return 0, err
	}
	return id, q.QueryRowContext(ctx, statement, values...).Scan(&id)
}

// inserted sets the counter of a table's ids behind the highest of them.
func (e postgresEngine) inserted(ctx context.Context, q querier, table string) error {
	name := e.quote(table)
	_, err := q.ExecContext(ctx, "SELECT setval(pg_get_serial_sequence($1, 'id'), (SELECT max(id) FROM "+name+"))", name)
	return err
}

func (postgresEngine) duplicate(err error) bool {
	var e *pgconn.PgError
	const uniqueViolation = "23505"
	return errors.As(err, &e) && e.Code == uniqueViolation
}

func (postgresEngine) snapshot() *sql.TxOptions {
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}

func (postgresEngine) check(context.Context, querier) error { return nil }

// createPlain is CREATE TABLE with a unique index beside it.
func createPlain(e engine, t Table, lines []string) string {
	s := "CREATE TABLE IF NOT EXISTS " + e.quote(string(t.Name)) + " (\n    " +
		strings.Join(slices.Clone(lines), ",\n    ") + "\n)"
	if t.Unique != "" {
		s += ";\n" + strings.Replace(createIndex(e, t), "INDEX", "INDEX IF NOT EXISTS", 1)
	}
	return s
}
