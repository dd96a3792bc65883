package clamd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/clamd"
)

func TestDefinitions(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	head := func(text string) string { return text + strings.Repeat(" ", 512-len(text)) + "\x1f\x8bcompressed" }
	write("main.cvd", head("ClamAV-VDB:16 Sep 2021 08-32 -0400:62:6647427:90:137df1f5e1a7:signature:sigmgr:1631795562"))
	write("daily.cld", head("ClamAV-VDB:02 Jan 2026 09-30 +0000:27500:2076543:90:x:y:raynman:1767346200"))
	write("local.ndb", "# mine\nEicar:0:*:58354f\n\nOther:0:*:"+strings.Repeat("00", 100_000)+"\nLast:0:*:00")
	write("freshclam.dat", "x")
	write("readme.txt", "x")
	write("broken.cvd", "nothing of the kind")
	write("worse.cld", "ClamAV-VDB:date:many:few:")
	all, err := clamd.ReadDefinitions(dir)
	require.ErrorContains(t, err, "broken.cvd")
	require.ErrorContains(t, err, "worse.cld")
	for i := range all {
		require.WithinDuration(t, time.Now(), all[i].Changed, time.Hour)
		all[i].Changed = time.Time{}
	}
	require.Equal(t, []clamd.Definitions{
		{File: "daily.cld", Version: 27500, Signatures: 2076543},
		{File: "local.ndb", Signatures: 3},
		{File: "main.cvd", Version: 62, Signatures: 6647427},
	}, all)
	_, err = clamd.ReadDefinitions(filepath.Join(dir, "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFreshclam(t *testing.T) {
	proc, dir := t.TempDir(), t.TempDir()
	require.Equal(t, clamd.Freshclam{}, clamd.ReadFreshclam(proc, dir))
	for pid, comm := range map[string]string{"1": "init\n", "77": "freshclam\n", "self": "freshclam\n"} {
		require.NoError(t, os.Mkdir(filepath.Join(proc, pid), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(proc, pid, "comm"), []byte(comm), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "freshclam.dat"), nil, 0o600))
	f := clamd.ReadFreshclam(proc, dir)
	require.True(t, f.Running)
	require.WithinDuration(t, time.Now(), f.Looked, time.Hour)
}
