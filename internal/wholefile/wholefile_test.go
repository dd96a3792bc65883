package wholefile_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/wholefile"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	at := time.Unix(1e9, 0)
	require.NoError(t, wholefile.Write(path, []byte("one"), time.Time{}))
	require.NoError(t, wholefile.Write(path, []byte("two"), at))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "two", string(text))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, at, info.ModTime())
	require.Equal(t, os.FileMode(0o600), info.Mode())

	require.Error(t, wholefile.Write(filepath.Join(path, "y"), nil, at), "no directory")
	dir := filepath.Join(filepath.Dir(path), "dir")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "full"), 0o700))
	require.Error(t, wholefile.Write(dir, nil, at), "a directory is in the way")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 2, "nothing is left behind")
}
