package mtatest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// KilledWhileRefused starts mtad with settings, and kills it so many times, each time after so many mails that will be
// refused. The ledger has the bounces: mail n is from and to n, and its bounce counts as its arrival.
func KilledWhileRefused(t testing.TB, set Settings, rounds, each int64) (d *Daemon, l *Ledger, kills []time.Time) {
	t.Helper()
	l = NewLedger()
	receiver := l.Sink()
	receiver.Verify = false
	receiver.Rules = []smtptest.Rule{{Stage: smtptest.Rcpt, Pattern: "*@refused.test",
		Action: smtptest.Refusal(smtptest.Rcpt, true)}}
	d = Start(t, NewSink(t, receiver).Settings().With(Settings{"rabbitmq-dsn": "outbox", "rabbitmq-failure": "failure",
		"retry-interval": "1", "bounce-limit": "0"}).With(set))
	for round := range rounds {
		c := d.Talk(t)
		c.Command("EHLO client.test", 250)
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
	return d, l, kills
}
