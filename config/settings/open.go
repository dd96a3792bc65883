package settings

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"time"

	"github.com/sluicemail/sluice/internal/database"
)

// Options change how a database is opened; the zero value is what a server wants.
type Options struct {
	// SkipValidation opens a database of this package without looking whether tables, columns or indexes are missing;
	// for database-validate: false, and before Repair. Tables of another program are refused all the same.
	SkipValidation bool
	// Connections is how many are open at most; 0 is 4.
	Connections int
	// DialTimeout limits the time to connect to a server; 0 is 10 s. A context that ends sooner wins.
	DialTimeout time.Duration
	// LockWait is how long to wait while another process writes to an SQLite file; 0 is 5 s. A context that ends sooner
	// wins.
	LockWait time.Duration
}

func (o Options) dialTimeout() time.Duration { return cmp.Or(o.DialTimeout, 10*time.Second) }
func (o Options) lockWait() time.Duration    { return cmp.Or(o.LockWait, 5*time.Second) }

// limit sets the size of a pool. Connections that nobody needs are given back: settings are read every few minutes.
func (o Options) limit(pool *sql.DB) {
	n := o.Connections
	if n <= 0 {
		n = 4
	}
	pool.SetMaxOpenConns(max(n, 2)) // a lock and the work under it
	pool.SetMaxIdleConns(n)
	pool.SetConnMaxIdleTime(time.Minute)
}

// DB is an open settings database. All methods may be called from several goroutines at once.
type DB struct {
	sql    *sql.DB
	engine engine
	name   string
	file   fs.FileInfo // of SQLite, as it was opened; nil: it is not in a file
}

// Open opens the database at an address: sqlite:// with a path, postgresql:// or mysql:// with
// user:password@host/database. It makes the tables that are missing in a new database, brings older ones up to date,
// and validates them ([DB.Validate]).
//
// An [AddressError] or a [SchemaError] is a mistake in the configuration; nothing has been altered then. Any other
// error is an [Error]: the database is down, or refuses; the caller may go on with [LoadCache] and try again later.
func Open(ctx context.Context, databaseAddress string, opts Options) (*DB, error) {
	open, err := opener(databaseAddress)
	if err != nil {
		return nil, err
	}
	return open(ctx, opts)
}

// CheckAddress returns the [AddressError] that Open would, and opens nothing.
func CheckAddress(databaseAddress string) error {
	_, err := opener(databaseAddress)
	return err
}

// opener takes an address apart.
func opener(databaseAddress string) (func(context.Context, Options) (*DB, error), error) {
	a, err := database.Parse(databaseAddress)
	if err != nil {
		return nil, &AddressError{err.Error()}
	}
	switch a.Scheme {
	case "postgresql":
		cfg, err := database.PostgresConfig(a)
		if err != nil {
			return nil, &AddressError{err.Error()}
		}
		return func(ctx context.Context, opts Options) (*DB, error) { return OpenPostgres(ctx, cfg, opts) }, nil
	case "mysql":
		cfg, err := database.MySQLConfig(a)
		if err != nil {
			return nil, &AddressError{err.Error()}
		}
		return func(ctx context.Context, opts Options) (*DB, error) { return OpenMySQL(ctx, cfg, opts) }, nil
	}
	return func(ctx context.Context, opts Options) (*DB, error) { return OpenSQLite(ctx, a.Path, opts) }, nil
}

// finishOpen is what all engines have in common.
func finishOpen(ctx context.Context, db *DB, opts Options) (*DB, error) {
	if err := db.prepare(ctx, opts); err != nil {
		return nil, errors.Join(err, db.sql.Close())
	}
	return db, nil
}

// prepare connects, and sees to the tables.
func (db *DB) prepare(ctx context.Context, opts Options) error {
	dialing, cancel := context.WithTimeout(ctx, opts.dialTimeout())
	defer cancel()
	if err := db.sql.PingContext(dialing); err != nil {
		return db.fail(dialing, "connecting", err)
	}
	if err := db.migrate(ctx); err != nil {
		return err
	}
	if opts.SkipValidation {
		return nil
	}
	return db.Validate(ctx)
}

// Close ends all connections.
func (db *DB) Close() error { return db.sql.Close() }

// String returns the database's address without its password.
func (db *DB) String() string { return db.name }
