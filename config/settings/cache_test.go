package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	_, err := LoadCache(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, rows := range []*Rows{{}, {Locals: []Local{{ID: 1, Address: "ä@example.com"}},
		DKIMKeys: []DKIMKey{{PrivateKey: "key"}},
		Broken:   []Broken{{"dns", 1, "why"}}, Capacities: []Capacity{{Limits: Limits{Site: Rates{MaxBytes: -1}}}}}} {
		require.NoError(t, SaveCache(path, rows))
		got, err := LoadCache(path)
		require.NoError(t, err)
		require.Equal(t, rows, got)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no other file is left")
}

// TestCacheDamaged flips, cuts and adds bytes everywhere.
func TestCacheDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, SaveCache(path, &Rows{Locals: []Local{{ID: 1, Address: "a@example.com"}}}))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	try := func(text []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, text, 0o600))
		_, err := LoadCache(path)
		require.ErrorIs(t, err, ErrCache)
		require.ErrorContains(t, err, path)
	}
	for i := 0; i < len(good); i += 17 {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		try(bad)
		try(good[:i])
	}
	try(append(append([]byte(nil), good...), 0))
	_, err = LoadCache(t.TempDir())
	require.ErrorIs(t, err, ErrCache)
}

func TestCacheCannotBeSaved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cache")
	require.NoError(t, os.Mkdir(path, 0o700))
	require.ErrorContains(t, SaveCache(path, &Rows{}), "settings cache: ")
	require.Error(t, SaveCache(filepath.Join(dir, "missing", "cache"), &Rows{}))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "no other file is left")
}

// TestCleanCaches removes what was left half written, and nothing else.
func TestCleanCaches(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a [strange] *directory?")
	require.NoError(t, os.Mkdir(dir, 0o700))
	kept := []string{"settings-1.cache", "settings-1.cache.old", "other.new-1", "console-password"}
	for _, name := range append([]string{"settings-1.cache.new-123", "settings-2.cache.new-9"}, kept...) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, CleanCaches(dir))
	require.NoError(t, CleanCaches(filepath.Join(dir, "missing")))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(kept))
	for _, name := range kept {
		require.FileExists(t, filepath.Join(dir, name))
	}
}
