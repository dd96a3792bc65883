package e2e

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestMTANames greets under the name of each address, and says it to the servers that mail goes to.
func TestMTANames(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "one.mta.test"}, store.MTAName{LocalIP: "127.0.0.2", Name: "two.mta.test"})
	k := newKeeper(t, &smtptest.Sink{})
	d := start(t, k.settings().with(set).with(settings{"smtp-ip": "127.0.0.1,127.0.0.2,127.0.0.3", "smtp-default-ips": "127.0.0.1"}))
	for ip, name := range map[string]string{"127.0.0.1": "one.mta.test", "127.0.0.2": "two.mta.test", "127.0.0.3": "mtad.test"} {
		c := dial(t, ip+":"+d.settings["smtp-port"])
		require.True(t, strings.HasPrefix(c.expect(220), "220 "+name+" "), ip)
		require.True(t, strings.HasPrefix(c.command("EHLO client.test", 250), "250-"+name+" "), ip)
	}
	d.submit(t, "a@client.test", "b@sink.test", letters)
	m := k.await(t, 1)[0]
	require.Equal(t, "one.mta.test", m.Helo)
	require.Equal(t, "127.0.0.1", m.Remote.Addr().String())
}

// greeting returns the name that mtad greets with.
func (d *daemon) greeting(t testing.TB) string {
	t.Helper()
	c := dial(t, d.addr)
	defer c.conn.Close()
	return strings.Fields(c.expect(220))[1]
}

// TestSettingsAreReadAgain has changed rows take effect at SIGHUP, and by themselves after database-ttl.
func TestSettingsAreReadAgain(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	name := store.MTAName{LocalIP: "127.0.0.1", Name: "first.mta.test"}
	require.NoError(t, store.Insert(t.Context(), db, &name))
	patient := start(t, nowhere.with(set))
	quick := start(t, nowhere.with(set).with(settings{"database-ttl": "1"}))
	require.Equal(t, "first.mta.test", patient.greeting(t))
	name.Name = "second.mta.test"
	require.NoError(t, store.Update(t.Context(), db, &name))
	insert(t, db, store.Block{Value: "127.0.0.66", Enabled: true})
	eventually(t, "the settings are read by themselves", func() bool { return quick.greeting(t) == "second.mta.test" })
	require.Equal(t, "first.mta.test", patient.greeting(t))
	connect(t, "127.0.0.66", patient.addr).expect(220)
	patient.reload(t)
	require.Equal(t, "second.mta.test", patient.greeting(t))
	connect(t, "127.0.0.66", patient.addr).refused(554, "5.7.1")
}

// TestBrokenRows leaves out rows that make no sense, names their table and id, and heeds the others.
func TestBrokenRows(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db,
		store.Local{ID: 71, Address: "(", Type: store.Regex, Enabled: true},
		store.Local{ID: 72, Address: "x", Type: "nonsense", Enabled: true},
		store.Local{ID: 73, Address: "good@here.test", Type: store.Exact, Enabled: true},
	)
	insert(t, db, store.MTAName{ID: 81, LocalIP: "localhorst", Name: "x.test"}, store.MTAName{ID: 82, LocalIP: "127.0.0.1", Name: "good.mta.test"})
	insert(t, db, store.Block{ID: 91, Value: "10.0.0.0/99", Enabled: true}, store.Block{ID: 92, Value: "127.0.0.66", Enabled: true})
	d := start(t, kept.with(set).with(settings{"smtp-auth": "hardcoded://joe:geheim"}))
	warned := func() string {
		var warnings []string
		for line := range strings.Lines(d.log.String()) {
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
	require.Equal(t, "good.mta.test", d.greeting(t))
	connect(t, "127.0.0.66", d.addr).refused(554, "5.7.1")
	d.submit(t, "a@client.test", "good@here.test", letters)
	d.reload(t)
	require.Equal(t, 4, strings.Count(warned(), "\n"), "told once")
}

// TestAddressesAreWritten lists the addresses of the machine for others, each once however often mtad starts.
func TestAddressesAreWritten(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	d := start(t, nowhere.with(set))
	d.terminate(t)
	d = d.again(t)
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
	d.terminate(t)
}

// TestSettingsOnServers keeps the settings on PostgreSQL and MariaDB, which go down while mtad runs and stay down over a
// restart: names and local addresses are still those of the last time.
func TestSettingsOnServers(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(testing.TB) *testserver.DatabaseServer{"PostgreSQL": testserver.Postgres, "MariaDB": testserver.MariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := run(t)
			address := server.Database(t)
			d := start(t, kept.with(settings{"database-address": address, "smtp-auth": "hardcoded://joe:geheim"}))
			db := openSettings(t, address)
			rows, _, err := store.List[store.IP](t.Context(), db)
			require.NoError(t, err)
			require.NotEmpty(t, rows)
			insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "kept.mta.test"})
			insert(t, db, store.Local{Address: "*@here.test", Type: store.Wildcard, Enabled: true})
			d.reload(t)
			require.Equal(t, "kept.mta.test", d.greeting(t))
			d.submit(t, "a@client.test", "b@here.test", letters)
			require.NoError(t, db.Close())

			server.Kill()
			d.reload(t)
			require.Contains(t, d.log.String(), "settings database cannot be read")
			require.Equal(t, "kept.mta.test", d.greeting(t))
			d.submit(t, "a@client.test", "b@here.test", letters)
			d.terminate(t)
			down := d.again(t)
			require.Contains(t, down.log.String(), "the settings of the last run are in force")
			require.Equal(t, "kept.mta.test", down.greeting(t))
			down.submit(t, "a@client.test", "b@here.test", letters)
			require.NotContains(t, d.log.String()+down.log.String(), testserver.DatabasePassword)
			down.terminate(t)
		})
	}
}

// TestStartWithoutDatabase starts while the database is down and nothing was kept: mail flows, without settings, and they
// are there once the database is.
func TestStartWithoutDatabase(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "there", "settings.db")
	require.NoError(t, os.WriteFile(filepath.Dir(file), nil, 0o600)) // a file where the directory should be
	d := start(t, kept.with(settings{"database-address": "sqlite://" + file, "database-ttl": "1"}))
	require.Contains(t, d.log.String(), "settings database cannot be read")
	require.Equal(t, "mtad.test", d.greeting(t))
	d.submit(t, "a@client.test", "b@sink.test", letters)
	require.NoError(t, os.Remove(filepath.Dir(file)))
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	require.True(t, d.waitLog("the settings database is back"), d.log.String())
	insert(t, openSettings(t, "sqlite://"+file), store.MTAName{LocalIP: "127.0.0.1", Name: "new.mta.test"})
	eventually(t, "the name is heeded", func() bool { return d.greeting(t) == "new.mta.test" })
}

// raw opens an SQLite file past the settings.
func raw(t testing.TB, set settings) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(set["database-address"], "sqlite://"))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// TestForeignDatabase does not start on the database of a MailerQ, and leaves it as it is; nor do the switches that work on
// databases touch it.
func TestForeignDatabase(t *testing.T) {
	t.Parallel()
	set := settings{"database-address": "sqlite://" + filepath.Join(t.TempDir(), "mailerq.db"), "smtp-ip": "127.0.0.1", "smtp-port": freePort(t),
		"queue-address": "disk://" + filepath.Join(t.TempDir(), "queue")}
	db := raw(t, set)
	_, err := db.Exec("CREATE TABLE locals (id INTEGER PRIMARY KEY, email TEXT); INSERT INTO locals (email) VALUES ('a@b.test')")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	file := strings.TrimPrefix(set["database-address"], "sqlite://")
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	d := launch(t, set)
	require.Equal(t, 78, d.exit(t, patience), d.log.String())
	require.Contains(t, d.log.String(), "locals")
	require.Contains(t, d.log.String(), "database-address")
	for _, args := range [][]string{{"--repair-database"}, {"--purge-database", "--yes"}} {
		p := run(t, nil, append([]string{"--config-file", d.file}, args...)...)
		require.Equal(t, 78, p.exit(t, patience), "%v: %s", args, p.log.String())
		require.Contains(t, p.log.String(), "locals")
	}
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// TestRepairDatabase does not start on a database that has lost a table, a column and an index; --repair-database brings them back
// and touches no row.
func TestRepairDatabase(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "kept.mta.test"})
	require.NoError(t, db.Close())
	tables := raw(t, set)
	_, err := tables.Exec("DROP TABLE locals; ALTER TABLE blocklist DROP COLUMN description")
	require.NoError(t, err)
	require.NoError(t, tables.Close())
	set = set.with(settings{"smtp-ip": "127.0.0.1", "smtp-port": freePort(t), "queue-address": "disk://" + filepath.Join(t.TempDir(), "queue")})
	d := launch(t, set)
	require.Equal(t, 78, d.exit(t, patience), d.log.String())
	require.Contains(t, d.log.String(), "locals")
	require.Contains(t, d.log.String(), "--repair-database")

	repair := run(t, nil, "--config-file", d.file, "--repair-database")
	require.Zero(t, repair.exit(t, patience), repair.log.String())
	require.Contains(t, repair.out.String(), "table locals: made")
	require.Contains(t, repair.out.String(), "table blocklist, column description: added")
	again := run(t, nil, "--config-file", d.file, "--repair-database")
	require.Zero(t, again.exit(t, patience), again.log.String())
	require.Contains(t, again.out.String(), "nothing to repair")
	require.Equal(t, "kept.mta.test", start(t, set).greeting(t))
}

// TestPurgeDatabase empties all tables when told twice.
func TestPurgeDatabase(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db, store.MTAName{LocalIP: "127.0.0.1", Name: "a.mta.test"})
	insert(t, db, store.Block{Value: "127.0.0.66", Enabled: true}, store.Block{Value: "127.0.0.67"})
	file := writeFile(t, "mtad.conf", set.text())
	asked := run(t, nil, "--config-file", file, "--purge-database")
	require.Equal(t, 1, asked.exit(t, patience))
	require.Contains(t, asked.out.String(), "nothing was deleted")
	count := func() int64 {
		n, err := store.Count[store.Block](t.Context(), db, store.Query{})
		require.NoError(t, err)
		return n
	}
	require.EqualValues(t, 2, count())
	purge := run(t, nil, "--config-file", file, "--purge-database", "--yes")
	require.Zero(t, purge.exit(t, patience), purge.log.String())
	require.Contains(t, purge.out.String(), "3 rows deleted")
	require.Zero(t, count())
}

// TestDatabaseAddresses refuses addresses that are none, without a word of the password.
func TestDatabaseAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"oracle://joe:hunter2@host/db", "mysql://joe:hunter2@", "postgresql://joe:hunter2@host:port/db"} {
		d := launch(t, settings{"smtp-ip": "127.0.0.1", "smtp-port": freePort(t), "database-address": address,
			"queue-address": "disk://" + filepath.Join(t.TempDir(), "queue")})
		require.Equal(t, 78, d.exit(t, patience), d.log.String())
		require.Contains(t, d.log.String(), "database-address", address)
		require.NotContains(t, d.log.String(), "hunter2")
	}
}

// TestSuppressions sends nothing to a listed address or domain, and says why; others get their mail.
func TestSuppressions(t *testing.T) {
	t.Parallel()
	set, db := sqlite(t)
	insert(t, db,
		store.Suppression{Value: "gone@sink.test", Type: "address", Code: 551, Extended: "5.7.1", Description: "asked us to stop", Enabled: true},
		store.Suppression{Value: "closed.test", Type: "domain", Code: 550, Enabled: true})
	k := newKeeper(t, &smtptest.Sink{})
	file, logged := sendLog(t)
	d := start(t, k.settings().with(set).with(logged))
	d.submit(t, "a@client.test", "gone@sink.test", letters)
	d.submit(t, "a@client.test", "who@closed.test", letters)
	d.submit(t, "a@client.test", "here@sink.test", letters)
	k.await(t, 1)
	gone := awaitAttempts(t, file, "gone@sink.test", 1)[0].last()
	require.Equal(t, "suppression/error", gone.pair())
	require.Equal(t, "asked us to stop", gone.Description)
	require.Equal(t, 551, gone.Code)
	require.Equal(t, "suppression/error", awaitAttempts(t, file, "who@closed.test", 1)[0].last().pair())
	require.Equal(t, "message/accepted", awaitAttempts(t, file, "here@sink.test", 1)[0].last().pair())
}
