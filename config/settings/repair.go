package settings

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Repair adds the tables, columns and indexes that are missing, for --repair-database, and says what it did. What it
// cannot put right, such as a column of another type, is the [SchemaError] that it returns beside. Rows are never
// touched, and the tables of another program are not altered. The database is opened with SkipValidation before.
func (db *DB) Repair(ctx context.Context) (done []string, err error) {
	if err := db.migrate(ctx); err != nil {
		return nil, err
	}
	unlock, err := db.engine.lock(ctx, db.sql)
	if err != nil {
		return nil, db.fail(ctx, "locking it for the repair", err)
	}
	defer unlock()
	if err := db.engine.check(ctx, db.sql); err != nil {
		return nil, db.fail(ctx, "checking it for damage", err)
	}
	have, err := db.engine.catalog(ctx, db.sql)
	if err != nil {
		return nil, db.fail(ctx, "reading its catalogue", err)
	}
	var failures []error
	for _, t := range Tables() {
		did, err := db.repairTable(ctx, t, have[string(t.Name)])
		done = append(done, did...)
		failures = append(failures, err)
	}
	return done, errors.Join(errors.Join(failures...), db.Validate(ctx))
}

// repairTable adds what is missing in a table, or the whole.
func (db *DB) repairTable(ctx context.Context, t Table, existing *existingTable) (done []string, err error) {
	run := func(statement, said string) {
		if err != nil {
			return
		}
		if _, err = db.sql.ExecContext(ctx, statement); err != nil {
			err = db.fail(ctx, "repairing "+string(t.Name), err)
			return
		}
		done = append(done, said)
	}
	if existing == nil {
		for i, statement := range statements(createTable(db.engine, t)) {
			if i == 0 {
				run(statement, "table "+string(t.Name)+": made")
			} else {
				run(statement, "table "+string(t.Name)+", column "+t.Unique+": unique index made")
			}
		}
		return done, err
	}
	for _, c := range t.Columns {
		if !existing.has(c.Name) {
			run(addColumn(db.engine, t, c), "table "+string(t.Name)+", column "+c.Name+": added")
		}
	}
	if t.Unique != "" && !existing.unique[t.Unique] {
		run(createIndex(db.engine, t), "table "+string(t.Name)+", column "+t.Unique+": unique index made")
	}
	return done, err
}

// Purge deletes all rows of all tables, for --purge-database, in one transaction, and returns how many there were.
func (db *DB) Purge(ctx context.Context) (deleted int64, err error) {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return 0, db.fail(ctx, "emptying it", err)
	}
	defer tx.Rollback()
	for _, t := range Tables() {
		n, err := deleteAll(ctx, tx, db.engine.quote(string(t.Name)))
		if err != nil {
			return 0, db.fail(ctx, "emptying "+string(t.Name), err)
		}
		deleted += n
	}
	if err := tx.Commit(); err != nil {
		return 0, db.fail(ctx, "emptying it", err)
	}
	return deleted, nil
}

func deleteAll(ctx context.Context, tx *sql.Tx, table string) (int64, error) {
	result, err := tx.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s", table))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
