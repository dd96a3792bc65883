package idle

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	store "github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

func TestMain(m *testing.M) { mtatest.Main(m) }

// TestThrottledPathsRest has mail wait on 10,000 paths, all of which have used up their minute: that costs next to
// nothing.
func TestThrottledPathsRest(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 20,000 mails")
	}
	t.Parallel()
	const paths = 10_000
	set, db := mtatest.SQLite(t)
	mtatest.Throttle(t, db, "one a minute", "", func(l *store.Limits) { l.Site.MaxMessages = 1 })
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Start(t, k.Settings().With(set).With(mtatest.Settings{"connection-maxidle": "0"}))
	began := time.Now()
	d.Send(t, &smtptest.Source{Messages: 2 * paths, Size: 400, Sessions: 20,
		Domains: smtptest.Domains(paths, "rest.test")})
	mtatest.Eventually(t, "one mail for each", func() bool { return k.Tally().Distinct() >= paths })
	const span = 4 * time.Second
	if time.Since(began)+span+2*time.Second > time.Minute {
		t.Skip("the machine is too busy: the first paths would have their next minute")
	}
	time.Sleep(time.Second)
	before := cpu(t, d)
	time.Sleep(span)
	share := float64(cpu(t, d)-before) / float64(span)
	t.Logf("10,000 paths with waiting mail take %.2f%% of a core", 100*share)
	require.Less(t, share, 0.05)
	d.Kill()
}

// cpu returns the processor time that mtad has taken, to a hundredth of a second.
func cpu(t testing.TB, d *mtatest.Daemon) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(d.Cmd.Process.Pid) + "/stat")
	if os.IsNotExist(err) {
		t.Skip("no /proc here")
	}
	require.NoError(t, err)
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	sum := time.Duration(0)
	for _, field := range fields[11:13] { // user and system
		n, err := strconv.ParseInt(field, 10, 64)
		require.NoError(t, err)
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}
