package snapshot

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
)

// TestFileOfTheDatabase may be moved away, which loses nothing, and replaced, as by a backup, which is what counts
// then.
func TestFileOfTheDatabase(t *testing.T) {
	dir := t.TempDir()
	path, away := filepath.Join(dir, "settings.db"), filepath.Join(dir, "away.db")
	k := &Keeper{Logger: slog.New(slog.DiscardHandler), Open: func(ctx context.Context) (*settings.DB, error) {
		return settings.Open(ctx, "sqlite://"+path, settings.Options{})
	}}
	add := func(address string) error {
		return k.Change(t.Context(), func(s settings.Store) error { return settings.Insert(t.Context(), s, local(address)) })
	}
	require.NoError(t, k.Start(t.Context()))
	require.NoError(t, add("before@example.com"))
	require.NoError(t, os.Rename(path, away))
	require.ErrorIs(t, k.Read(t.Context(), func(settings.Store) error { return nil }), ErrDown)
	require.ErrorIs(t, k.State().Err, os.ErrNotExist, "told at once, and not at the next reload")
	require.Len(t, k.isLost(), 1, "Run looks again soon")
	for range 2 {
		require.ErrorIs(t, k.Reload(t.Context()), os.ErrNotExist)
		require.ErrorIs(t, add("lost@example.com"), ErrDown, "nobody would ever find it")
		require.True(t, k.Current().Locals.Contains("before@example.com"))
		require.NoFileExists(t, path, "an empty database is none")
	}
	other, err := settings.Open(t.Context(), "sqlite://"+path, settings.Options{})
	require.NoError(t, err)
	require.NoError(t, settings.Insert(t.Context(), other, local("restored@example.com")))
	require.NoError(t, other.Close())
	require.Eventually(t, func() bool { return add("after@example.com") == nil }, 10*time.Second, 50*time.Millisecond)
	require.True(t, k.Current().Locals.Contains("after@example.com"))
	require.True(t, k.Current().Locals.Contains("restored@example.com"), "all that is in the other file is in force")
	require.False(t, k.Current().Locals.Contains("before@example.com"))
	k.end(false)
}
