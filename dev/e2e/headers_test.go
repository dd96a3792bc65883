package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestPropertyHeaders has mails carry x-mq-* fields: they are obeyed, and do not leave.
func TestPropertyHeaders(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, k.Settings().With(allQueues).With(logging))
	due := time.Now().Add(3 * time.Second).Truncate(time.Second)
	d.Submit(t, "a@client.test", "late@sink.test",
		"x-mq-delayed: "+due.UTC().Format(time.DateTime)+"\r\nSubject: later\r\n\r\nText")
	d.Submit(t, "a@client.test", "tagged@sink.test",
		"X-MQ-Tag: spring\r\nSubject: tags\r\nx-mq-tag: sale\r\nx-mq-results-queue: mine\r\nx-mq-customer: 17\r\n\r\nText")
	d.Submit(t, "a@client.test", "defer@sink.test", "x-mq-maxattempts: 1\r\nSubject: one try\r\n\r\nText")
	d.Submit(t, "a@client.test", "x@sink.test", "x-mq-envelope: bounces@client.test\r\nSubject: envelope\r\n\r\nText")

	mails := k.Await(t, 3)
	require.Equal(t, []string{"late@sink.test"}, mails[2].Recipients, "the delayed one comes last")
	require.False(t, time.Now().Before(due), "it came too early")
	for _, m := range mails {
		require.NotContains(t, strings.ToLower(string(m.Data)), "x-mq-")
		if m.Recipients[0] == "x@sink.test" {
			require.Equal(t, "bounces@client.test", m.From)
		}
	}
	require.Equal(t, []string{"spring", "sale"}, mtatest.AwaitAttempts(t, log, "tagged@sink.test", 1)[0].Tags)
	mtatest.Eventually(t, "the mail with one attempt is given up", func() bool {
		own := mtatest.AttemptsOf(t, log, "defer@sink.test")
		return len(own) > 0 && own[len(own)-1].Last().Pair() == "process/timeout"
	})
	require.Equal(t, int64(1), k.Stats().Deferred)
	d.Terminate(t)

	q := mtatest.OpenQueue(t, d.Queue)
	mine := mtatest.Stored(t, q, "mine", 1)[0]
	require.Equal(t, "tagged@sink.test", mine.Recipient)
	require.Equal(t, []string{"spring", "sale"}, mine.Tags)
	require.JSONEq(t, "17", strings.Trim(string(mine.Extra["customer"]), `"`))
	require.Equal(t, 2, mtatest.Waiting(t, q)["success"], "one queue of its own switches the others off")
	require.Equal(t, "defer@sink.test", mtatest.Stored(t, q, "failure", 1)[0].Recipient)
	require.Zero(t, mtatest.Waiting(t, q)["outbox"])
}
