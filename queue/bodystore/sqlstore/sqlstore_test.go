package sqlstore_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/database"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/bodystore/bodystoretest"
	"github.com/sluicemail/sluice/queue/bodystore/sqlstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, address string) bodystore.Driver {
	t.Helper()
	scheme, rest, _ := strings.Cut(address, "://")
	d, err := sqlstore.OpenAddress(t.Context(), scheme, rest)
	require.NoError(t, err)
	return d
}

// suite examines one engine; address makes an empty database and returns its address.
func suite(t *testing.T, address func(t *testing.T) string) {
	t.Run("Contract", func(t *testing.T) {
		bodystoretest.Run(t, func(t *testing.T) func() bodystore.Driver {
			a := address(t)
			return func() bodystore.Driver { return open(t, a) }
		})
	})
	t.Run("Damaged", func(t *testing.T) { testDamaged(t, address(t)) })
	t.Run("Together", func(t *testing.T) { testTogether(t, address(t)) })
}

func TestSQLite(t *testing.T) {
	suite(t, func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "sub", "mails.db") })
}

func TestPostgres(t *testing.T) {
	s := testserver.Postgres(t)
	suite(t, func(t *testing.T) string { return s.Database(t) })
}

func TestMariaDB(t *testing.T) {
	s := testserver.MariaDB(t)
	suite(t, func(t *testing.T) string { return s.Database(t) })
}

// exec runs a statement in the database at an address.
func exec(t *testing.T, address, statement string) {
	t.Helper()
	a, err := database.Parse(address)
	require.NoError(t, err)
	pool, err := database.SQLite(filepath.Join(t.TempDir(), "none"), time.Second)
	require.NoError(t, err)
	switch a.Scheme {
	case "sqlite":
		require.NoError(t, pool.Close())
		pool, err = database.SQLite(a.Path, time.Second)
	case "postgresql":
		cfg, bad := database.PostgresConfig(a)
		require.NoError(t, bad)
		require.NoError(t, pool.Close())
		pool, _ = database.Postgres(cfg, time.Second)
	default:
		cfg, bad := database.MySQLConfig(a)
		require.NoError(t, bad)
		require.NoError(t, pool.Close())
		pool, _, err = database.MySQL(cfg, time.Second)
	}
	require.NoError(t, err)
	_, err = pool.ExecContext(t.Context(), statement)
	require.NoError(t, err)
	require.NoError(t, pool.Close())
}

// testDamaged finds that a mail is not whole.
func testDamaged(t *testing.T, address string) {
	d := open(t, address)
	defer d.Close()
	text := bytes.Repeat([]byte("x"), 3*sqlstore.PartSize+5)
	for what, statement := range map[string]string{
		"the end":         "DELETE FROM sluice_mails WHERE part = 3",
		"a part":          "DELETE FROM sluice_mails WHERE part = 1",
		"the first":       "DELETE FROM sluice_mails WHERE part = 0",
		"part of a part":  "UPDATE sluice_mails SET data = substr(data, 1, 10) WHERE part = 2",
		"too much of one": "UPDATE sluice_mails SET size = 10 WHERE part = 0",
	} {
		require.NoError(t, d.Put(t.Context(), "a", bytes.NewReader(text), int64(len(text)), time.Now().Add(time.Hour)))
		exec(t, address, statement)
		r, err := d.Get(t.Context(), "a")
		if err == nil {
			_, err = io.ReadAll(r)
			require.NoError(t, r.Close())
		}
		require.ErrorIs(t, err, bodystore.ErrDamaged, what)
		require.NotErrorIs(t, err, bodystore.ErrNotFound, what)
	}
}

// testTogether has two programs begin at once, write the same mail, and sweep.
func testTogether(t *testing.T, address string) {
	var all sync.WaitGroup
	errs := make(chan error, 100)
	for i := range 2 {
		d := open(t, address)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		all.Go(func() {
			for n := range 10 {
				text := bytes.Repeat([]byte{byte('a' + i)}, sqlstore.PartSize+1+i)
				errs <- d.Put(t.Context(), "same", bytes.NewReader(text), int64(len(text)), time.Now().Add(time.Hour))
				errs <- d.Put(t.Context(), "old", strings.NewReader("x"), 1, time.Now().Add(-time.Hour))
				_, err := d.Sweep(t.Context(), time.Now())
				errs <- err
				if n%3 == 0 {
					r, err := d.Get(t.Context(), "same")
					if err == nil {
						var got []byte
						if got, err = io.ReadAll(r); err == nil && strings.Trim(string(got), string(got[:1])) != "" {
							err = bodystore.ErrDamaged
						}
						r.Close()
					}
					errs <- err
				}
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

// TestAway opens a store whose server is not there, says so without its password, and uses it once it is.
func TestAway(t *testing.T) {
	for _, scheme := range []string{"postgresql", "mysql"} {
		d := open(t, scheme+"://mta:hunter2@127.0.0.1:1/mails")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := d.Get(ctx, "a")
		require.ErrorContains(t, err, scheme+"://mta@127.0.0.1:1/mails")
		require.NotContains(t, err.Error(), "hunter2")
		require.NotErrorIs(t, err, bodystore.ErrNotFound)
		cancel()
		require.NoError(t, d.Close())
	}
}

// TestNoPlace cannot make the file.
func TestNoPlace(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	_, err := sqlstore.OpenSQLite(filepath.Join(dir, "file", "mails.db"))
	require.Error(t, err)
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"sqlite://:memory:":                  "would be lost with the program",
		"sqlite://":                          "path of a file",
		"mysql://u:hunter2@h/n?tlss=1":       `unknown parameter "tlss"`,
		"postgresql://u:hunter2@h":           "has to name a database",
		"postgresql://u:hunter2@h/n?sslmode": "has no value",
	} {
		scheme, rest, _ := strings.Cut(address, "://")
		_, err := sqlstore.OpenAddress(t.Context(), scheme, rest)
		require.ErrorContains(t, err, want, address)
		require.NotContains(t, err.Error(), "hunter2")
	}
}
