package mailboxes

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// shelf is a directory of Maildirs that is read as mails come.
type shelf struct {
	t    testing.TB
	dir  string
	seen map[string]bool
}

// read notes the mails that came since it was called last. Each must be whole.
func (s *shelf) read(l *mtatest.Ledger) {
	s.t.Helper()
	files, err := filepath.Glob(s.dir + "/*/new/*")
	require.NoError(s.t, err)
	for _, file := range files {
		if s.seen[file] {
			continue
		}
		s.seen[file] = true
		content, err := os.ReadFile(file)
		require.NoError(s.t, err)
		_, size, _ := strings.Cut(file, ",S=")
		require.Equal(s.t, strconv.Itoa(len(content)), size, file)
		head, body, _ := bytes.Cut(content, []byte("\n\n"))
		sum := crc32.Checksum(bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n")), crc32.MakeTable(crc32.Castagnoli))
		require.Equal(s.t, fmt.Sprintf("%08x", sum), field(head, "X-Sluice-Sum: "), file)
		seconds, micro, _ := strings.Cut(filepath.Base(file), ".M")
		micro, _, _ = strings.Cut(micro, "P")
		at, err := strconv.ParseInt(seconds, 10, 64)
		require.NoError(s.t, err)
		fraction, err := strconv.ParseInt(micro, 10, 64)
		require.NoError(s.t, err)
		l.Note(field(head, "Delivered-To: "), time.Unix(at, fraction*1000))
	}
}

func field(head []byte, name string) string {
	_, rest, _ := strings.Cut("\n"+string(head)+"\n", "\n"+name)
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// TestKilledWhileDelivering kills mtad at random moments while it delivers into Maildirs. Each mail that was answered
// 250 has a file, whole; it has two only when it was on its way at a kill.
func TestKilledWhileDelivering(t *testing.T) {
	t.Parallel()
	rounds := 5
	if testing.Short() || mtatest.RaceDetector {
		rounds = 2
	}
	l := mtatest.NewLedger()
	s := &shelf{t, t.TempDir(), map[string]bool{}}
	d := mtatest.Start(t, routes(t, ".sink.test:maildir://"+s.dir+"/{domain}").With(mtatest.Settings{"retry-interval": "1"}))
	var kills []time.Time
	var doubt int64
	for round := range int64(rounds) {
		stop := l.Pour(t, d, &smtptest.Source{Sessions: 10, First: 1 + round*1_000_000, Size: 2 << 10, Rate: 2000,
			Domains: smtptest.Domains(5, "sink.test")})
		before := len(s.seen)
		mtatest.Eventually(t, "mails are delivered", func() bool { s.read(l); return len(s.seen) > before+50 })
		<-time.After(time.Duration(rand.Int64N(int64(500 * time.Millisecond)))) // the moment is what is tried here
		kills = append(kills, time.Now())
		d.Kill()
		doubt += stop()
		d = d.Again(t)
	}
	accepted, _, _ := l.Counts()
	mtatest.Eventually(t, "all that was accepted is there", func() bool {
		s.read(l)
		return l.Complete()
	})
	d.Terminate(t)
	s.read(l)

	_, arrived, again := l.Counts()
	left, err := filepath.Glob(s.dir + "/*/tmp/*")
	require.NoError(t, err)
	t.Logf("%d accepted, %d in doubt, %d kills: %d delivered, %d of them twice, %d files left in tmp", accepted, doubt,
		rounds, arrived, again, len(left))
	require.LessOrEqual(t, int64(arrived), int64(accepted)+doubt, "mails that nobody sent")
	for n, first := range l.Again {
		near := false
		for _, kill := range kills {
			since := kill.Sub(first)
			near = near || since < time.Second && since > -time.Second
		}
		require.True(t, near, "mail %d came again although it had been delivered long before a kill", n)
	}
}
