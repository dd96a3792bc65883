package e2e

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestMTANames greets under the name of each address, and says it to the servers that mail goes to.
func TestMTANames(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "one.mta.test"},
		store.MTAName{LocalIP: "127.0.0.2", Name: "two.mta.test"})
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(set).With(mtatest.Settings{"smtp-ip": "127.0.0.1,127.0.0.2,127.0.0.3",
		"smtp-default-ips": "127.0.0.1"}))
	for ip, name := range map[string]string{"127.0.0.1": "one.mta.test", "127.0.0.2": "two.mta.test",
		"127.0.0.3": "mtad.test"} {
		c := mtatest.Dial(t, ip+":"+d.Settings["smtp-port"])
		require.True(t, strings.HasPrefix(c.Expect(220), "220 "+name+" "), ip)
		require.True(t, strings.HasPrefix(c.Command("EHLO client.test", 250), "250-"+name+" "), ip)
	}
	d.Submit(t, "a@client.test", "b@sink.test", mtatest.Letters)
	m := k.Await(t, 1)[0]
	require.Equal(t, "one.mta.test", m.Helo)
	require.Equal(t, "127.0.0.1", m.Remote.Addr().String())
}

// greeting returns the name that mtad greets with.
func greeting(t testing.TB, d *mtatest.Daemon) string {
	t.Helper()
	c := mtatest.Dial(t, d.Addr)
	defer c.Conn.Close()
	return strings.Fields(c.Expect(220))[1]
}

// TestSettingsAreReadAgain has changed rows take effect at SIGHUP, and by themselves after database-ttl.
func TestSettingsAreReadAgain(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	name := store.MTAName{LocalIP: "127.0.0.1", Name: "first.mta.test"}
	require.NoError(t, store.Insert(t.Context(), db, &name))
	patient := mtatest.Inside(t, mtatest.Nowhere.With(set))
	quick := mtatest.Inside(t, mtatest.Nowhere.With(set).With(mtatest.Settings{"database-ttl": "1"}))
	require.Equal(t, "first.mta.test", greeting(t, patient))
	name.Name = "second.mta.test"
	require.NoError(t, store.Update(t.Context(), db, &name))
	mtatest.Insert(t, db, store.Block{Value: "127.0.0.66", Enabled: true})
	mtatest.Eventually(t, "the settings are read by themselves",
		func() bool { return greeting(t, quick) == "second.mta.test" })
	require.Equal(t, "first.mta.test", greeting(t, patient))
	mtatest.Connect(t, "127.0.0.66", patient.Addr).Expect(220)
	patient.Reload(t)
	require.Equal(t, "second.mta.test", greeting(t, patient))
	mtatest.Connect(t, "127.0.0.66", patient.Addr).Refused(554, "5.7.1")
}

// TestBrokenRows leaves out rows that make no sense, names their table and id, and heeds the others.
func TestBrokenRows(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db,
		store.Local{ID: 71, Address: "(", Type: store.Regex, Enabled: true},
		store.Local{ID: 72, Address: "x", Type: "nonsense", Enabled: true},
		store.Local{ID: 73, Address: "good@here.test", Type: store.Exact, Enabled: true},
	)
	mtatest.Insert(t, db, store.MTAName{ID: 81, LocalIP: "localhorst", Name: "x.test"},
		store.MTAName{ID: 82, LocalIP: "127.0.0.1", Name: "good.mta.test"})
	mtatest.Insert(t, db, store.Block{ID: 91, Value: "10.0.0.0/99", Enabled: true},
		store.Block{ID: 92, Value: "127.0.0.66", Enabled: true})
	d := mtatest.Inside(t, mtatest.Kept.With(set).With(mtatest.Settings{"smtp-auth": "hardcoded://joe:geheim"}))
	warned := func() string {
		var warnings []string
		for line := range strings.Lines(d.Log.String()) {
			if strings.Contains(line, "level=WARN") && strings.Contains(line, "row") {
				warnings = append(warnings, line)
			}
		}
		return strings.Join(warnings, "")
	}
	for table, ids := range map[string][]int{"locals": {71, 72}, "mtanames": {81}, "blocklist": {91}} {
		for _, id := range ids {
			require.Regexp(t, fmt.Sprintf("%s\\D+%d\\D", table, id), warned())
		}
	}
	require.Equal(t, 4, strings.Count(warned(), "\n"), warned())
	require.Equal(t, "good.mta.test", greeting(t, d))
	mtatest.Connect(t, "127.0.0.66", d.Addr).Refused(554, "5.7.1")
	d.Submit(t, "a@client.test", "good@here.test", mtatest.Letters)
	d.Reload(t)
	require.Equal(t, 4, strings.Count(warned(), "\n"), "told once")
}

// TestAddressesAreWritten lists the addresses of the machine for others, each once however often mtad starts.
func TestAddressesAreWritten(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	d := mtatest.Inside(t, mtatest.Nowhere.With(set))
	d.Terminate(t)
	d = d.Again(t)
	rows, _, err := store.List[store.IP](t.Context(), db)
	require.NoError(t, err)
	host, err := os.Hostname()
	require.NoError(t, err)
	times := map[string]int{}
	for _, row := range rows {
		require.Equal(t, host, row.Hostname)
		times[row.IP]++
	}
	require.Equal(t, 1, times["127.0.0.1"])
	info, err := os.Stat(strings.TrimPrefix(set["database-address"], "sqlite://"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	d.Terminate(t)
}

// TestSettingsOnServers keeps the settings on PostgreSQL and MariaDB, which go down while mtad runs and stay down over
// a restart: names and local addresses are still those of the last time.
func TestSettingsOnServers(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(testing.TB) *testserver.DatabaseServer{"PostgreSQL": testserver.Postgres,
		"MariaDB": testserver.MariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := run(t)
			address := server.Database(t)
			d := mtatest.Inside(t, mtatest.Kept.With(mtatest.Settings{"database-address": address,
				"smtp-auth": "hardcoded://joe:geheim"}))
			db := mtatest.OpenSettings(t, address)
			rows, _, err := store.List[store.IP](t.Context(), db)
			require.NoError(t, err)
			require.NotEmpty(t, rows)
			mtatest.Insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "kept.mta.test"})
			mtatest.Insert(t, db, store.Local{Address: "*@here.test", Type: store.Wildcard, Enabled: true})
			d.Reload(t)
			require.Equal(t, "kept.mta.test", greeting(t, d))
			d.Submit(t, "a@client.test", "b@here.test", mtatest.Letters)
			require.NoError(t, db.Close())

			server.Kill()
			d.Reload(t)
			require.Contains(t, d.Log.String(), "settings database cannot be used")
			require.Equal(t, "kept.mta.test", greeting(t, d))
			d.Submit(t, "a@client.test", "b@here.test", mtatest.Letters)
			d.Terminate(t)
			down := d.Again(t)
			require.Contains(t, down.Log.String(), "the settings of the last run are in force")
			require.Equal(t, "kept.mta.test", greeting(t, down))
			down.Submit(t, "a@client.test", "b@here.test", mtatest.Letters)
			require.NotContains(t, d.Log.String()+down.Log.String(), testserver.DatabasePassword)
			down.Terminate(t)
		})
	}
}

// TestStartWithoutDatabase starts while the database cannot be read and nothing was kept: mail is taken, and leaves
// once the database is there. database-required does not start.
func TestStartWithoutDatabase(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "there", "settings.db")
	require.NoError(t, os.WriteFile(filepath.Dir(file), nil, 0o600)) // a file where the directory should be
	set := mtatest.Settings{"database-address": "sqlite://" + file, "database-ttl": "1",
		"metrics-address": "127.0.0.1:" + mtatest.FreePort(t)}
	required := mtatest.Launch(t, set.With(mtatest.Settings{"database-required": "true", "smtp-ip": "127.0.0.1",
		"smtp-port":     mtatest.FreePort(t),
		"queue-address": "disk://" + filepath.Join(t.TempDir(), "queue")}))
	require.Equal(t, 78, required.Exit(t, mtatest.Patience), required.Log.String())
	require.Contains(t, required.Log.String(), "database-required")

	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Start(t, k.Settings().With(set))
	require.Contains(t, d.Log.String(), "settings database cannot be used")
	require.Contains(t, d.Log.String(), "none is sent until the settings database can be read")
	require.Equal(t, "mtad.test", greeting(t, d))
	d.Submit(t, "a@client.test", "b@sink.test", mtatest.Letters)
	mtatest.Eventually(t, "the mail is held", func() bool {
		return metric(t, set["metrics-address"], `sluice_queue_messages{queue="outbox",state="parked"} 1`)
	})
	require.Empty(t, k.Received())
	require.NoError(t, os.Remove(filepath.Dir(file)))
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	require.NoError(t, d.Cmd.Process.Signal(syscall.SIGHUP))
	require.True(t, d.WaitLog("the settings database is back"), d.Log.String())
	k.Await(t, 1)
	mtatest.Insert(t, mtatest.OpenSettings(t, "sqlite://"+file), store.MTAName{LocalIP: "127.0.0.1", Name: "new.mta.test"})
	mtatest.Eventually(t, "the name is heeded", func() bool { return greeting(t, d) == "new.mta.test" })
}

// metric reports whether a line is among the metrics.
func metric(t testing.TB, address, line string) bool {
	t.Helper()
	response, err := http.Get("http://" + address + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return strings.Contains(string(text), line)
}

// TestSettingsLost has the rows of the last run in force when the database is empty or gone, until somebody says that
// this is meant.
func TestSettingsLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(file string) error{
		"removed": os.Remove,
		"emptied": func(file string) error { return os.Truncate(file, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, db := mtatest.SQLite(t)
			mtatest.Insert(t, db, store.Suppression{Value: "gone@sink.test", Type: "address", Code: 551, Enabled: true})
			file := strings.TrimPrefix(set["database-address"], "sqlite://")
			sendLog, logged := mtatest.SendLog(t)
			k := mtatest.NewKeeper(t, &smtptest.Sink{})
			d := mtatest.Inside(t, k.Settings().With(set).With(logged))
			require.NotContains(t, d.Log.String(), "level=ERROR", "a first start is none of this")
			d.Terminate(t)
			require.NoError(t, db.Close())
			require.NoError(t, lose(file))

			d = d.Again(t)
			require.Contains(t, d.Log.String(), "level=ERROR")
			require.Contains(t, d.Log.String(), "rows: 1); they stay in force")
			d.Submit(t, "a@client.test", "gone@sink.test", mtatest.Letters)
			require.Equal(t, "suppression/error", mtatest.AwaitAttempts(t, sendLog, "gone@sink.test", 1)[0].Last().Pair())

			accept := mtatest.Run(t, nil, "ctl", "--config-file", d.File, "settings", "accept")
			require.Zero(t, accept.Exit(t, mtatest.Patience), accept.Log.String())
			require.Contains(t, accept.Out.String(), "rows of the last run that were dropped: 1")
			require.True(t, d.WaitLog("the settings database is back"), d.Log.String())
			d.Submit(t, "a@client.test", "gone@sink.test", mtatest.Letters)
			k.Await(t, 1)
			again := mtatest.Run(t, nil, "ctl", "--config-file", d.File, "settings", "accept")
			require.Equal(t, 1, again.Exit(t, mtatest.Patience))
			require.Contains(t, again.Log.String(), "nothing to accept")
		})
	}
}

// raw opens an SQLite file past the settings.
func raw(t testing.TB, set mtatest.Settings) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(set["database-address"], "sqlite://"))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// TestForeignDatabase does not start on the database of a MailerQ, and leaves it as it is; nor do the switches that
// work on databases touch it.
func TestForeignDatabase(t *testing.T) {
	t.Parallel()
	set := mtatest.Settings{"database-address": "sqlite://" + filepath.Join(t.TempDir(), "mailerq.db"),
		"smtp-ip": "127.0.0.1", "smtp-port": mtatest.FreePort(t),
		"queue-address": "disk://" + filepath.Join(t.TempDir(), "queue")}
	db := raw(t, set)
	_,
		err := db.Exec("CREATE TABLE locals (id INTEGER PRIMARY KEY, email TEXT); INSERT INTO locals (email) VALUES ('a@b.test')")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	file := strings.TrimPrefix(set["database-address"], "sqlite://")
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	d := mtatest.Launch(t, set)
	require.Equal(t, 78, d.Exit(t, mtatest.Patience), d.Log.String())
	require.Contains(t, d.Log.String(), "locals")
	require.Contains(t, d.Log.String(), "database-address")
	for _, args := range [][]string{{"--repair-database"}, {"--purge-database", "--yes"}} {
		p := mtatest.Run(t, nil, append([]string{"--config-file", d.File}, args...)...)
		require.Equal(t, 78, p.Exit(t, mtatest.Patience), "%v: %s", args, p.Log.String())
		require.Contains(t, p.Log.String(), "locals")
	}
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestRepairDatabase does not start on a database that has lost a table, a column and an index; --repair-database
// brings them back and touches no row.
func TestRepairDatabase(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "kept.mta.test"})
	require.NoError(t, db.Close())
	tables := raw(t, set)
	_, err := tables.Exec("DROP TABLE locals; ALTER TABLE blocklist DROP COLUMN description")
	require.NoError(t, err)
	require.NoError(t, tables.Close())
	set = set.With(mtatest.Settings{"smtp-ip": "127.0.0.1", "smtp-port": mtatest.FreePort(t),
		"queue-address": "disk://" + filepath.Join(t.TempDir(), "queue")})
	d := mtatest.Launch(t, set)
	require.Equal(t, 78, d.Exit(t, mtatest.Patience), d.Log.String())
	require.Contains(t, d.Log.String(), "locals")
	require.Contains(t, d.Log.String(), "--repair-database")

	repair := mtatest.Run(t, nil, "--config-file", d.File, "--repair-database")
	require.Zero(t, repair.Exit(t, mtatest.Patience), repair.Log.String())
	require.Contains(t, repair.Out.String(), "table locals: made")
	require.Contains(t, repair.Out.String(), "table blocklist, column description: added")
	again := mtatest.Run(t, nil, "--config-file", d.File, "--repair-database")
	require.Zero(t, again.Exit(t, mtatest.Patience), again.Log.String())
	require.Contains(t, again.Out.String(), "nothing to repair")
	require.Equal(t, "kept.mta.test", greeting(t, mtatest.Start(t, set)))
}

// TestPurgeDatabase empties all tables when told twice.
func TestPurgeDatabase(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "a.mta.test"})
	mtatest.Insert(t, db, store.Block{Value: "127.0.0.66", Enabled: true}, store.Block{Value: "127.0.0.67"})
	file := writeFile(t, "mtad.conf", set.Text())
	asked := mtatest.Run(t, nil, "--config-file", file, "--purge-database")
	require.Equal(t, 1, asked.Exit(t, mtatest.Patience))
	require.Contains(t, asked.Out.String(), "nothing was deleted")
	count := func() int64 {
		n, err := store.Count[store.Block](t.Context(), db, store.Query{})
		require.NoError(t, err)
		return n
	}
	require.EqualValues(t, 2, count())
	purge := mtatest.Run(t, nil, "--config-file", file, "--purge-database", "--yes")
	require.Zero(t, purge.Exit(t, mtatest.Patience), purge.Log.String())
	require.Contains(t, purge.Out.String(), "3 rows deleted")
	require.Zero(t, count())
}

// TestDatabaseAddresses refuses addresses that are none, without a word of the password.
func TestDatabaseAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"oracle://joe:hunter2@host/db", "mysql://joe:hunter2@",
		"postgresql://joe:hunter2@host:port/db"} {
		d := mtatest.Launch(t, mtatest.Settings{"smtp-ip": "127.0.0.1", "smtp-port": mtatest.FreePort(t),
			"database-address": address,
			"queue-address":    "disk://" + filepath.Join(t.TempDir(), "queue")})
		require.Equal(t, 78, d.Exit(t, mtatest.Patience), d.Log.String())
		require.Contains(t, d.Log.String(), "database-address", address)
		require.NotContains(t, d.Log.String(), "hunter2")
	}
}

// TestSuppressions sends nothing to a listed address or domain, and says why; others get their mail.
func TestSuppressions(t *testing.T) {
	t.Parallel()
	set, db := mtatest.SQLite(t)
	mtatest.Insert(t, db,
		store.Suppression{Value: "gone@sink.test", Type: "address", Code: 551, Extended: "5.7.1",
			Description: "asked us to stop", Enabled: true},
		store.Suppression{Value: "closed.test", Type: "domain", Code: 550, Enabled: true})
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	file, logged := mtatest.SendLog(t)
	d := mtatest.Inside(t, k.Settings().With(set).With(logged))
	d.Submit(t, "a@client.test", "gone@sink.test", mtatest.Letters)
	d.Submit(t, "a@client.test", "who@closed.test", mtatest.Letters)
	d.Submit(t, "a@client.test", "here@sink.test", mtatest.Letters)
	k.Await(t, 1)
	gone := mtatest.AwaitAttempts(t, file, "gone@sink.test", 1)[0].Last()
	require.Equal(t, "suppression/error", gone.Pair())
	require.Equal(t, "asked us to stop", gone.Description)
	require.Equal(t, 551, gone.Code)
	require.Equal(t, "suppression/error", mtatest.AwaitAttempts(t, file, "who@closed.test", 1)[0].Last().Pair())
	require.Equal(t, "message/accepted", mtatest.AwaitAttempts(t, file, "here@sink.test", 1)[0].Last().Pair())
}
