package rabbit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestBouncesOfTheKilled has mails fail while mtad is killed again and again, with its queues on a broker. Each sender
// gets a bounce; twice at most where the first one left within the moment before a kill.
func TestBouncesOfTheKilled(t *testing.T) {
	t.Parallel()
	const rounds, each = 4, 100
	address := node.VHost(t)
	l := mtatest.NewLedger()
	receiver := l.Sink()
	receiver.Verify = false
	receiver.Rules = []smtptest.Rule{{Stage: smtptest.Rcpt, Pattern: "*@refused.test",
		Action: smtptest.Refusal(smtptest.Rcpt, true)}}
	k := mtatest.NewSink(t, receiver)
	d := mtatest.Start(t, k.Settings().With(mtatest.Settings{"rabbitmq-address": address, "rabbitmq-dsn": "outbox",
		"rabbitmq-failure": "failure", "retry-interval": "1", "bounce-limit": "0"}))
	var kills []time.Time
	for round := range int64(rounds) {
		c := d.Talk(t)
		for n := round*each + 1; n <= (round+1)*each; n++ {
			c.Mail(fmt.Sprintf("s%d@sink.test", n), fmt.Sprintf("s%d@refused.test", n), "Subject: x\r\n\r\nx\r\n", 250)
			l.Accept([]int64{n})
		}
		<-time.After(time.Duration(rand.Int64N(int64(200 * time.Millisecond)))) // the moment is what is tried here
		kills = append(kills, time.Now())
		d.Kill()
		d = d.Again(t)
	}
	l.Settled(t)
	ch := rabbittest.Stranger(t, address)
	rabbittest.AwaitWaiting(t, ch, "outbox", 0)
	accepted, arrived, again := l.Counts()
	t.Logf("%d refused, %d bounces, %d of them again", accepted, arrived, again)
	require.Equal(t, rounds*each, arrived)
	for n, first := range l.Again {
		near := false
		for _, kill := range kills {
			since := kill.Sub(first)
			near = near || since < time.Second && since > -time.Second
		}
		require.True(t, near, "bounce %d came again although it had arrived long before a kill", n)
	}
	mtatest.Eventually(t, "every mail failed", func() bool { return rabbittest.Waiting(t, ch, "failure") >= rounds*each })
	d.Terminate(t)
}
