package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// spoolSettings name a fresh spool directory and fail directory.
func spoolSettings(t testing.TB) (spool, failed string, set mtatest.Settings) {
	t.Helper()
	dir := t.TempDir()
	spool, failed = filepath.Join(dir, "spool"), filepath.Join(dir, "failed")
	return spool, failed, mtatest.Settings{"spool-directory": spool, "spool-fail-directory": failed}
}

// putFile renames a file into a directory.
func putFile(t testing.TB, dir, name, text string) {
	t.Helper()
	hidden := filepath.Join(dir, "."+name)
	require.NoError(t, os.WriteFile(hidden, []byte(text), 0o600))
	require.NoError(t, os.Rename(hidden, filepath.Join(dir, name)))
}

func TestSpoolDirectory(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	spool, failed, set := spoolSettings(t)
	received := filepath.Join(t.TempDir(), "received.json")
	d := mtatest.Inside(t, k.Settings().With(set).With(mtatest.Settings{"received-bin-log-file": received}))
	putFile(t, spool, "letter.eml",
		"From: Ann <ann@sink.test>\nTo: bo@sink.test\nBcc: cy@sink.test\nx-mq-tag: spooled\nSubject: Hello\n\nHello\n.\nBo\n")
	for _, m := range k.Await(t, 2) {
		require.Equal(t, "ann@sink.test", m.From)
		require.Contains(t, string(m.Data), "Subject: Hello\r\n\r\nHello\r\n.\r\nBo\r\n")
		require.NotContains(t, string(m.Data), "cy@sink.test")
		require.NotContains(t, string(m.Data), "x-mq-")
	}
	require.ElementsMatch(t, []string{"bo@sink.test", "cy@sink.test"}, k.Recipients())
	putFile(t, spool, "nobody.eml", "From: ann@sink.test\n\nHello\n")
	mtatest.Eventually(t, "the reason is written", func() bool {
		text, err := os.ReadFile(filepath.Join(failed, "nobody.eml.reason"))
		return err == nil && strings.Contains(string(text), "names no recipients")
	})
	d.Terminate(t)
	require.Contains(t, d.Log.String(), "nobody.eml")
	lines := mtatest.Lines(t, received)
	require.Len(t, lines, 2)
	for _, line := range lines {
		require.Contains(t, line, `"file":"letter.eml"`)
		require.Contains(t, line, `"tags":["spooled"]`)
		require.NotContains(t, line, `"connection"`)
	}
	left, err := os.ReadDir(spool)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestSpoolKilled kills mtad again and again while files are taken in and further ones come: each becomes one mail.
func TestSpoolKilled(t *testing.T) {
	t.Parallel()
	w := newSpooled(t)
	d := mtatest.Start(t, w.set)
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.put(t)
	}()
	d, kills := w.killed(t, d)
	<-written
	require.Greater(t, kills, 1, "too few kills to say anything")
	w.complete(t, d)
}

// TestSpoolFullAtStart has all files there before mtad is, and kills it while it takes them in: each becomes one mail.
func TestSpoolFullAtStart(t *testing.T) {
	t.Parallel()
	w := newSpooled(t)
	require.NoError(t, os.Mkdir(w.dir, 0o700))
	w.put(t)
	require.Equal(t, w.files, w.left(t))
	d, kills := w.killed(t, mtatest.Start(t, w.set))
	require.Positive(t, kills)
	w.complete(t, d)
}

// spooled is a spool directory for so many files, each of which is a mail to a recipient of its own.
type spooled struct {
	dir, failed string
	set         mtatest.Settings
	files, most int // kills
}

func newSpooled(t *testing.T) *spooled {
	w := &spooled{files: 10_000, most: 8}
	if testing.Short() || mtatest.RaceDetector {
		w.files, w.most = 1500, 4
	}
	w.dir, w.failed, w.set = spoolSettings(t)
	w.set = w.set.With(mtatest.Kept).With(mtatest.Settings{"spool-threads": "2", "spool-open-files": "50"})
	return w
}

// put puts all files there, one after the other.
func (w *spooled) put(t *testing.T) {
	for i := range w.files {
		large := strings.Repeat("some more text of this line\n", i%100/99*12_000) // every now and then
		putFile(t, w.dir, fmt.Sprint("mail", i), fmt.Sprintf("From: a@client.test\nTo: r%d@there.test\n\n%s", i, large))
	}
}

func (w *spooled) left(t *testing.T) int {
	entries, err := os.ReadDir(w.dir)
	require.NoError(t, err)
	return len(entries)
}

// killed kills mtad while it takes files in, and starts it again, until it has taken all or was killed often enough.
func (w *spooled) killed(t *testing.T, d *mtatest.Daemon) (_ *mtatest.Daemon, kills int) {
	for ; kills < w.most; kills++ {
		before := w.left(t)
		mtatest.Eventually(t, "files are taken", func() bool { n := w.left(t); return n == 0 || n != before })
		<-time.After(time.Duration(rand.Int64N(int64(200 * time.Millisecond)))) // the moment is what is tried here
		if w.left(t) == 0 && kills > 1 {
			break
		}
		d.Kill()
		d = d.Again(t)
	}
	return d, kills
}

// complete waits until all files are taken, and expects a mail of each.
func (w *spooled) complete(t *testing.T, d *mtatest.Daemon) {
	mtatest.Eventually(t, "all files are taken", func() bool { return w.left(t) == 0 })
	d.Terminate(t)
	counts := map[string]int{}
	for _, m := range mtatest.Stored(t, mtatest.OpenQueue(t, d.Queue), "inbox", w.files) {
		counts[m.Recipient]++
	}
	require.Len(t, counts, w.files)
	refused, _ := os.ReadDir(w.failed) // which is not there either
	require.Empty(t, refused)
}
