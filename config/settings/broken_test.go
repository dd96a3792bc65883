package settings

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// testBroken lets others put texts where numbers belong, as SQLite allows and an altered table does.
func testBroken(t *testing.T, db *DB) {
	if _, ok := db.engine.(sqliteEngine); !ok {
		raw(t, db, `ALTER TABLE "routes" DROP COLUMN "port"`)
		raw(t, db, `ALTER TABLE "routes" ADD COLUMN "port" VARCHAR(1000)`)
	}
	raw(t, db,
		`INSERT INTO "routes" (id, "domain", "port") VALUES (1, 'a', '25'), (2, 'b', 'smtp'), (3, 'c', ' 26 '), (4, 'd', ''), (5, 'e', NULL), (6, 'f', '2.5')`)
	raw(t, db, `INSERT INTO "locals" (id, "address") VALUES (1, 'a@example.com')`)
	rows, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, rows.Locals, 1)
	var got []int64
	for _, r := range rows.Routes {
		got = append(got, r.ID, r.Port)
	}
	require.Equal(t, []int64{1, 25, 3, 26, 5, 0}, got)
	require.Len(t, rows.Broken, 3)
	require.Equal(t, `table routes, id 2: port is the text "smtp", not an integer`, rows.Broken[0].String())
	require.Equal(t, `table routes, id 4: port is the text "", not an integer`, rows.Broken[1].String())
	require.Equal(t, Broken{"routes", 6, rows.Broken[2].Reason}, rows.Broken[2])

	listed, broken, err := List[Route](t.Context(), db)
	require.NoError(t, err)
	require.Equal(t, rows.Routes, listed)
	require.Equal(t, rows.Broken, broken)
	_, err = Get[Route](t.Context(), db, 2)
	var wrong *ValueError
	require.ErrorAs(t, err, &wrong)
	require.EqualError(t, err, `table routes, id 2: port is the text "smtp", not an integer`)
	require.NoError(t, Delete[Route](t.Context(), db, 2), "what is broken can be deleted")
}

// TestBrokenSQLite puts in what only SQLite takes.
func TestBrokenSQLite(t *testing.T) {
	db := open(t, "sqlite://:memory:")
	raw(t, db, `INSERT INTO dkim_keys (id, domain, privatekey, priority) VALUES (1, 'a', x'ff00fe', 1), (2, x'612e62', 'key', 2.0), (3, 3.5, 'secret', 2.5),
		(4, 4, 'x' || char(0), x'31'), (5, 'ok', 'secret', 'secret' || hex(zeroblob(100)))`)
	rows, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, rows.DKIMKeys, 1)
	require.Equal(t, DKIMKey{ID: 2, Domain: "a.b", PrivateKey: "key", Priority: 2, Enabled: true}, rows.DKIMKeys[0])
	require.Equal(t, []Broken{
		{"dkim_keys", 1, "privatekey holds a NUL byte"},
		{"dkim_keys", 4, "privatekey holds a NUL byte"},
		{"dkim_keys", 3, "priority is 2.5, not an integer"},
		{"dkim_keys", 5, `priority is the text "secret0000000000000000000000000000000000", not an integer`},
	}, sortBroken(rows.Broken))
}

// sortBroken brings rows into an order that does not depend on how SQLite orders priorities of several types.
func sortBroken(all []Broken) []Broken {
	byID := map[int64]Broken{}
	for _, b := range all {
		byID[b.ID] = b
	}
	return []Broken{byID[1], byID[4], byID[3], byID[5]}
}

// TestBrokenMany keeps a flood of broken rows from filling memory and logs.
func TestBrokenMany(t *testing.T) {
	db := open(t, "sqlite://:memory:")
	raw(t, db, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
		INSERT INTO routes (domain, port) SELECT i, 'x' FROM n`)
	raw(t, db, `INSERT INTO routes (domain) VALUES ('good')`)
	rows, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, rows.Routes, 1)
	require.Len(t, rows.Broken, maxBroken+1)
	require.Equal(t, Broken{"routes", 0, "and 500 more rows"}, rows.Broken[maxBroken])
}
