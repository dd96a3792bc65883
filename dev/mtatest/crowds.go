package mtatest

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// Crowds are mails to many recipients each, which go as they come, while mtad is killed.
type Crowds struct {
	*Ledger
	*Sink
	Kills []time.Time
	doubt int64

	joined atomic.Int64  // mails that came for several
	held   chan struct{} // one has come, and mtad has not heard so
}

// NewCrowds starts a sink that answers slowly, so that transactions are mostly in their middle. Now and then it refuses
// a recipient for a moment, finds that a mail has enough of them, or puts a whole mail off.
func NewCrowds(t testing.TB) *Crowds {
	t.Helper()
	c := &Crowds{Ledger: NewLedger(), held: make(chan struct{}, 1)}
	sink := c.Ledger.Sink()
	note := sink.Received
	sink.Received = func(m *smtptest.Received) {
		note(m)
		if slices.Sort(m.Recipients); len(slices.Compact(m.Recipients)) < len(m.Recipients) {
			t.Error("a mail has a recipient twice")
		}
		if len(m.Recipients) > 1 {
			c.joined.Add(1)
			select {
			case c.held <- struct{}{}:
			default:
			}
		}
	}
	var err error
	sink.Rules, err = smtptest.ParseScript("rcpt 1% * 452 4.5.3 Enough\nrcpt 1% * 450 4.2.1 Busy\ndot 2% * 451 4.3.0 Full")
	require.NoError(t, err)
	sink.Latency = 20 * time.Millisecond
	c.Sink = NewSink(t, sink)
	return c
}

// Settings have mtad send mails to many to the sink, and try again soon.
func (c *Crowds) Settings() Settings {
	return c.Sink.Settings().With(Settings{"smtp-out-multi-recipient": "20", "rabbitmq-results": "results",
		"retry-interval": "1", "bounce-limit": "0"})
}

// KillUnderLoad kills mtad in the middle of transactions, again and again on the same queue, and has the last one send
// the rest. What mtad had answered 250 arrives; only what was on its way at a kill arrives twice.
func (c *Crowds) KillUnderLoad(t testing.TB, d *Daemon, rounds int) *Daemon {
	t.Helper()
	for round := range int64(rounds) {
		stop := c.Pour(t, d,
			&smtptest.Source{Sessions: 4, First: 1 + round*1_000_000, Size: 2 << 10, Rate: 30, Recipients: 30,
				Domains: smtptest.Domains(3, "sink.test")},
			&smtptest.Source{Sessions: 2, First: 100_000_000 + round*10_000, Size: 300 << 10, Rate: 2, Recipients: 7})
		_, some, _ := c.Counts()
		Eventually(t, "mails arrive", func() bool { _, arrived, _ := c.Counts(); return arrived > some+1000 })
		if round%2 == 1 {
			<-time.After(time.Duration(rand.Int64N(int64(200 * time.Millisecond)))) // the moment is what is tried here
		} else {
			select {
			case <-c.held:
			default:
			}
			<-c.held
		}
		c.Kills = append(c.Kills, time.Now())
		d.Kill()
		c.doubt += stop()
		d = d.Again(t)
	}
	c.Settled(t)
	return d
}

// Check requires that nothing came that should not. Mails are on their way for less than within.
func (c *Crowds) Check(t testing.TB, within time.Duration) {
	t.Helper()
	accepted, arrived, again := c.Counts()
	t.Logf("%d accepted, %d in doubt, %d arrived in %d mails to several, %d again",
		accepted, c.doubt, arrived, c.joined.Load(), again)
	require.LessOrEqual(t, int64(arrived), int64(accepted)+30*c.doubt, "mails arrived that nobody sent")
	require.Zero(t, c.Stats().Damaged)
	require.Greater(t, c.joined.Load(), int64(len(c.Kills)), "mails to several")
	require.Positive(t, again, "some were on their way")
	c.AgainOnlyAt(t, c.Kills, within)
}
