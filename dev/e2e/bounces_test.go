package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/report"
	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestBounces has mail refused, and its sender told by a mail that goes through the outbox like any other.
func TestBounces(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	texts := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(texts, "failed.de.txt"),
		[]byte("From: Postamt\nSubject: Zurück\n\nAn {{.Recipient}}: {{.Why}}\n"), 0o644))
	d := mtatest.Start(t, k.Settings().With(mtatest.Settings{"rabbitmq-dsn": "outbox", "bounce-host": "mta.shop.test",
		"double-bounce-to": "hostmaster@sink.test", "bounce-texts": texts}))

	c := d.Talk(t)
	require.Contains(t, c.Command("EHLO client.test", 250), "DSN")
	c.Command("MAIL FROM:<ann@sink.test> RET=FULL ENVID=order+2B7", 250)
	c.Command("RCPT TO:<reject@sink.test> NOTIFY=FAILURE ORCPT=rfc822;old+2Bname@sink.test", 250)
	c.Text("Subject: Hello\r\nMessage-ID: <1@shop.test>\r\nContent-Language: de\r\n\r\nHello Jo\r\n.", 250)
	told := k.Await(t, 1)[0]
	require.Empty(t, told.From)
	require.Equal(t, []string{"ann@sink.test"}, told.Recipients)
	r, err := report.Parse(bytes.NewReader(told.Data), int64(len(told.Data)))
	require.NoError(t, err, "%s", told.Data)
	require.NotNil(t, r.Delivery)
	require.Equal(t, "order+7", r.Delivery.EnvelopeID)
	require.Contains(t, r.Delivery.ReportingMTA, "mta.shop.test")
	who := r.Delivery.Recipients[0]
	require.Equal(t, "reject@sink.test", who.Final)
	require.Equal(t, "old+name@sink.test", who.Original)
	require.Equal(t, report.ActionFailed, who.Action)
	require.Equal(t, 550, who.Code)
	require.Contains(t, r.Delivery.Original.MessageID, "1@shop.test")
	require.Contains(t, string(told.Data), "From: Postamt <postmaster@mta.shop.test>\r\n")
	require.Contains(t, string(told.Data), "Hello Jo", "all of it was asked for")

	// The sender's server refuses as well: the postmaster is told, and nobody of what becomes of that.
	d.Submit(t, "reject@sink.test", "reject@sink.test", "Subject: x\r\n\r\nx\r\n")
	double := k.Await(t, 2)[1]
	require.Equal(t, []string{"hostmaster@sink.test"}, double.Recipients)
	require.Contains(t, string(double.Data), "Final-Recipient: rfc822; reject@sink.test")

	d.Submit(t, "ann@sink.test", "jo@sink.test", "x-mq-dsn-notify: NEVER\r\nSubject: fine\r\n\r\nx\r\n")
	require.Equal(t, []string{"jo@sink.test"}, k.Await(t, 3)[2].Recipients)
	d.Terminate(t)
	require.Len(t, k.Received(), 3, "nobody else was told")
	require.NotContains(t, strings.ToLower(d.Log.String()), "level=warn")
}

// TestBouncesWithoutEnd has every address refuse, those to be told as well: that ends.
func TestBouncesWithoutEnd(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{Rules: []smtptest.Rule{{Stage: smtptest.Rcpt,
		Action: smtptest.Refusal(smtptest.Rcpt, true)}}})
	file, log := mtatest.SendLog(t)
	d := mtatest.Start(t, k.Settings().With(log).With(mtatest.Settings{"rabbitmq-dsn": "outbox",
		"double-bounce-to": "hostmaster@sink.test"}))
	d.Submit(t, "a@sink.test", "b@sink.test", "Subject: x\r\n\r\nx\r\n")
	for _, to := range []string{"b@sink.test", "a@sink.test", "hostmaster@sink.test"} {
		mtatest.AwaitAttempts(t, file, to, 1)
	}
	d.Terminate(t)
	require.Len(t, mtatest.Attempts(t, file), 3, "the mail, the bounce, the double bounce")
}

func TestBounceTextsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	texts := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(texts, "failed.en.txt"), []byte("{{"), 0o644))
	d := mtatest.Launch(t, mtatest.Settings{"bounce-texts": texts})
	require.Equal(t, 78, d.Exit(t, mtatest.Patience))
	require.Contains(t, d.Log.String(), "failed.en.txt: expected From and Subject")
}

// TestBouncesOfTheKilled has mails fail while mtad is killed again and again. Each sender gets a bounce; twice at most
// where the first one left within the moment before a kill, when its mail was not settled on the disk yet; and each
// mail ends with one failure.
func TestBouncesOfTheKilled(t *testing.T) {
	rounds, each := int64(6), int64(150)
	if testing.Short() || mtatest.RaceDetector {
		rounds = 2
	}
	d, l, kills := mtatest.KilledWhileRefused(t, nil, rounds, each)
	d.Terminate(t)

	accepted, arrived, again := l.Counts()
	t.Logf("%d refused, %d bounces, %d of them again", accepted, arrived, again)
	require.EqualValues(t, rounds*each, arrived)
	l.AgainOnlyAt(t, kills, time.Second)
	q := mtatest.OpenQueue(t, d.Queue)
	failures := map[int64]int{}
	for _, m := range mtatest.Stored(t, q, "failure", int(rounds*each)) {
		failures[mtatest.NumberOf(m.Recipient)]++
	}
	require.Len(t, failures, int(rounds*each), "one failure for each mail")
	require.Zero(t, mtatest.Waiting(t, q)["outbox"])
}

// TestBouncesGoNoRounds has two mtads hand everything to each other: a mail, its bounce and the bounce of that each end
// once they went round often enough.
func TestBouncesGoNoRounds(t *testing.T) {
	t.Parallel()
	first, second := strconv.Itoa(testserver.FreePort(t)), strconv.Itoa(testserver.FreePort(t))
	set := func(own, other string) (string, mtatest.Settings) {
		file, log := mtatest.SendLog(t)
		return file, log.With(mtatest.Settings{"smtp-port": own, "smtp-sink-address": "127.0.0.1", "smtp-sink-port": other,
			"rabbitmq-dsn": "outbox", "double-bounce-to": "postmaster", "double-bounce-host": "double.test"})
	}
	fileA, setA := set(first, second)
	fileB, setB := set(second, first)
	a, b := mtatest.Start(t, setA), mtatest.Start(t, setB)
	a.Submit(t, "ann@sender.test", "jo@recipient.test", "Subject: x\r\n\r\nx\r\n")
	ended := func(recipient string) (n int) {
		for _, file := range []string{fileA, fileB} {
			for _, attempt := range mtatest.AttemptsOf(t, file, recipient) {
				if last := attempt.Last(); last.Result != "accepted" {
					n++
				}
			}
		}
		return n
	}
	for _, recipient := range []string{"jo@recipient.test", "ann@sender.test", "postmaster@double.test"} {
		mtatest.Eventually(t, "the mail to "+recipient+" ends", func() bool { return ended(recipient) == 1 })
	}
	a.Terminate(t)
	b.Terminate(t)
	mtatest.RequireEmpty(t, a.Queue)
	mtatest.RequireEmpty(t, b.Queue)
	require.Equal(t, 1, ended("postmaster@double.test"), "and nobody is told of that")
}
