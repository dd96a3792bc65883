package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/queue"
)

// allQueues names a queue for every kind of result.
var allQueues = mtatest.Settings{
	"rabbitmq-results": "results", "rabbitmq-success": "success", "rabbitmq-failure": "failure", "rabbitmq-retry": "retry",
	"retry-interval": "1",
}

// pairs returns state and result of each result of a message.
func pairs(m *queue.Message) []string {
	var all []string
	for _, r := range m.Results {
		all = append(all, string(r.State)+"/"+string(r.Result))
	}
	return all
}

// TestDeferredAfterData refuses a mail for now at its very end. It is tried again, and each queue of results gets its
// copy.
func TestDeferredAfterData(t *testing.T) {
	t.Parallel()
	k := mtatest.NewKeeper(t, &smtptest.Sink{Rules: []smtptest.Rule{
		{Stage: smtptest.Dot, Pattern: "later@*", Action: smtptest.Action{Act: smtptest.Greylist, For: time.Millisecond}}}})
	log, logging := mtatest.SendLog(t)
	d := mtatest.Inside(t, k.Settings().With(allQueues).With(logging))
	d.Submit(t, "a@client.test", "later@sink.test", "Subject: again\r\nX-Job: 7\r\n\r\nText")
	k.Await(t, 1)
	mtatest.AwaitAttempts(t, log, "later@sink.test", 2)
	d.Terminate(t)

	q := mtatest.OpenQueue(t, d.Queue)
	for name, want := range map[string][]string{
		"retry":   {"message/error"},
		"success": {"message/error", "message/accepted"},
		"results": {"message/error", "message/accepted"},
	} {
		m := mtatest.Stored(t, q, name, 1)[0]
		require.Equal(t, want, pairs(m), "the queue %s", name)
		require.Equal(t, "later@sink.test", m.Recipient)
		require.Equal(t, 451, m.Results[0].Code)
		require.Nil(t, m.Body, "the mail stays out of results")
		require.Contains(t, string(m.Extracted), `"x-job":"7"`)
	}
	require.Zero(t, mtatest.Waiting(t, q)["failure"])
	require.Zero(t, mtatest.Waiting(t, q)["outbox"])
}

// TestRefused fails a mail at once.
func TestRefused(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Inside(t, k.Settings().With(allQueues))
	d.Submit(t, "a@client.test", "reject@sink.test", "Subject: never\r\n\r\nText")
	mtatest.Eventually(t, "the mail is refused", func() bool { return k.Stats().Rejected > 0 })
	d.Terminate(t)
	q := mtatest.OpenQueue(t, d.Queue)
	for _, name := range []string{"failure", "results"} {
		m := mtatest.Stored(t, q, name, 1)[0]
		require.Equal(t, []string{"rcptto/error"}, pairs(m))
		require.Equal(t, 550, m.Results[0].Code)
		require.Equal(t, "5.1.1", m.Results[0].Status)
	}
	require.Zero(t, mtatest.Waiting(t, q)["retry"])
	require.Zero(t, mtatest.Waiting(t, q)["outbox"])
}

// TestGivenUp ends mails that cannot be delivered: after their time, and after their attempts.
func TestGivenUp(t *testing.T) {
	for _, c := range []struct {
		name     string
		limit    mtatest.Settings
		attempts int // at least
	}{
		{"after its time", mtatest.Settings{"max-delivertime": "3"}, 2},
		{"after its attempts", mtatest.Settings{"max-attempts": "2"}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := mtatest.NewSink(t, &smtptest.Sink{})
			log, logging := mtatest.SendLog(t)
			d := mtatest.Inside(t, k.Settings().With(allQueues).With(logging).With(c.limit))
			d.Submit(t, "a@client.test", "defer@sink.test", "Subject: over\r\n\r\nText")
			given := func() bool {
				own := mtatest.AttemptsOf(t, log, "defer@sink.test")
				return len(own) > 0 && own[len(own)-1].Last().Pair() == "process/timeout"
			}
			mtatest.Eventually(t, "the mail is given up", given)
			d.Terminate(t)
			q := mtatest.OpenQueue(t, d.Queue)
			m := mtatest.Stored(t, q, "failure", 1)[0]
			results := pairs(m)
			require.GreaterOrEqual(t, len(results), c.attempts)
			for _, pair := range results[:len(results)-1] {
				require.Equal(t, "rcptto/error", pair)
			}
			require.Equal(t, "process/timeout", results[len(results)-1])
			require.Zero(t, mtatest.Waiting(t, q)["outbox"])
			if c.limit["max-attempts"] != "" {
				require.Equal(t, int64(2), k.Stats().Deferred, "attempts that the target saw")
			}
		})
	}
}
