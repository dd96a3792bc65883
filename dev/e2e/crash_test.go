package e2e

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// largeMails is the number of the first large mail of a test that mixes sizes.
const largeMails = 10_000_000

// TestKilledUnderLoad kills mtad at random moments, again and again on the same queue. What it had answered 250
// arrives; only what was on its way at a kill arrives twice; and every mail that arrived has one result, not two.
func TestKilledUnderLoad(t *testing.T) {
	rounds := 6
	if testing.Short() || mtatest.RaceDetector {
		rounds = 2
	}
	l := mtatest.NewLedger()
	k := mtatest.NewSink(t, l.Sink())
	d := mtatest.Start(t, k.Settings().With(mtatest.Settings{"rabbitmq-results": "results", "retry-interval": "1"}))
	var kills []time.Time
	var doubt int64
	for round := range int64(rounds) {
		stop := l.Pour(t, d,
			&smtptest.Source{Sessions: 10, First: 1 + round*1_000_000, Size: 2 << 10, Rate: 4000,
				Domains: smtptest.Domains(5, "sink.test")},
			&smtptest.Source{Sessions: 3, First: largeMails + round*10_000, Size: 1 << 20, Rate: 20, Recipients: 2})
		some, _, _ := l.Counts()
		mtatest.Eventually(t, "mails are taken", func() bool { taken, _, _ := l.Counts(); return taken > some+50 })
		<-time.After(time.Duration(rand.Int64N(int64(900 * time.Millisecond)))) // the moment is what is tried here
		kills = append(kills, time.Now())
		d.Kill()
		doubt += stop()
		d = d.Again(t)
	}
	l.Settled(t)
	d.Terminate(t)

	accepted, arrived, again := l.Counts()
	t.Logf("%d accepted, %d in doubt, %d arrived, %d of them again", accepted, doubt, arrived, again)
	require.LessOrEqual(t, int64(arrived), int64(accepted)+2*doubt, "mails arrived that nobody sent")
	require.Zero(t, k.Stats().Damaged)
	l.AgainOnlyAt(t, kills, time.Second)
	oneResultEach(t, d.Queue, l)
}

// oneResultEach requires that each mail that arrived has one result or, when it was to be sent once more, is still in
// the outbox, but not both.
func oneResultEach(t *testing.T, dir string, l *mtatest.Ledger) {
	t.Helper()
	q := mtatest.OpenQueue(t, dir)
	counts := mtatest.Waiting(t, q)
	places := map[int64]int{}
	for _, m := range mtatest.Stored(t, q, "outbox", counts["outbox"]) {
		places[mtatest.NumberOf(m.Recipient)]++
	}
	for _, m := range mtatest.Stored(t, q, "results", counts["results"]) {
		places[mtatest.NumberOf(m.Recipient)]++
		require.True(t, m.Results[len(m.Results)-1].Success())
	}
	for n := range l.Arrived {
		require.Equal(t, 1, places[n], "results of mail %d", n)
	}
}

// TestStopUnderLoad stops mtad gracefully while mail comes in and goes out. It ends in time, and the next one delivers
// the rest, each mail once.
func TestStopUnderLoad(t *testing.T) {
	l := mtatest.NewLedger()
	receiver := l.Sink()
	receiver.Latency = 20 * time.Millisecond
	k := mtatest.NewSink(t, receiver)
	d := mtatest.Start(t, k.Settings())
	for round := range int64(2) {
		stop := l.Pour(t, d, &smtptest.Source{Sessions: 20, First: 1 + round*1_000_000, Size: 2 << 10,
			Domains: smtptest.Domains(5, "sink.test")})
		_, some, _ := l.Counts()
		mtatest.Eventually(t, "mails arrive", func() bool { _, arrived, _ := l.Counts(); return arrived > some+500 })
		began := time.Now()
		d.Terminate(t)
		require.Less(t, time.Since(began), 10*time.Second, "nothing here keeps mtad waiting")
		stop()
		d = d.Again(t)
	}
	l.Settled(t)
	d.Terminate(t)
	accepted, arrived, again := l.Counts()
	require.Zero(t, again, "mails that came twice")
	require.Equal(t, accepted, arrived, "mails accepted and mails arrived")
	mtatest.RequireEmpty(t, d.Queue)
}

// TestStopWithHangingTarget stops mtad while a target keeps it waiting: it still ends within half a minute, and the
// mail stays in the queue.
func TestStopWithHangingTarget(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Start(t, k.Settings())
	d.Submit(t, "a@client.test", "hang@sink.test", "Subject: wait\r\n\r\nfor it")
	mtatest.Eventually(t, "the target has stopped answering", func() bool { return k.Stats().Flights >= 3 })
	d.Terminate(t)
	require.Equal(t, 1, mtatest.Waiting(t, mtatest.OpenQueue(t, d.Queue))["outbox"])
}

// TestStopTwice asks again: mtad does not wait for the target then. What comes right behind the first signal does not
// count.
func TestStopTwice(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Start(t, k.Settings())
	d.Submit(t, "a@client.test", "hang@sink.test", "Subject: wait\r\n\r\nfor it")
	mtatest.Eventually(t, "the target has stopped answering", func() bool { return k.Stats().Flights >= 3 })
	require.NoError(t, d.Cmd.Process.Signal(syscall.SIGTERM))
	require.True(t, d.WaitLog("msg=stopping"))
	began := time.Now()
	mtatest.Eventually(t, "mtad stops at once", func() bool {
		_ = d.Cmd.Process.Signal(syscall.SIGTERM) // which may have ended already
		return strings.Contains(d.Log.String(), "stopping at once")
	})
	require.Greater(t, time.Since(began), 300*time.Millisecond, "signals right behind the first are one with it")
	require.Zero(t, d.Exit(t, 10*time.Second))
	require.Equal(t, 1, mtatest.Waiting(t, mtatest.OpenQueue(t, d.Queue))["outbox"])
}

// TestKilledWithMailsToMany kills mtad while mails to several recipients are on their way: taken by some, put off for
// others, or not yet answered. No recipient is lost, and each has one result.
func TestKilledWithMailsToMany(t *testing.T) {
	rounds := 6
	if testing.Short() || mtatest.RaceDetector {
		rounds = 2
	}
	c := mtatest.NewCrowds(t)
	d := c.KillUnderLoad(t, mtatest.Start(t, c.Settings()), rounds)
	d.Terminate(t)
	c.Check(t, 250*time.Millisecond)
	oneResultEach(t, d.Queue, c.Ledger)
}
