package dir_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/bodystore/bodystoretest"
	"github.com/sluicemail/sluice/queue/bodystore/dir"
)

func TestContract(t *testing.T) {
	bodystoretest.Run(t, func(t *testing.T) func() bodystore.Driver {
		path := filepath.Join(t.TempDir(), "mails")
		return func() bodystore.Driver {
			s, err := dir.Open(path, 0)
			require.NoError(t, err)
			return s
		}
	})
}

// TestFiles finds each mail as deep as it should be, and nothing half written.
func TestFiles(t *testing.T) {
	for _, depth := range []int{1, 3, dir.MaxDepth} {
		path := t.TempDir()
		s, err := dir.Open(path, depth)
		require.NoError(t, err)
		require.NoError(t, s.Put(t.Context(), "../x", strings.NewReader("mail"), 4, time.Now()))
		require.Error(t, s.Put(t.Context(), "y", strings.NewReader("mail"), 5, time.Now()))
		var files []string
		require.NoError(t, filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if !entry.IsDir() {
				files = append(files, strings.TrimPrefix(name, path))
			}
			return err
		}))
		require.Len(t, files, 1)
		require.Equal(t, depth+1, strings.Count(files[0], "/"))
		info, err := os.Stat(path + files[0])
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
	for _, depth := range []int{-1, dir.MaxDepth + 1} {
		_, err := dir.Open(t.TempDir(), depth)
		require.ErrorContains(t, err, "expected 1 to 8")
	}
}

// TestNotMounted does not take a mail for lost that is on a file system which is not mounted.
func TestNotMounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mails")
	s, err := dir.Open(path, 1)
	require.NoError(t, err)
	_, err = s.Get(t.Context(), "a")
	require.ErrorIs(t, err, bodystore.ErrNotFound)
	require.NoError(t, os.Rename(path, path+"-away"))
	for range 2 {
		_, err = s.Get(t.Context(), "a")
		require.ErrorContains(t, err, "not mounted")
		require.NotErrorIs(t, err, bodystore.ErrNotFound)
		require.NoError(t, os.MkdirAll(path, 0o700)) // where it would be mounted
	}
}

func TestOpenAddress(t *testing.T) {
	path := t.TempDir()
	for _, rest := range []string{path, path + "/a?depth=8", path + "/b#c d"} {
		d, err := dir.OpenAddress(t.Context(), "dir", rest)
		require.NoError(t, err, rest)
		require.NoError(t, d.Close())
	}
	require.DirExists(t, path+"/b#c d")
	for rest, want := range map[string]string{"": "path of a directory", path + "?deep=1": `parameter "deep" is unknown`,
		path + "?depth=0": "from 1 to 8", path + "?depth=9": "from 1 to 8"} {
		_, err := dir.OpenAddress(t.Context(), "dir", rest)
		require.ErrorContains(t, err, want, rest)
	}
}

// TestCrash removes what a crash left half written, but not what is being written.
func TestCrash(t *testing.T) {
	path := t.TempDir()
	s, err := dir.Open(path, 1)
	require.NoError(t, err)
	for name, age := range map[string]time.Duration{"new-old": 25 * time.Hour, "new-young": time.Minute} {
		file := filepath.Join(path, name)
		require.NoError(t, os.WriteFile(file, []byte("half"), 0o600))
		require.NoError(t, os.Chtimes(file, time.Time{}, time.Now().Add(-age)))
	}
	n, err := s.Sweep(t.Context(), time.Now())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.FileExists(t, filepath.Join(path, "new-young"))
}
