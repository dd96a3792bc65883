package settings

import (
	"database/sql"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/sluicemail/sluice/internal/database"
)

func rawSQLite(t testing.TB, path string) *DB {
	connector, err := sqlite.NewConnector(database.SQLiteURI(path, 0))
	require.NoError(t, err)
	return &DB{sql: sql.OpenDB(connector), engine: sqliteEngine{path: path}, name: "raw"}
}

func rawPostgres(t testing.TB, a database.Address) *DB {
	cfg, err := database.PostgresConfig(a)
	require.NoError(t, err)
	return &DB{sql: stdlib.OpenDB(*cfg), engine: postgresEngine{}, name: "raw"}
}

func rawMySQL(t testing.TB, a database.Address) *DB {
	cfg, err := database.MySQLConfig(a)
	require.NoError(t, err)
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	return &DB{sql: sql.OpenDB(connector), engine: mysqlEngine{}, name: "raw"}
}

// testForeign opens a database that another program made.
func testForeign(t *testing.T, address string) {
	other := unchecked(t, address)
	raw(t, other, `CREATE TABLE "capacity" (id INTEGER PRIMARY KEY, "name" VARCHAR(255), "colour" VARCHAR(20))`)
	raw(t, other, `CREATE TABLE "locals" (id INTEGER PRIMARY KEY, "address" VARCHAR(255), "type" INTEGER)`)
	raw(t, other, `CREATE TABLE "something" (id INTEGER PRIMARY KEY)`)
	raw(t, other, `INSERT INTO "capacity" VALUES (1, 'theirs', 'red')`)
	before := catalogOf(t, other)
	file := fileOf(t, other)

	for _, opts := range []Options{{}, {SkipValidation: true}} {
		_, err := Open(t.Context(), address, opts)
		var wrong *SchemaError
		require.ErrorAs(t, err, &wrong)
		require.True(t, wrong.Foreign)
		require.Contains(t, wrong.Differences, Difference{"capacity", "colour", "is not one of ours"})
		require.Contains(t, wrong.Differences, Difference{"capacity", "ip_maxbytes", "is missing"})
		found := map[string]bool{}
		for _, d := range wrong.Differences {
			found[string(d.Table)+"."+d.Column] = true
		}
		require.True(t, found["locals.type"], "a column of another type is a difference: %v", wrong.Differences)
		require.ErrorContains(t, err, "table capacity, column")
		require.ErrorContains(t, err, "choose another database")
		require.NotContains(t, err.Error(), "pass-of-mta")
	}
	_, err := other.Repair(t.Context())
	var wrong *SchemaError
	require.ErrorAs(t, err, &wrong)
	require.True(t, wrong.Foreign)
	require.Equal(t, before, catalogOf(t, other), "another program's database is left as it is")
	require.Equal(t, file, fileOf(t, other))
}

// fileOf returns what is in the file of a database that has one.
func fileOf(t *testing.T, db *DB) []byte {
	t.Helper()
	e, ok := db.engine.(sqliteEngine)
	if !ok {
		return nil
	}
	text, err := os.ReadFile(e.path)
	require.NoError(t, err)
	return text
}

// testRepair damages a database of ours in every way that can be put right, and in one that cannot.
func testRepair(t *testing.T, address string) {
	ctx := t.Context()
	db := open(t, address)
	require.NoError(t, Insert(ctx, db, &Suppression{Value: "a@example.com", Code: 550}))
	require.NoError(t, Insert(ctx, db, &Local{Address: "a@example.com", Type: Exact}))
	raw(t, db, `DROP TABLE "dns"`)
	raw(t, db, `ALTER TABLE "locals" DROP COLUMN "type"`)
	raw(t, db, `ALTER TABLE "locals" DROP COLUMN "enabled"`)
	raw(t, db, `ALTER TABLE "routes" ADD COLUMN "note" VARCHAR(20)`) // harmless
	dropIndex(t, db)

	_, err := Open(ctx, address, Options{})
	var wrong *SchemaError
	require.ErrorAs(t, err, &wrong)
	require.False(t, wrong.Foreign)
	require.Equal(t, []Difference{{"locals", "type", "is missing"}, {"locals", "enabled", "is missing"},
		{"dns", "", "is missing"},
		{"suppressions", "value", "has no unique index"}}, wrong.Differences)
	require.ErrorContains(t, err, "--repair-database")

	damaged, err := Open(ctx, address, Options{SkipValidation: true})
	require.NoError(t, err)
	defer damaged.Close()
	done, err := damaged.Repair(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"table locals, column type: added", "table locals, column enabled: added", "table dns: made",
		"table suppressions, column value: unique index made"}, done)
	done, err = damaged.Repair(ctx)
	require.NoError(t, err)
	require.Empty(t, done)
	rows, err := open(t, address).Load(ctx)
	require.NoError(t, err)
	require.Equal(t, []Local{{ID: rows.Locals[0].ID, Address: "a@example.com", Enabled: true}}, rows.Locals)
	require.Len(t, rows.Suppressions, 1)

	dropIndex(t, db)
	raw(t, db, `INSERT INTO "suppressions" ("value") VALUES ('a@example.com')`)
	raw(t, db, `ALTER TABLE "routes" DROP COLUMN "relay"`)
	done, err = db.Repair(ctx)
	require.ErrorIs(t, err, ErrDuplicate, "what others wrote twice is for them to put right")
	require.ErrorContains(t, err, "repairing suppressions")
	require.Equal(t, []string{"table routes, column relay: added"}, done, "and keeps no other repair from being made")
	_, err = db.Load(ctx)
	require.NoError(t, err)
	_, err = DeleteWhere[Suppression](ctx, db, Query{Column: "value", Value: "a@example.com"})
	require.NoError(t, err)
	done, err = db.Repair(ctx)
	require.NoError(t, err)
	require.Len(t, done, 1)

	raw(t, db, `ALTER TABLE "poolips" DROP COLUMN "ip"`)
	raw(t, db, `ALTER TABLE "poolips" ADD COLUMN "ip" INTEGER`)
	raw(t, db, `ALTER TABLE "routes" ADD COLUMN "must" INTEGER NOT NULL DEFAULT 0`) // has a default: harmless
	done, err = db.Repair(ctx)
	require.ErrorAs(t, err, &wrong)
	require.Empty(t, done)
	require.Len(t, wrong.Differences, 1)
	require.Contains(t, wrong.Differences[0].String(), "table poolips, column ip: has the type int")
}

func dropIndex(t *testing.T, db *DB) {
	t.Helper()
	if _, ok := db.engine.(mysqlEngine); ok {
		raw(t, db, `ALTER TABLE "suppressions" DROP INDEX "suppressions_value"`)
	} else {
		raw(t, db, `DROP INDEX "suppressions_value"`)
	}
}

func testNewer(t *testing.T, address string) {
	db := open(t, address)
	raw(t, db, `INSERT INTO `+versionTable+` (version_id, is_applied) VALUES (999, 1 = 1)`)
	_, err := Open(t.Context(), address, Options{})
	var wrong *SchemaError
	require.ErrorAs(t, err, &wrong)
	require.ErrorContains(t, err, "version 999, made by a newer program")
}

// testInterrupted starts on what a first start left behind that ended amid its migration.
func testInterrupted(t *testing.T, address string) {
	begun := unchecked(t, address)
	for _, table := range Tables()[:20] {
		for _, statement := range statements(createTable(begun.engine, table)) {
			raw(t, begun, statement)
		}
	}
	db := open(t, address)
	require.NoError(t, db.Validate(t.Context()))
}
