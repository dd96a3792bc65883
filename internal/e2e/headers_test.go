package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestPropertyHeaders has mails carry x-mq-* fields: they are obeyed, and do not leave.
func TestPropertyHeaders(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, &smtptest.Sink{})
	log, logging := sendLog(t)
	d := start(t, k.settings().with(allQueues).with(logging))
	due := time.Now().Add(3 * time.Second).Truncate(time.Second)
	d.submit(t, "a@client.test", "late@sink.test", "x-mq-delayed: "+due.UTC().Format(time.DateTime)+"\r\nSubject: later\r\n\r\nText")
	d.submit(t, "a@client.test", "tagged@sink.test",
		"X-MQ-Tag: spring\r\nSubject: tags\r\nx-mq-tag: sale\r\nx-mq-results-queue: mine\r\nx-mq-customer: 17\r\n\r\nText")
	d.submit(t, "a@client.test", "defer@sink.test", "x-mq-maxattempts: 1\r\nSubject: one try\r\n\r\nText")
	d.submit(t, "a@client.test", "x@sink.test", "x-mq-envelope: bounces@client.test\r\nSubject: envelope\r\n\r\nText")

	mails := k.await(t, 3)
	require.Equal(t, []string{"late@sink.test"}, mails[2].Recipients, "the delayed one comes last")
	require.False(t, time.Now().Before(due), "it came too early")
	for _, m := range mails {
		require.NotContains(t, strings.ToLower(string(m.Data)), "x-mq-")
		if m.Recipients[0] == "x@sink.test" {
			require.Equal(t, "bounces@client.test", m.From)
		}
	}
	require.Equal(t, []string{"spring", "sale"}, awaitAttempts(t, log, "tagged@sink.test", 1)[0].Tags)
	eventually(t, "the mail with one attempt is given up", func() bool {
		own := attemptsOf(t, log, "defer@sink.test")
		return len(own) > 0 && own[len(own)-1].last().pair() == "process/timeout"
	})
	require.Equal(t, int64(1), k.Stats().Deferred)
	d.terminate(t)

	q := openQueue(t, d.queue)
	mine := stored(t, q, "mine", 1)[0]
	require.Equal(t, "tagged@sink.test", mine.Recipient)
	require.Equal(t, []string{"spring", "sale"}, mine.Tags)
	require.JSONEq(t, "17", strings.Trim(string(mine.Extra["customer"]), `"`))
	require.Equal(t, 2, waiting(t, q)["success"], "one queue of its own switches the others off")
	require.Equal(t, "defer@sink.test", stored(t, q, "failure", 1)[0].Recipient)
	require.Zero(t, waiting(t, q)["outbox"])
}
