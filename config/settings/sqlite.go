package settings

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sluicemail/sluice/internal/database"
)

// OpenSQLite opens the database in a file, which is made with mode 0600, and its directory with mode 0700, when they
// are missing. The path ":memory:" is a database that ends with the DB.
func OpenSQLite(ctx context.Context, path string, opts Options) (*DB, error) {
	name := "sqlite://" + path
	pool, err := database.SQLite(path, opts.lockWait())
	if err != nil {
		return nil, &Error{Database: name, Doing: "opening the file", Err: err}
	}
	if path != database.InMemory {
		opts.limit(pool)
	}
	db, err := finishOpen(ctx, &DB{sql: pool, engine: sqliteEngine{path: path}, name: name}, opts)
	if err == nil && path != database.InMemory {
		db.file, _ = os.Stat(path) // if that fails, Moved tells nothing
	}
	return db, err
}

// Moved tells whether another file is at the place of the SQLite database since it was opened, such as a backup that
// was restored: what is written to this one is lost then. gone is the error when there is none. It may be called after
// Close, and says nothing of servers.
func (db *DB) Moved() (other bool, gone error) {
	e, isFile := db.engine.(sqliteEngine)
	if !isFile || db.file == nil {
		return false, nil
	}
	now, err := os.Stat(e.path)
	if err != nil {
		return false, &Error{Database: db.name, Doing: "looking for its file", Err: err}
	}
	return !os.SameFile(db.file, now), nil
}

type sqliteEngine struct{ path string }

func (sqliteEngine) dialect() goose.Dialect { return goose.DialectSQLite3 }

func (sqliteEngine) quote(name string) string { return `"` + name + `"` }

func (sqliteEngine) placeholder(int) string { return "?" }

func (sqliteEngine) columnType(c Column) string {
	if c.Kind.integral() {
		return "INTEGER"
	}
	return "TEXT"
}

// idType is one whose numbers are never used twice: a row that still refers to a deleted one must not find another.
func (sqliteEngine) idType() string { return "INTEGER PRIMARY KEY AUTOINCREMENT" }

func (e sqliteEngine) createTable(t Table, lines []string) string {
	return createPlain(e, t, lines)
}

// fits follows SQLite's rules of type affinity.
func (sqliteEngine) fits(existing string, k Kind) bool {
	if strings.Contains(existing, "int") {
		return k.integral()
	}
	return !k.integral() && (strings.Contains(existing, "char") || strings.Contains(existing, "clob") ||
		strings.Contains(existing, "text"))
}

func (sqliteEngine) catalog(ctx context.Context, q querier) (catalog, error) {
	all := catalog{}
	err := all.readColumns(ctx, q, `SELECT m.name, c.name, c.type, c."notnull" AND c.dflt_value IS NULL AND NOT c.pk,
		c.pk AND upper(c.type) = 'INTEGER' FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type IN ('table', 'view')`)
	if err != nil {
		return nil, err
	}
	return all, all.readUnique(ctx, q, `SELECT m.name, max(c.name) FROM sqlite_master m JOIN pragma_index_list(m.name) i
		JOIN pragma_index_info(i.name) c WHERE m.type = 'table' AND i."unique" AND NOT i.partial GROUP BY m.name, i.name HAVING count(*) = 1`)
}

// lock locks the database's directory; SQLite's own locks are on the file and do not see this one.
func (e sqliteEngine) lock(ctx context.Context, _ *sql.DB) (func(), error) {
	if e.path == database.InMemory {
		return func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(e.path))
	if err != nil {
		return nil, err
	}
	const pause = 20 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { dir.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			dir.Close()
			return nil, fmt.Errorf("locking %s: %w", dir.Name(), err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			dir.Close()
			return nil, fmt.Errorf("another instance holds the lock on %s: %w", dir.Name(), ctx.Err())
		}
	}
}

func (sqliteEngine) insert(ctx context.Context, q querier, _, statement string, values []any) (int64, error) {
	return lastInsertID(ctx, q, statement, values)
}

// lastInsertID runs an INSERT on engines that tell the new id along with the result.
func lastInsertID(ctx context.Context, q querier, statement string, values []any) (int64, error) {
	result, err := q.ExecContext(ctx, statement, values...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

func (sqliteEngine) inserted(context.Context, querier, string) error { return nil }

func (sqliteEngine) duplicate(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE ||
		e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}

func (sqliteEngine) snapshot() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }

func (sqliteEngine) check(ctx context.Context, q querier) error {
	var first string
	if err := q.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&first); err != nil {
		return err
	}
	if first != "ok" {
		return errors.New("the file is damaged: " + first)
	}
	return nil
}
