package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
)

// TestMigrations keeps what each version does to a database of each engine: once it is released it does not change, for
// there are databases that it made. A new version is written with -update; a file that is there is never written.
func TestMigrations(t *testing.T) {
	for _, e := range []engine{sqliteEngine{}, mysqlEngine{}, postgresEngine{}} {
		dir := filepath.Join("testdata/ddl", string(e.dialect()))
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		for version := int64(1); version <= latest(); version++ {
			var b strings.Builder
			b.WriteString("-- +goose Up\n")
			for _, table := range Tables() {
				for _, statement := range changes(e, table, version, nil) {
					b.WriteString(statement + ";\n")
				}
			}
			name := filepath.Join(dir, fmt.Sprintf("%05d_tables.sql", version))
			if _, err := os.Stat(name); *update && os.IsNotExist(err) {
				require.NoError(t, os.WriteFile(name, []byte(b.String()), 0o644))
				continue
			}
			want, err := os.ReadFile(name)
			require.NoError(t, err, "run: go test ./config/settings -update")
			require.Equal(t, string(want), b.String(), "%s: a version that was released does not change; add columns with since",
				name)
		}
		require.LessOrEqual(t, len(files), int(latest()), "%s has a version that no column is of", dir)
	}
}

// testUpgrade opens a database with rows that each former version made.
func testUpgrade(t *testing.T, address func(*testing.T) string) {
	for version := int64(1); version <= latest(); version++ {
		where := address(t)
		former := unchecked(t, where)
		upgradeTo(t, former, version)
		raw(t, former, `INSERT INTO "suppressions" ("value", "code") VALUES ('a@example.com', 550)`)
		db := open(t, where)
		require.NoError(t, db.Validate(t.Context()))
		rows, err := db.Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, []Suppression{{ID: 1, Value: "a@example.com", Code: 550, Enabled: true}}, rows.Suppressions)
		upgraded, _, err := db.version(t.Context())
		require.NoError(t, err)
		require.Equal(t, latest(), upgraded)
	}
}

// upgradeTo leaves a database as a former program did: from the statements that were released.
func upgradeTo(t *testing.T, db *DB, version int64) {
	t.Helper()
	released := os.DirFS(filepath.Join("testdata/ddl", string(db.engine.dialect())))
	provider, err := goose.NewProvider(db.engine.dialect(), db.sql, released,
		goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = provider.UpTo(t.Context(), version)
	require.NoError(t, err)
}
