package snapshot

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/rules"
)

// losing is a keeper of a database that something happens to.
type losing struct {
	dir string
	log bytes.Buffer
}

func (l *losing) path() string  { return filepath.Join(l.dir, "settings.db") }
func (l *losing) cache() string { return filepath.Join(l.dir, "settings.cache") }

func (l *losing) start(t *testing.T) *Keeper {
	t.Helper()
	k := &Keeper{Cache: l.cache(), Logger: slog.New(slog.NewTextHandler(&l.log, nil)),
		IPs: []settings.IP{{IP: "192.0.2.1", Hostname: "here"}},
		Open: func(ctx context.Context) (*settings.DB, error) {
			return settings.Open(ctx, "sqlite://"+l.path(), settings.Options{})
		}}
	require.NoError(t, k.Start(t.Context()))
	t.Cleanup(func() { k.end(false) })
	return k
}

func (l *losing) remove(t *testing.T) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(l.path() + end); !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
		}
	}
}

// TestEmptied has the rows of the last run in force while the database has none, at a start and later, refuses changes,
// which would bring about that it has some, and follows when the rows are back or when the cache is gone.
func TestEmptied(t *testing.T) {
	const known = "a@example.com"
	add := func(k *Keeper, address string) error {
		return k.Change(t.Context(), func(s settings.Store) error { return settings.Insert(t.Context(), s, local(address)) })
	}
	held := func(t *testing.T, k *Keeper) {
		t.Helper()
		require.ErrorIs(t, k.State().Err, ErrEmptied)
		require.ErrorContains(t, k.State().Err, "rows: 1")
		require.True(t, k.Current().Locals.Contains(known))
		k.failed = nil // which would answer for a second
		err := add(k, "b@example.com")
		require.ErrorIs(t, err, ErrDown)
		require.ErrorIs(t, err, ErrEmptied)
		k.failed = nil
		require.ErrorIs(t, k.Read(t.Context(), func(settings.Store) error { return nil }), ErrEmptied)
		require.ErrorIs(t, k.Reload(t.Context()), ErrEmptied)
		require.True(t, k.Current().Locals.Contains(known))
	}
	for name, lose := range map[string]func(*testing.T, *losing){
		"the file is gone": func(t *testing.T, l *losing) { l.remove(t) },
		"the file is empty": func(t *testing.T,
			l *losing) {
			l.remove(t)
			require.NoError(t, os.WriteFile(l.path(), nil, 0o600))
		},
		"a token was made in a new one": func(t *testing.T, l *losing) {
			l.remove(t)
			db, err := settings.Open(t.Context(), "sqlite://"+l.path(), settings.Options{})
			require.NoError(t, err)
			require.NoError(t, settings.Insert(t.Context(), db,
				&settings.Token{Name: "x", Hash: settings.Secret("sha256:" + strings.Repeat("0", 64)), Enabled: true}))
			require.NoError(t, db.Close())
		},
		"all rows are deleted": func(t *testing.T, l *losing) {
			db, err := settings.Open(t.Context(), "sqlite://"+l.path(), settings.Options{})
			require.NoError(t, err)
			_, err = db.Purge(t.Context())
			require.NoError(t, err)
			require.NoError(t, db.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &losing{dir: t.TempDir()}
			k := l.start(t)
			require.NoError(t, k.State().Err, "a first start")
			require.False(t, k.Current().Withheld)
			require.NoError(t, add(k, known))
			k.save()
			k.end(false)
			require.NotContains(t, l.log.String(), "ERROR")
			kept, err := os.ReadFile(l.path())
			require.NoError(t, err)

			lose(t, l)
			k = l.start(t)
			require.True(t, k.Current().FromCache)
			held(t, k)
			require.Equal(t, 1, strings.Count(l.log.String(), "level=ERROR"), l.log.String())
			k.end(false)
			k = l.start(t)
			held(t, k)

			l.remove(t)
			require.NoError(t, os.WriteFile(l.path(), kept, 0o600))
			require.NoError(t, k.Reload(t.Context()), "the database is back")
			require.True(t, k.Current().Locals.Contains(known))
			require.False(t, k.Current().FromCache)
			require.NoError(t, add(k, "c@example.com"))
			k.end(false)

			lose(t, l)
			k = l.start(t)
			require.ErrorIs(t, k.State().Err, ErrEmptied)
			require.NoError(t, settings.RemoveCache(l.cache()))
			k.failed = nil
			require.NoError(t, add(k, "d@example.com"), "it is meant")
			require.True(t, k.Current().Locals.Contains("d@example.com"))
			require.False(t, k.Current().Locals.Contains(known), "the rows of the last run are none any more")
			k.end(true)
			k = l.start(t)
			require.NoError(t, k.State().Err)
			require.True(t, k.Current().Locals.Contains("d@example.com"))
		})
	}
	t.Run("while it runs", func(t *testing.T) {
		l := &losing{dir: t.TempDir()}
		k := l.start(t)
		require.NoError(t, add(k, known))
		k.save()
		empty := filepath.Join(l.dir, "other.db")
		db, err := settings.Open(t.Context(), "sqlite://"+empty, settings.Options{})
		require.NoError(t, err)
		require.NoError(t, db.Close())
		l.remove(t)
		require.NoError(t, os.Rename(empty, l.path()))
		require.ErrorIs(t, k.Reload(t.Context()), ErrEmptied)
		held(t, k)
	})
	t.Run("the last row is deleted while it runs", func(t *testing.T) {
		l := &losing{dir: t.TempDir()}
		k := l.start(t)
		require.NoError(t, add(k, known))
		db, err := settings.Open(t.Context(), "sqlite://"+l.path(), settings.Options{})
		require.NoError(t, err)
		_, err = settings.DeleteWhere[settings.Local](t.Context(), db, settings.Query{Column: "address", Value: known})
		require.NoError(t, err)
		require.NoError(t, db.Close())
		require.NoError(t, k.Reload(t.Context()))
		require.False(t, k.Current().Locals.Contains(known))
		require.NoError(t, l.start(t).State().Err)
	})
}

// TestWithheld holds all mail while nothing is known, whatever an operator stops and resumes meanwhile, and lets it go
// with the first rows.
func TestWithheld(t *testing.T) {
	l := &losing{dir: t.TempDir()}
	require.NoError(t, os.WriteFile(l.path(), []byte(strings.Repeat("this is no database ", 100)), 0o600))
	paused := func(k *Keeper) bool {
		_, ok := k.Current().Steering.Paused(&delivery.Selection{Domain: "y.test"}, time.Now())
		return ok
	}
	require.NoError(t, os.WriteFile(l.cache(), []byte("nor is this a cache"), 0o600))
	k := l.start(t)
	require.Error(t, k.State().Err)
	require.True(t, k.Current().Withheld)
	require.False(t, k.StartedPaused(), "no operator wants it so")
	require.True(t, paused(k))
	k.SetStarted(nil)
	require.True(t, paused(k))
	k.SetStarted([]rules.Pause{{Cluster: true}})
	require.True(t, k.StartedPaused())
	k.Lift()
	require.True(t, paused(k))
	require.Contains(t, l.log.String(), "none is sent")
	l.remove(t)
	require.NoError(t, k.Reload(t.Context()))
	require.False(t, k.Current().Withheld)
	require.False(t, paused(k))
}
