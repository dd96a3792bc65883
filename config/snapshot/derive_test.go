package snapshot

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
)

// TestSuppressionsChange a few at a time, as all rows say when they are read anew.
func TestSuppressionsChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.db")
	k := &Keeper{Logger: slog.New(slog.DiscardHandler), Open: func(ctx context.Context) (*settings.DB, error) {
		return settings.Open(ctx, "sqlite://"+path, settings.Options{})
	}}
	require.NoError(t, k.Start(t.Context()))
	random := rand.New(rand.NewPCG(1, 2))
	var ids []int64
	row := func() *settings.Suppression {
		r := &settings.Suppression{Type: "address", Code: 550 + random.Int64N(3), Enabled: random.IntN(5) > 0}
		if r.Value = fmt.Sprintf("u%d@x.test", random.IntN(1_000_000)); random.IntN(6) == 0 {
			r.Code = 99 // makes no sense
		}
		return r
	}
	for range 120 {
		require.NoError(t, k.Change(t.Context(), func(s settings.Store) error {
			for range 1 + random.IntN(3) {
				r := row()
				switch n := random.IntN(4); {
				case n < 2 || len(ids) == 0:
					if err := settings.Insert(t.Context(), s, r); err != nil {
						return err
					}
					ids = append(ids, r.ID)
				case n == 2:
					r.ID = ids[random.IntN(len(ids))]
					if err := settings.Update(t.Context(), s, r); err != nil {
						return err
					}
				default:
					i := random.IntN(len(ids))
					if err := settings.Delete[settings.Suppression](t.Context(), s, ids[i]); err != nil {
						return err
					}
					ids = append(ids[:i], ids[i+1:]...)
				}
			}
			return nil
		}))
		now := k.Current()
		rows, err := k.db.Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, slices.Concat(rows.Suppressions), slices.Concat(now.Rows.Suppressions))
		fresh := k.Compiler.Compile(rows, nil, nil)
		require.Equal(t, fresh.Suppressions.Len(), now.Suppressions.Len())
		require.ElementsMatch(t, fresh.Broken, now.Broken)
		for _, r := range rows.Suppressions {
			want, listed := fresh.Suppressions.Find(r.Value)
			got, ok := now.Suppressions.Find(r.Value)
			require.Equal(t, listed, ok, r.Value)
			require.Equal(t, want, got)
		}
	}
	k.end(false)
}

// TestChangesDoNotWaitForTheCache while it is being written.
func TestChangesDoNotWaitForTheCache(t *testing.T) {
	k, _ := started(t)
	k.Cache = filepath.Join(t.TempDir(), "cache")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	k.saving.Lock()
	go func() {
		defer close(ended)
		k.Run(ctx)
	}()
	change := func(address string) {
		require.NoError(t, k.Change(t.Context(),
			func(s settings.Store) error { return settings.Insert(t.Context(), s, local(address)) }))
	}
	change("first@example.com")
	require.Eventually(t, func() bool { return len(k.toSave()) == 0 }, 10*time.Second, time.Millisecond)
	change("last@example.com")
	k.saving.Unlock()
	cancel()
	<-ended
	rows, err := settings.LoadCache(k.Cache)
	require.NoError(t, err)
	require.Len(t, rows.Locals, 2, "what was changed meanwhile is saved in the end")
}
