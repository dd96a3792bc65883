package settings

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/database"
	"github.com/sluicemail/sluice/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLite(t *testing.T) {
	suite(t, func(t *testing.T) string {
		return "sqlite://" + filepath.Join(t.TempDir(), "made", "settings ä%20#.db")
	})
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	s := testserver.Postgres(t)
	suite(t, func(t *testing.T) string { return s.Database(t) })
	t.Run("faults", func(t *testing.T) { serverFaults(t, s.Database(t), s.Address) })
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	s := testserver.MariaDB(t)
	suite(t, func(t *testing.T) string { return s.Database(t) })
	t.Run("faults", func(t *testing.T) { serverFaults(t, s.Database(t), s.Address) })
}

// suite is what every engine has to do alike. address makes an empty database.
func suite(t *testing.T, address func(*testing.T) string) {
	shared := open(t, address(t))
	for _, c := range []struct {
		name string
		test func(*testing.T, *DB)
	}{
		{"every column of every table", testColumns},
		{"NULL and missing columns", testNulls},
		{"numbers that make no sense", testNumbers},
		{"one moment", testSnapshot},
		{"transactions", testTransactions},
		{"queries", testQueries},
		{"values that cannot be stored", testValues},
		{"duplicates", testDuplicates},
		{"ids of others", testForeignIDs},
		{"tokens", testTokens},
		{"addresses of hosts", testReplaceIPs},
		{"purge", testPurge},
		{"empty", testEmpty},
		{"contexts", testContexts},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := shared.Purge(t.Context())
			require.NoError(t, err)
			c.test(t, shared)
		})
	}
	t.Run("broken rows", func(t *testing.T) { testBroken(t, open(t, address(t))) })
	t.Run("opened by several at once", func(t *testing.T) { testConcurrentOpen(t, address(t)) })
	t.Run("locked by another instance", func(t *testing.T) { testLocked(t, address(t)) })
	t.Run("tables of another program", func(t *testing.T) { testForeign(t, address(t)) })
	t.Run("repair", func(t *testing.T) { testRepair(t, address(t)) })
	t.Run("newer version", func(t *testing.T) { testNewer(t, address(t)) })
	t.Run("upgrade", func(t *testing.T) { testUpgrade(t, address) })
	t.Run("interrupted migration", func(t *testing.T) { testInterrupted(t, address(t)) })
}

// testEmpty counts what decides about mail.
func testEmpty(t *testing.T, db *DB) {
	count := func() (bool, int) {
		empty, err := db.Empty(t.Context())
		require.NoError(t, err)
		rows, err := db.Load(t.Context())
		require.NoError(t, err)
		return empty, rows.Len()
	}
	require.NoError(t, db.ReplaceIPs(t.Context(), []IP{{IP: "192.0.2.1", Hostname: "here"}}))
	require.NoError(t, Insert(t.Context(), db, &Token{Name: "x", Hash: HashToken("secret")}))
	require.NoError(t, Insert(t.Context(), db, &ScheduleDay{LocalIP: "192.0.2.1"}))
	empty, n := count()
	require.True(t, empty)
	require.Zero(t, n)
	require.NoError(t, Insert(t.Context(), db, &Route{Domain: "a.test"}))
	require.NoError(t, Insert(t.Context(), db, &Suppression{Value: "a@a.test"}))
	empty, n = count()
	require.False(t, empty)
	require.Equal(t, 2, n)
}

func open(t testing.TB, address string) *DB {
	t.Helper()
	db, err := Open(t.Context(), address, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// raw runs a statement as a script would, with names in double quotes quoted as the engine wants it.
func raw(t testing.TB, db *DB, statement string) {
	t.Helper()
	_, err := db.sql.ExecContext(context.Background(), strings.ReplaceAll(statement, `"`, db.engine.quote("")[:1]))
	require.NoError(t, err, statement)
}

// unchecked opens a database whose tables may be anything, for preparing it.
func unchecked(t testing.TB, address string) *DB {
	t.Helper()
	a, err := database.Parse(address)
	require.NoError(t, err)
	var db *DB
	switch a.Scheme {
	case "sqlite":
		require.NoError(t, os.MkdirAll(filepath.Dir(a.Path), 0o700))
		db = rawSQLite(t, a.Path)
	case "postgresql":
		db = rawPostgres(t, a)
	default:
		db = rawMySQL(t, a)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// examinee is one table for the tests that go through all of them.
type examinee struct {
	name  string
	row   reflect.Type
	cycle func(*testing.T, *DB)
	list  func(*testing.T, *DB) []any
}

func examine[T Entity[T]]() examinee {
	return examinee{name: string(schemaOf[T]().Name), row: reflect.TypeFor[T](), cycle: cycle[T],
		list: func(t *testing.T, db *DB) []any {
			rows, broken, err := List[T](t.Context(), db)
			require.NoError(t, err)
			require.Empty(t, broken)
			all := make([]any, len(rows))
			for i, r := range rows {
				all[i] = r
			}
			return all
		}}
}

func examinees(t *testing.T) []examinee {
	all := []examinee{
		examine[Local](), examine[MTAName](), examine[MTALabel](), examine[IP](), examine[Block](), examine[Capacity](),
		examine[CapacityRule](),
		examine[FloodResponse](), examine[Schedule](), examine[ScheduleStep](), examine[ScheduleRule](),
		examine[ScheduleDay](), examine[Pool](),
		examine[PoolIP](), examine[ExternalMTA](), examine[DKIMKey](), examine[DKIMPattern](), examine[DNSRecord](),
		examine[ForcedError](),
		examine[Pause](), examine[Delegate](), examine[Suppression](), examine[ResponsePattern](), examine[ResponseAction](),
		examine[ResponseLink](),
		examine[RewriteTrigger](), examine[RewriteCondition](), examine[RewriteAction](), examine[Token](), examine[Route](),
		examine[FeedbackRule](), examine[FeedbackSender](), examine[ReturnPathKey](),
	}
	tables := Tables()
	require.Len(t, all, len(tables))
	for i := range tables {
		require.EqualValues(t, tables[i].Name, all[i].name)
	}
	return all
}

// fill gives every column of a row another value; variant changes all of them.
func fill[T Entity[T]](t *testing.T, variant int) T {
	t.Helper()
	var row T
	s := schemaOf[T]()
	for i, c := range s.columns {
		var v any
		switch c.Kind {
		case Integer, Limit, Reference:
			v = []int64{-1, int64(i) + 1<<40, -1 << 63, 1<<63 - 1, 0}[(i+variant)%5]
		case Flag:
			v = (i+variant)%2 == 0
		case Key:
			v = strings.Repeat("ü", maxKey-4) + strconv.Itoa(i*10+variant)
		case Long:
			v = "-----BEGIN PRIVATE KEY-----\r\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC'\"\\%_\n", 3000) +
				strconv.Itoa(variant)
		default:
			v = []string{"plain", "日本語 😀 é\tü\r\n 'quoted' \"twice\" `b` \\ % _ $1 ? ;-- ", strings.Repeat("long ", 10_000), "",
				" blanks "}[(i+variant)%5]
		}
		if s.Name == TableTokens && c.Name == "hash" {
			v = string(HashToken(strconv.Itoa(variant)))
		}
		require.NoError(t, SetValue(&row, c.Name, v))
	}
	return row
}

// cycle writes, reads, changes and deletes rows of a table.
func cycle[T Entity[T]](t *testing.T, db *DB) {
	ctx := t.Context()
	s := schemaOf[T]()
	var ids []int64
	for variant := range 5 { // so that each column has had each value
		row := fill[T](t, variant)
		require.NoError(t, Insert(ctx, db, &row))
		id := *s.id(&row)
		require.Positive(t, id)
		got, err := Get[T](ctx, db, id)
		require.NoError(t, err)
		require.Equal(t, row, got)
		ids = append(ids, id)
	}
	changed := fill[T](t, 7)
	*s.id(&changed) = ids[2]
	require.NoError(t, Update(ctx, db, &changed))
	require.NoError(t, Update(ctx, db, &changed), "an update that changes nothing finds its row too")
	got, err := Get[T](ctx, db, ids[2])
	require.NoError(t, err)
	require.Equal(t, changed, got)

	require.NoError(t, Delete[T](ctx, db, ids[0]))
	require.ErrorIs(t, Delete[T](ctx, db, ids[0]), ErrNotFound)
	_, err = Get[T](ctx, db, ids[0])
	require.ErrorIs(t, err, ErrNotFound)
	*s.id(&changed) = ids[0]
	require.ErrorIs(t, Update(ctx, db, &changed), ErrNotFound)

	require.NoError(t, Delete[T](ctx, db, ids[4]))
	again := fill[T](t, 4)
	require.NoError(t, Insert(ctx, db, &again))
	require.Greater(t, *s.id(&again), ids[4], "an id is never used twice")
}

func testColumns(t *testing.T, db *DB) {
	for _, e := range examinees(t) {
		t.Run(e.name, func(t *testing.T) { e.cycle(t, db) })
	}
	rows, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Empty(t, rows.Broken)
	require.False(t, slices.ContainsFunc(rows.Notices, func(n Notice) bool { return !n.Wrong }), "%v", rows.Notices)
	for _, e := range examinees(t) {
		require.Len(t, e.list(t, db), 4, e.name)
	}
	require.Len(t, rows.Suppressions, 4)
	require.IsIncreasing(t, []int64{rows.Suppressions[0].ID, rows.Suppressions[1].ID, rows.Suppressions[2].ID})
	path := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, SaveCache(path, rows))
	cached, err := LoadCache(path)
	require.NoError(t, err)
	require.Equal(t, rows, cached)
}

func testNulls(t *testing.T, db *DB) {
	for _, table := range Tables() {
		if table.Name == "tokens" { // an empty hash is no token
			continue
		}
		var names, nulls []string
		for _, c := range table.Columns {
			names, nulls = append(names, `"`+c.Name+`"`), append(nulls, "NULL")
		}
		raw(t, db, `INSERT INTO "`+string(table.Name)+`" (`+strings.Join(names, ",")+`) VALUES (`+strings.Join(nulls, ",")+`)`)
		raw(t, db, `INSERT INTO "`+string(table.Name)+`" (id) VALUES (99)`)
	}
	raw(t, db,
		`INSERT INTO "capacity" (id, "name", "priority", "maxmessages", "enabled") VALUES (100, 'first', -5, -1, 1)`)
	rows, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Empty(t, rows.Broken)
	unset := Limits{ConnectionMinMessages: -1, ConnectionIdle: -1, ConnectionOffline: -1, ConnectionSpread: -1,
		Security: -1, RetryShare: -1,
		GreylistDelay: -1, GreylistSameIP: -1, BindRetry: -1, LostOffline: -1, InvalidOffline: -1,
		TimeoutConnect: -1, TimeoutIntro: -1, TimeoutCommand: -1, TimeoutData: -1, TimeoutMessage: -1}
	first := unset
	first.Site.MaxMessages = FallBack
	require.Equal(t, Capacity{ID: 100, Name: "first", Priority: -5, Limits: first, Enabled: true}, rows.Capacities[0])
	null := rows.Capacities[1]
	require.Equal(t, Capacity{ID: null.ID, Limits: unset, Enabled: true}, null,
		"NULL is unlimited in limits, the default elsewhere")
	require.Equal(t, Capacity{ID: 99, Limits: unset, Enabled: true}, rows.Capacities[2])
	for value, n := range map[int64]int{FallBack: 3, 0: 0} {
		found, _, err := Select[Capacity](t.Context(), db, Query{Column: "security", Value: value})
		require.NoError(t, err)
		require.Len(t, found, n, "NULL counts as the default")
	}
	for _, e := range examinees(t) {
		if all := e.list(t, db); e.name != "capacity" && e.name != "tokens" {
			require.Len(t, all, 2, e.name)
		}
	}
	found, _, err := Select[Local](t.Context(), db, Query{Column: "address", Value: ""})
	require.NoError(t, err)
	require.Len(t, found, 2, "NULL counts as the empty text")
	found, _, err = Select[Local](t.Context(), db, Query{Column: "enabled", Value: true})
	require.NoError(t, err)
	require.Len(t, found, 2, "NULL counts as enabled")
}

// testNumbers has numbers beyond their bounds told.
func testNumbers(t *testing.T, db *DB) {
	raw(t, db,
		`INSERT INTO "capacity" (id, "name", "maxmessages", "security", "retryshare", "connection_spread") VALUES (1, 'odd', -7, 9, 150, 2)`)
	raw(t, db, `INSERT INTO "flood_responses" (id, "name", "pause") VALUES (1, 'odd', -60)`)
	raw(t, db, `INSERT INTO "schedule_steps" (id, "day") VALUES (1, -3)`)
	raw(t, db, `INSERT INTO "capacity" (id, "name", "maxmessages", "security", "retryshare") VALUES (2, 'fine', -1, 3, 0)`)
	rows, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Empty(t, rows.Broken)
	require.EqualValues(t, 9, rows.Capacities[0].Limits.Security, "rows are what they are")
	var told []string
	for _, n := range rows.Notices {
		require.True(t, n.Wrong)
		told = append(told, n.String())
	}
	require.Equal(t, []string{
		"table capacity, id 1: maxmessages -7: expected a number from -1, taken as -1",
		"table capacity, id 1: connection_spread 2: expected a number from -1 to 1, taken as 1",
		"table capacity, id 1: security 9: expected a number from -1 to 3, taken as 3",
		"table capacity, id 1: retryshare 150: expected a number from -1 to 100, taken as 100",
		"table flood_responses, id 1: pause -60: expected a number from 0 to 3153600000, taken as 0",
		"table schedule_steps, id 1: day -3: expected a number from 1 to 100000, taken as 1",
	}, told)
}

func testSnapshot(t *testing.T, db *DB) {
	tx, err := db.sql.BeginTx(t.Context(), db.engine.snapshot())
	require.NoError(t, err)
	defer tx.Rollback()
	l := &loader{ctx: t.Context(), conn: tx, db: db}
	before := &Rows{}
	require.NoError(t, schemaOf[Local]().load(l, before, nil))
	require.NoError(t, Insert(t.Context(), db, &Local{Address: "a@example.com"}))
	require.NoError(t, Insert(t.Context(), db, &Route{Domain: "example.com"}))
	for _, table := range tables() {
		require.NoError(t, table.load(l, before, nil))
	}
	require.Empty(t, before.Locals)
	require.Empty(t, before.Routes)
	require.NoError(t, tx.Rollback())
	after, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, after.Locals, 1)
	require.Len(t, after.Routes, 1)
}

func testTransactions(t *testing.T, db *DB) {
	ctx := t.Context()
	wrong := errors.New("second thoughts")
	require.ErrorIs(t, db.Tx(ctx, func(tx *Tx) error {
		require.NoError(t, Insert(ctx, tx, &Pool{Name: "a"}))
		return wrong
	}), wrong)
	require.NoError(t, db.Tx(ctx, func(tx *Tx) error {
		if err := Insert(ctx, tx, &Pool{Name: "b", Enabled: true}); err != nil {
			return err
		}
		return Insert(ctx, tx, &PoolIP{Pool: "b", IP: "192.0.2.1"})
	}))
	rows, err := db.Load(ctx)
	require.NoError(t, err)
	require.Len(t, rows.Pools, 1)
	require.Equal(t, "b", rows.Pools[0].Name)
	require.Len(t, rows.PoolIPs, 1)
}

func testQueries(t *testing.T, db *DB) {
	ctx := t.Context()
	for i := range 20 {
		s := Suppression{Value: strconv.Itoa(i) + "%_!@Example.com", Code: int64(i % 3), Enabled: i%2 == 0}
		require.NoError(t, Insert(ctx, db, &s))
	}
	for _, c := range []struct {
		query Query
		want  int
	}{
		{Query{}, 20},
		{Query{Column: "code", Value: 1}, 7},
		{Query{Column: "code", Value: "1"}, 7},
		{Query{Column: "enabled", Value: true}, 10},
		{Query{Column: "value", Value: "3%_!@Example.com"}, 1},
		{Query{Search: "%_!@example"}, 20},
		{Query{Search: "1%_!"}, 2}, // 1 and 11
		{Query{Search: "1%_@"}, 0},
		{Query{Column: "code", Value: 1, Search: "1%_!"}, 1},
		{Query{Limit: 3}, 3},
		{Query{Limit: 3, Offset: 18}, 2},
		{Query{Offset: 15}, 5},
	} {
		rows, broken, err := Select[Suppression](ctx, db, c.query)
		require.NoError(t, err)
		require.Empty(t, broken)
		require.Len(t, rows, c.want, "%+v", c.query)
		n, err := Count[Suppression](ctx, db, c.query)
		require.NoError(t, err)
		if c.query.Limit == 0 && c.query.Offset == 0 {
			require.EqualValues(t, c.want, n, "%+v", c.query)
		}
	}
	n, err := DeleteWhere[Suppression](ctx, db, Query{Column: "code", Value: 2})
	require.NoError(t, err)
	require.EqualValues(t, 6, n)
	for _, q := range []Query{{}, {Column: "code", Value: 1, Limit: 1}, {Column: "colour", Value: 1},
		{Column: "code", Value: "many"}, {Column: "value", Value: "\x00"}} {
		_, err := DeleteWhere[Suppression](ctx, db, q)
		require.Error(t, err)
	}
	_, _, err = Select[Token](ctx, db, Query{Search: "sha256"})
	require.NoError(t, err)
	_, _, err = Select[Token](ctx, db, Query{Search: "a\x00b"})
	require.ErrorContains(t, err, "NUL")
}

func testValues(t *testing.T, db *DB) {
	ctx := t.Context()
	for reason, row := range map[string]Suppression{
		"suppressions.value is longer than 320 characters":    {Value: strings.Repeat("x", 321)},
		"suppressions.description is longer than 65535 bytes": {Value: "a", Description: strings.Repeat("x", 1<<16)},
		"suppressions.value holds a NUL byte":                 {Value: "a\x00b"},
		"suppressions.description is not valid UTF-8":         {Value: "a", Description: "\xff"},
		"suppressions.extended is not valid UTF-8":            {Value: "a", Extended: "\xed\xa0\x80"},
	} {
		var wrong *ValueError
		require.ErrorAs(t, Insert(ctx, db, &row), &wrong)
		require.Equal(t, reason, wrong.Error())
		require.ErrorAs(t, Update(ctx, db, &row), &wrong)
	}
	key := DKIMKey{PrivateKey: Secret(strings.Repeat("x", maxLong+1))}
	require.EqualError(t, Insert(ctx, db, &key), "dkim_keys.privatekey is longer than 16777215 bytes")
	key = DKIMKey{PrivateKey: Secret(strings.Repeat("x", 1<<20))}
	require.NoError(t, Insert(ctx, db, &key))
	got, err := Get[DKIMKey](ctx, db, key.ID)
	require.NoError(t, err)
	require.Equal(t, key, got)
}

func testDuplicates(t *testing.T, db *DB) {
	ctx := t.Context()
	for _, value := range []string{"a@example.com", "A@example.com", "á@example.com"} { // byte by byte different
		require.NoError(t, Insert(ctx, db, &Suppression{Value: value}))
	}
	err := Insert(ctx, db, &Suppression{Value: "a@example.com"})
	require.ErrorIs(t, err, ErrDuplicate)
	require.ErrorContains(t, err, "writing suppressions")
	require.ErrorIs(t, Insert(ctx, db, &Local{ID: 7}), nil)
	require.ErrorIs(t, Insert(ctx, db, &Local{ID: 7}), ErrDuplicate)
}

func testForeignIDs(t *testing.T, db *DB) {
	ctx := t.Context()
	first := Local{Address: "ours"}
	require.NoError(t, Insert(ctx, db, &first))
	for i := range int64(3) {
		raw(t, db, `INSERT INTO "locals" (id, "address") VALUES (`+strconv.FormatInt(first.ID+1+i, 10)+`, 'a script''s')`)
	}
	next := Local{Address: "ours again"}
	require.NoError(t, Insert(ctx, db, &next))
	require.Equal(t, first.ID+4, next.ID)
	given := Local{ID: first.ID + 1000, Address: "copied"}
	require.NoError(t, Insert(ctx, db, &given))
	next = Local{Address: "and again"}
	require.NoError(t, Insert(ctx, db, &next))
	require.Equal(t, given.ID+1, next.ID)
}

func testTokens(t *testing.T, db *DB) {
	const plain = "plain-token-of-a-script"
	raw(t, db, `INSERT INTO "tokens" (id, "name", "hash") VALUES (1, 'script', '`+plain+
		`'), (2, 'empty', ''), (3, 'none', NULL), (4, 'bad', 'sha256:abc')`)
	token, hash := NewToken()
	require.NoError(t, Insert(t.Context(), db, &Token{ID: 5, Name: "ours", Hash: hash}))
	require.ErrorContains(t, Insert(t.Context(), db, &Token{Name: "plain", Hash: plain}), "64 hexadecimal digits")

	rows, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, rows.Tokens, 2)
	require.True(t, rows.Tokens[0].Matches(plain))
	require.True(t, rows.Tokens[1].Matches(token))
	require.False(t, rows.Tokens[1].Matches(plain))
	require.Equal(t, []Notice{{Table: "tokens", ID: 1, Text: tokenHashed}}, rows.Notices)
	require.Len(t, rows.Broken, 3)
	require.Equal(t, "table tokens, id 2: hash is empty", rows.Broken[0].String())

	again, err := db.Load(t.Context())
	require.NoError(t, err)
	require.Empty(t, again.Notices)
	require.Equal(t, rows.Tokens, again.Tokens)
	var stored string
	require.NoError(t, db.sql.QueryRowContext(t.Context(), "SELECT hash FROM tokens WHERE id = 1").Scan(&stored))
	require.Equal(t, string(HashToken(plain)), stored)
}

func testReplaceIPs(t *testing.T, db *DB) {
	ctx := t.Context()
	require.NoError(t, db.ReplaceIPs(ctx, []IP{{IP: "192.0.2.1", Hostname: "a"}, {IP: "192.0.2.2", Hostname: "a"}}))
	require.NoError(t, db.ReplaceIPs(ctx, []IP{{IP: "192.0.2.3", Hostname: "b"}}))
	require.NoError(t, db.ReplaceIPs(ctx, []IP{{IP: "192.0.2.2", Hostname: "a"}, {IP: "192.0.2.4", Hostname: "a"}}))
	rows, err := db.Load(ctx)
	require.NoError(t, err)
	var got []string
	for _, ip := range rows.IPs {
		got = append(got, ip.Hostname+" "+ip.IP)
	}
	require.Equal(t, []string{"b 192.0.2.3", "a 192.0.2.2", "a 192.0.2.4"}, got)
}

func testPurge(t *testing.T, db *DB) {
	ctx := t.Context()
	for _, e := range examinees(t) {
		if e.name != "tokens" {
			raw(t, db, `INSERT INTO "`+e.name+`" (id) VALUES (1)`)
		}
	}
	n, err := db.Purge(ctx)
	require.NoError(t, err)
	require.EqualValues(t, len(Tables())-1, n)
	rows, err := db.Load(ctx)
	require.NoError(t, err)
	for _, e := range examinees(t) {
		require.Empty(t, e.list(t, db), e.name)
	}
	require.Empty(t, rows.Locals)
	require.NoError(t, db.Validate(ctx))
}

func testContexts(t *testing.T, db *DB) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := db.Load(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, Insert(ctx, db, &Local{}), context.Canceled)
	require.ErrorIs(t, db.Validate(ctx), context.Canceled)
	_, err = db.Purge(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, err = db.Repair(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, db.Tx(ctx, func(*Tx) error { return nil }), context.Canceled)
	_, err = db.Load(t.Context())
	require.NoError(t, err)
}

func testConcurrentOpen(t *testing.T, address string) {
	var wait sync.WaitGroup
	results := make([]error, 4)
	for i := range results {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			db, err := Open(ctx, address, Options{})
			if err == nil {
				err = errors.Join(Insert(ctx, db, &Local{Address: "a@example.com"}), db.Close())
			}
			results[i] = err
		})
	}
	wait.Wait()
	for _, err := range results {
		require.NoError(t, err)
	}
	db := open(t, address)
	n, err := Count[Local](t.Context(), db, Query{})
	require.NoError(t, err)
	require.EqualValues(t, len(results), n)
	var versions int
	require.NoError(t, db.sql.QueryRow("SELECT COUNT(*) FROM "+versionTable+" WHERE version_id = 1").Scan(&versions))
	require.Equal(t, 1, versions)
}

// testLocked starts while another instance makes the tables, for longer than there is time.
func testLocked(t *testing.T, address string) {
	other := unchecked(t, address)
	unlock, err := other.engine.lock(t.Context(), other.sql)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, address, Options{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, catalogOf(t, other)["locals"])
	unlock()
	open(t, address)
}

// catalogOf returns what exists in a database.
func catalogOf(t *testing.T, db *DB) catalog {
	t.Helper()
	all, err := db.engine.catalog(t.Context(), db.sql)
	require.NoError(t, err)
	return all
}
