package e2e

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// largeMails is the number of the first large mail of a test that mixes sizes.
const largeMails = 10_000_000

// TestKilledUnderLoad kills mtad at random moments, again and again on the same queue. What it had answered 250 arrives;
// only what was on its way at a kill arrives twice; and every mail that arrived has one result, not two.
func TestKilledUnderLoad(t *testing.T) {
	rounds := 6
	if testing.Short() || raceDetector {
		rounds = 2
	}
	l := newLedger()
	k := newSink(t, l.sink())
	d := start(t, k.settings().with(settings{"rabbitmq-results": "results", "retry-interval": "1"}))
	var kills []time.Time
	var doubt int64
	for round := range int64(rounds) {
		stop := l.pour(t, d,
			&smtptest.Source{Sessions: 10, First: 1 + round*1_000_000, Size: 2 << 10, Rate: 4000, Domains: smtptest.Domains(5, "sink.test")},
			&smtptest.Source{Sessions: 3, First: largeMails + round*10_000, Size: 1 << 20, Rate: 20, Recipients: 2})
		some, _, _ := l.counts()
		eventually(t, "mails are taken", func() bool { taken, _, _ := l.counts(); return taken > some+50 })
		<-time.After(time.Duration(rand.Int64N(int64(900 * time.Millisecond)))) // the moment is what is tried here
		kills = append(kills, time.Now())
		d.kill()
		doubt += stop()
		d = d.again(t)
	}
	l.settled(t)
	d.terminate(t)

	accepted, arrived, again := l.counts()
	t.Logf("%d accepted, %d in doubt, %d arrived, %d of them again", accepted, doubt, arrived, again)
	require.LessOrEqual(t, int64(arrived), int64(accepted)+2*doubt, "mails arrived that nobody sent")
	require.Zero(t, k.Stats().Damaged)
	for n, first := range l.again {
		require.True(t, justBefore(first, kills), "mail %d came again although it had arrived long before a kill", n)
	}
	oneResultEach(t, d.queue, l)
}

// justBefore reports whether a moment lies within the second before a kill, or while mtad was dying.
func justBefore(moment time.Time, kills []time.Time) bool {
	for _, kill := range kills {
		if since := kill.Sub(moment); since < time.Second && since > -time.Second {
			return true
		}
	}
	return false
}

// oneResultEach requires that each mail that arrived has one result or, when it was to be sent once more, is still in the
// outbox, but not both.
func oneResultEach(t *testing.T, dir string, l *ledger) {
	t.Helper()
	q := openQueue(t, dir)
	counts := waiting(t, q)
	places := map[int64]int{}
	for _, m := range stored(t, q, "outbox", counts["outbox"]) {
		places[numberOf(m.Recipient)]++
	}
	for _, m := range stored(t, q, "results", counts["results"]) {
		places[numberOf(m.Recipient)]++
		require.True(t, m.Results[len(m.Results)-1].Success())
	}
	for n := range l.arrived {
		require.Equal(t, 1, places[n], "results of mail %d", n)
	}
}

// TestStopUnderLoad stops mtad gracefully while mail comes in and goes out. It ends in time, and the next one delivers the
// rest, each mail once.
func TestStopUnderLoad(t *testing.T) {
	l := newLedger()
	receiver := l.sink()
	receiver.Latency = 20 * time.Millisecond
	k := newSink(t, receiver)
	d := start(t, k.settings())
	for round := range int64(2) {
		stop := l.pour(t, d, &smtptest.Source{Sessions: 20, First: 1 + round*1_000_000, Size: 2 << 10, Domains: smtptest.Domains(5, "sink.test")})
		_, some, _ := l.counts()
		eventually(t, "mails arrive", func() bool { _, arrived, _ := l.counts(); return arrived > some+500 })
		began := time.Now()
		d.terminate(t)
		require.Less(t, time.Since(began), 10*time.Second, "nothing here keeps mtad waiting")
		stop()
		d = d.again(t)
	}
	l.settled(t)
	d.terminate(t)
	accepted, arrived, again := l.counts()
	require.Zero(t, again, "mails that came twice")
	require.Equal(t, accepted, arrived, "mails accepted and mails arrived")
	requireEmpty(t, d.queue)
}

// TestStopWithHangingTarget stops mtad while a target keeps it waiting: it still ends within half a minute, and the mail
// stays in the queue.
func TestStopWithHangingTarget(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	k := newSink(t, &smtptest.Sink{})
	d := start(t, k.settings())
	d.submit(t, "a@client.test", "hang@sink.test", "Subject: wait\r\n\r\nfor it")
	eventually(t, "the target has stopped answering", func() bool { return k.Stats().Flights >= 3 })
	d.terminate(t)
	require.Equal(t, 1, waiting(t, openQueue(t, d.queue))["outbox"])
}

// TestStopTwice asks again: mtad does not wait for the target then. What comes right behind the first signal does not count.
func TestStopTwice(t *testing.T) {
	t.Parallel()
	k := newSink(t, &smtptest.Sink{})
	d := start(t, k.settings())
	d.submit(t, "a@client.test", "hang@sink.test", "Subject: wait\r\n\r\nfor it")
	eventually(t, "the target has stopped answering", func() bool { return k.Stats().Flights >= 3 })
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.True(t, d.waitLog("msg=stopping"))
	began := time.Now()
	eventually(t, "mtad stops at once", func() bool {
		_ = d.cmd.Process.Signal(syscall.SIGTERM) // which may have ended already
		return strings.Contains(d.log.String(), "stopping at once")
	})
	require.Greater(t, time.Since(began), 300*time.Millisecond, "signals right behind the first are one with it")
	require.Zero(t, d.exit(t, 10*time.Second))
	require.Equal(t, 1, waiting(t, openQueue(t, d.queue))["outbox"])
}
