package settings

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/pressly/goose/v3"

	"github.com/sluicemail/sluice/internal/database"
)

// versionTable is where goose keeps which migrations have run. A database that has it is this package's own.
const versionTable = "settings_version"

// latest returns the newest version that a table or a column came with.
func latest() int64 {
	var version int64
	for _, t := range Tables() {
		for _, c := range t.Columns {
			version = max(version, c.Since)
		}
	}
	return version
}

// migrations are made from the descriptions: each version adds the tables and columns that came with it. What they do
// on each engine is in testdata, and never changes for a version that was released.
func (db *DB) migrations() []*goose.Migration {
	var all []*goose.Migration
	for version := int64(1); version <= latest(); version++ {
		all = append(all, goose.NewGoMigration(version, &goose.GoFunc{
			RunTx: func(ctx context.Context, tx *sql.Tx) error { return db.upgrade(ctx, tx, version) }}, nil))
	}
	return all
}

// upgrade leads from the version before to a version. Where it was interrupted before it takes up what is left.
func (db *DB) upgrade(ctx context.Context, tx *sql.Tx, version int64) error {
	have, err := db.engine.catalog(ctx, tx)
	if err != nil {
		return err
	}
	for _, t := range Tables() {
		for _, statement := range changes(db.engine, t, version, have[string(t.Name)]) {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("table %s: %w", t.Name, err)
			}
		}
	}
	return nil
}

// migrate runs the migrations that have not run yet. When there are none it writes nothing.
func (db *DB) migrate(ctx context.Context) error {
	want := latest()
	have, _, err := db.version(ctx)
	if err != nil || have == want {
		return err
	}
	if have > want {
		return db.newer(have, want)
	}
	unlock, err := db.engine.lock(ctx, db.sql)
	if err != nil {
		return db.fail(ctx, "locking it to make its tables", err)
	}
	defer unlock()
	return db.migrateLocked(ctx, want)
}

func (db *DB) migrateLocked(ctx context.Context, want int64) error {
	have, tables, err := db.version(ctx)
	switch {
	case err != nil || have == want: // another instance has been here
		return err
	case have > want:
		return db.newer(have, want)
	}
	if have == 0 {
		if strange := db.foreign(tables); len(strange) > 0 {
			return &SchemaError{Database: db.name, Foreign: true, Differences: strange}
		}
	}
	provider, err := goose.NewProvider(db.engine.dialect(), db.sql, nil, goose.WithGoMigrations(db.migrations()...),
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return db.fail(ctx, "preparing the migrations", err)
	}
	if s, ok := db.engine.(sqliteEngine); ok && s.path != database.InMemory {
		// Readers and a writer do not wait for each other in this mode; the file remembers it.
		if _, err := db.sql.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
			return db.fail(ctx, "making its tables", err)
		}
	}
	_, err = provider.Up(ctx)
	return db.fail(ctx, "making its tables", err)
}

func (db *DB) newer(have, want int64) error {
	return &SchemaError{Database: db.name, Differences: []Difference{{Table: versionTable,
		Problem: "the tables are of version " + strconv.FormatInt(have, 10) + ", made by a newer program; this one knows " +
			strconv.FormatInt(want, 10)}}}
}

// version returns which migrations have run, 0 for a database that is new or not this package's, and what is there.
func (db *DB) version(ctx context.Context) (int64, catalog, error) {
	tables, err := db.engine.catalog(ctx, db.sql)
	if err != nil {
		return 0, nil, db.fail(ctx, "reading its catalogue", err)
	}
	if tables[versionTable] == nil {
		return 0, tables, nil
	}
	var version int64
	err = db.sql.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM "+versionTable+
		" WHERE is_applied").Scan(&version)
	return version, tables, db.fail(ctx, "reading its version", err)
}

// foreign lists what is different from this package's in tables of the same names, as its first version made them.
// Missing tables are no difference.
func (db *DB) foreign(have catalog) []Difference {
	var all []Difference
	for _, t := range Tables() {
		existing := have[string(t.Name)]
		if existing == nil {
			continue
		}
		all = append(all, db.compareColumns(t.at(1), existing)...)
		var more []string
		for name := range existing.columns {
			if name != "id" && t.Column(name) == nil {
				more = append(more, name)
			}
		}
		slices.Sort(more)
		for _, name := range more {
			all = append(all, Difference{t.Name, name, "is not one of ours"})
		}
	}
	return all
}
