package database

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"modernc.org/sqlite"
)

// InMemory is the path of a database that ends with its pool.
const InMemory = ":memory:"

// SQLite makes a pool for the database in a file. The file is made with mode 0600, and its directory with mode 0700,
// when they are missing. A transaction that is not read-only locks the file at once; it waits up to wait for others.
// The pool for InMemory has one connection.
func SQLite(path string, wait time.Duration) (*sql.DB, error) {
	if err := makeFile(path); err != nil {
		return nil, err
	}
	connector, err := sqlite.NewConnector(SQLiteURI(path, wait))
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	if path == InMemory {
		pool.SetMaxOpenConns(1)
		pool.SetConnMaxLifetime(0)
	}
	return pool, nil
}

// makeFile makes a database's file and directory, so that they are nobody else's to read. An existing file is left as
// it is.
func makeFile(path string) error {
	if path == InMemory {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// SQLiteURI writes a path as the URI that the driver takes. Values that do not resolve to a column are errors, not
// texts.
func SQLiteURI(path string, wait time.Duration) string {
	parameters := "?_dqs=0&_error_rc=1&_txlock=immediate&_busy_timeout=" + strconv.FormatInt(wait.Milliseconds(), 10)
	if path == InMemory {
		return "file:" + InMemory + parameters
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return (&url.URL{Scheme: "file", Path: path}).String() + parameters
}
