package settings

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"

	"github.com/sluicemail/sluice/internal/database"
)

// OpenMySQL opens a database of MySQL or MariaDB by a configuration of the driver's (mysql.NewConfig). What this
// package relies on is set in a copy of it: strict mode, so that too long a value is an error and not cut, and utf8mb4.
func OpenMySQL(ctx context.Context, cfg *mysql.Config, opts Options) (*DB, error) {
	pool, name, err := database.MySQL(cfg, opts.dialTimeout())
	if err != nil {
		return nil, &Error{Database: name, Doing: "opening", Err: err}
	}
	opts.limit(pool)
	return finishOpen(ctx, &DB{sql: pool, engine: mysqlEngine{}, name: name}, opts)
}

type mysqlEngine struct{}

func (mysqlEngine) dialect() goose.Dialect { return goose.DialectMySQL }

func (mysqlEngine) quote(name string) string { return "`" + name + "`" }

func (mysqlEngine) placeholder(int) string { return "?" }

func (mysqlEngine) columnType(c Column) string {
	switch {
	case c.Kind.integral():
		return "BIGINT"
	case c.Kind == Key:
		return "VARCHAR(" + strconv.Itoa(maxKey) + ")"
	case c.Kind == Long:
		return "MEDIUMTEXT"
	}
	return "TEXT"
}

func (mysqlEngine) idType() string { return "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY" }

// createTable defines unique indexes with the table, since MySQL has no CREATE INDEX IF NOT EXISTS. Values are compared
// byte by byte, as on the other engines.
func (e mysqlEngine) createTable(t Table, lines []string) string {
	if t.Unique != "" {
		lines = append(lines[:len(lines):len(lines)],
			"UNIQUE KEY "+e.quote(indexName(string(t.Name), t.Unique))+" ("+e.quote(t.Unique)+")")
	}
	return "CREATE TABLE IF NOT EXISTS " + e.quote(string(t.Name)) + " (\n    " + strings.Join(lines, ",\n    ") +
		"\n) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
}

func (mysqlEngine) fits(existing string, k Kind) bool {
	switch existing {
	case "bigint":
		return k.integral()
	case "varchar", "text":
		return !k.integral() && k != Long
	case "mediumtext", "longtext":
		return !k.integral()
	}
	return false
}

func (mysqlEngine) catalog(ctx context.Context, q querier) (catalog, error) {
	all := catalog{}
	err := all.readColumns(ctx, q, `SELECT table_name, column_name, data_type, is_nullable = 'NO' AND column_default IS NULL
		AND extra NOT LIKE '%auto_increment%', extra LIKE '%auto_increment%'
		FROM information_schema.columns WHERE table_schema = DATABASE()`)
	if err != nil {
		return nil, err
	}
	return all, all.readUnique(ctx, q, `SELECT table_name, MAX(column_name) FROM information_schema.statistics
		WHERE table_schema = DATABASE() AND non_unique = 0 AND sub_part IS NULL GROUP BY table_name, index_name HAVING COUNT(*) = 1`)
}

// lock takes a named lock of the server; it ends with the connection.
func (mysqlEngine) lock(ctx context.Context, db *sql.DB) (func(), error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	const name = "CONCAT('sluice ', SHA1(DATABASE()))"
	for {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+name+", 1)").Scan(&got); err != nil {
			conn.Close()
			return nil, fmt.Errorf("waiting for other instances: %w", err)
		}
		if got.Int64 == 1 {
			break
		}
	}
	return func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK("+name+")")
		conn.Close()
	}, nil
}

func (mysqlEngine) insert(ctx context.Context, q querier, _, statement string, values []any) (int64, error) {
	return lastInsertID(ctx, q, statement, values)
}

func (mysqlEngine) inserted(context.Context, querier, string) error { return nil }

func (mysqlEngine) duplicate(err error) bool {
	var e *mysql.MySQLError
	const duplicateEntry = 1062
	return errors.As(err, &e) && e.Number == duplicateEntry
}

func (mysqlEngine) snapshot() *sql.TxOptions {
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}

func (mysqlEngine) check(context.Context, querier) error { return nil }
