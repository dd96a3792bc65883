package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
)

// started returns a keeper of a fresh database.
func started(t *testing.T) (*Keeper, *world) {
	w := &world{path: filepath.Join(t.TempDir(), "settings.db")}
	k := &Keeper{Open: w.open, Logger: slog.New(slog.DiscardHandler)}
	require.NoError(t, k.Start(t.Context()))
	t.Cleanup(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.drop()
	})
	return k, w
}

func local(address string) *settings.Local {
	return &settings.Local{Address: address, Type: settings.Exact, Enabled: true}
}

// TestChange is in force when it returns, as a whole or not at all.
func TestChange(t *testing.T) {
	k, _ := started(t)
	announced := 0
	k.Announce = func() { announced++ }
	require.NoError(t, k.Change(t.Context(), func(s settings.Store) error {
		return errors.Join(settings.Insert(t.Context(), s, local("a@example.com")),
			settings.Insert(t.Context(), s, local("b@example.com")))
	}))
	require.True(t, k.Current().Locals.Contains("b@example.com"))
	require.Equal(t, 1, announced)

	enough := errors.New("the second row is wrong")
	err := k.Change(t.Context(), func(s settings.Store) error {
		return errors.Join(settings.Insert(t.Context(), s, local("c@example.com")), enough)
	})
	require.ErrorIs(t, err, enough)
	require.NotErrorIs(t, err, ErrDown)
	require.NoError(t, k.Reload(t.Context()))
	require.False(t, k.Current().Locals.Contains("c@example.com"), "half of a change")
	require.Equal(t, 1, announced, "nothing was changed")

	var rows []settings.Local
	require.NoError(t, k.Read(t.Context(), func(s settings.Store) (err error) {
		rows, _, err = settings.List[settings.Local](t.Context(), s)
		return err
	}))
	require.Len(t, rows, 2)
}

// TestChangeIsRefused tells what is the database's fault from what is not.
func TestChangeIsRefused(t *testing.T) {
	k, w := started(t)
	double := func(s settings.Store) error {
		return settings.Insert(t.Context(), s, &settings.Suppression{Value: "x@example.com", Type: "address", Enabled: true})
	}
	require.NoError(t, k.Change(t.Context(), double))
	err := k.Change(t.Context(), double)
	require.ErrorIs(t, err, settings.ErrDuplicate)
	require.NotErrorIs(t, err, ErrDown)
	err = k.Change(t.Context(), func(s settings.Store) error {
		return settings.Delete[settings.Local](t.Context(), s,
			99)
	})
	require.ErrorIs(t, err, settings.ErrNotFound)

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, k.Change(gone, double), context.Canceled)
	require.NoError(t, k.State().Err, "a client that hangs up says nothing about the database")

	k.mu.Lock()
	k.drop()
	k.mu.Unlock()
	w.set(&settings.Error{Database: "x", Doing: "connecting", Err: errors.New("refused")})
	before := w.openings()
	for range 3 {
		require.ErrorIs(t, k.Change(t.Context(), double), ErrDown)
		require.ErrorIs(t, k.Read(t.Context(), double), ErrDown)
	}
	require.Less(t, w.openings(), before+6, "not asked again and again")
}

// TestStoredAndNotInForce loses the database between the transaction and the reload.
func TestStoredAndNotInForce(t *testing.T) {
	k, w := started(t)
	err := k.Change(t.Context(), func(s settings.Store) error {
		w.set(errors.New("gone"))
		k.mu.Lock()
		k.db = nil // stands for a connection that breaks
		k.mu.Unlock()
		return settings.Insert(t.Context(), s, local("a@example.com"))
	})
	require.ErrorIs(t, err, ErrNotInForce)
	require.ErrorIs(t, err, ErrDown)
	require.False(t, k.Current().Locals.Contains("a@example.com"))
	w.set(nil)
	require.NoError(t, k.Reload(t.Context()))
	require.True(t, k.Current().Locals.Contains("a@example.com"))
}

// TestManyWriters each find their own row in force, and need fewer reloads than there are of them.
func TestManyWriters(t *testing.T) {
	k, _ := started(t)
	var reloads atomic.Int64
	k.OnChange(func(*Snapshot) { reloads.Add(1) })
	const n = 200
	var writers sync.WaitGroup
	for i := range n {
		writers.Go(func() {
			address := fmt.Sprintf("user%d@example.com", i)
			err := k.Change(t.Context(), func(s settings.Store) error { return settings.Insert(t.Context(), s, local(address)) })
			if err != nil {
				t.Error(err)
			}
			if !k.Current().Locals.Contains(address) {
				t.Errorf("%s is not in force", address)
			}
		})
	}
	writers.Wait()
	require.LessOrEqual(t, reloads.Load(), int64(n+1))
	require.Len(t, k.Current().Rows.Locals, n)
}

// TestDownIsNotAsked waits a second before a database that is down is asked again.
func TestDownIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		k := &Keeper{Logger: slog.New(slog.DiscardHandler), Open: func(context.Context) (*settings.DB, error) {
			asked++
			return nil, &settings.Error{Err: errors.New("refused")}
		}}
		nothing := func(settings.Store) error { return nil }
		for range 20 {
			require.ErrorIs(t, k.Change(t.Context(), nothing), ErrDown)
			time.Sleep(300 * time.Millisecond)
		}
		require.Equal(t, 5, asked)
	})
}

// TestChangeReadsWhatItWrote leaves large tables alone that have nothing to do with it.
func TestChangeReadsWhatItWrote(t *testing.T) {
	k, w := started(t)
	insert(t, w.path, "by-a-script@example.com")
	require.NoError(t, k.Change(t.Context(), func(s settings.Store) error {
		return settings.Insert(t.Context(), s, &settings.Pause{Target: "example.org", Enabled: true})
	}))
	require.Len(t, k.Current().Rows.Pauses, 1)
	require.Empty(t, k.Current().Rows.Locals, "another table is read with the next reload")
	require.NoError(t, k.Change(t.Context(), func(s settings.Store) error {
		_, err := settings.DeleteWhere[settings.Local](t.Context(), s,
			settings.Query{Column: "address", Value: "nobody@example.com"})
		return err
	}))
	require.True(t, k.Current().Locals.Contains("by-a-script@example.com"), "this one was written")
	require.Len(t, k.Current().Rows.Pauses, 1)
}

// TestChangeIsKept has a change in the cache for a start without the database.
func TestChangeIsKept(t *testing.T) {
	k, w := started(t)
	k.Cache = filepath.Join(t.TempDir(), "cache")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx)
	}()
	require.NoError(t, k.Change(t.Context(),
		func(s settings.Store) error { return settings.Insert(t.Context(), s, local("a@example.com")) }))
	cancel()
	<-ended
	w.set(errors.New("connection refused"))
	again := &Keeper{Open: w.open, Cache: k.Cache, Logger: slog.New(slog.DiscardHandler)}
	require.NoError(t, again.Start(t.Context()))
	require.True(t, again.Current().Locals.Contains("a@example.com"))
}

// BenchmarkChangeBesideMillion pauses mail beside a million suppressions.
func BenchmarkChangeBesideMillion(b *testing.B) {
	b.Run("pause", func(b *testing.B) {
		besideMillion(b, func(s settings.Store, _ int) error {
			return settings.Insert(b.Context(), s, &settings.Pause{Target: "example.org", Enabled: true})
		})
	})
	b.Run("suppression", func(b *testing.B) {
		besideMillion(b, func(s settings.Store, i int) error {
			row := settings.Suppression{Value: fmt.Sprint("new", i, "@example.com"), Type: "address", Code: 550, Enabled: true}
			if i == 0 {
				row.ID = 1_000_001
			}
			return settings.Insert(b.Context(), s, &row)
		})
	})
}

func besideMillion(b *testing.B, change func(settings.Store, int) error) {
	rows := &settings.Rows{Suppressions: make([]settings.Suppression, 1_000_000)}
	for i := range rows.Suppressions {
		rows.Suppressions[i] = settings.Suppression{ID: int64(i + 1), Value: fmt.Sprint("a", i, "@example.com"),
			Type: "address", Code: 550, Enabled: true}
	}
	path := filepath.Join(b.TempDir(), "settings.db")
	k := &Keeper{Logger: slog.New(slog.DiscardHandler), Open: func(ctx context.Context) (*settings.DB, error) {
		return settings.Open(ctx, "sqlite://"+path, settings.Options{})
	}}
	require.NoError(b, k.Start(b.Context()))
	k.mu.Lock()
	k.inForce(rows, 0)
	k.mu.Unlock()
	for i := 0; b.Loop(); i++ {
		require.NoError(b, k.Change(b.Context(), func(s settings.Store) error { return change(s, i) }))
	}
	k.mu.Lock()
	k.drop()
	k.mu.Unlock()
}
