package rabbitmq

import (
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/queue"
)

// read consumes a queue, and waits until what is published there goes over its ladder.
func read(t testing.TB, q *Queue, name string) *rabbittest.Reader {
	t.Helper()
	r := rabbittest.Consume(t, q, name, 0)
	require.Eventually(t, q.book(name).isTended, rabbittest.Patience, time.Millisecond)
	return r
}

// absentQueue demands that there is no such queue on the broker.
func absentQueue(t testing.TB, address, name string) {
	t.Helper()
	_, err := rabbittest.Stranger(t, address).QueueDeclarePassive(name, true, false, false, false, nil)
	require.Equal(t, amqp.NotFound, code(err), "queue %s", name)
}

// awaitAbsent waits until there is no such queue on the broker.
func awaitAbsent(t testing.TB, address, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := rabbittest.Stranger(t, address).QueueDeclarePassive(name, true, false, false, false, nil)
		return code(err) == amqp.NotFound
	}, rabbittest.Patience, 50*time.Millisecond, "queue %s", name)
}

// TestDelayedMailForOthersGoesAtOnce publishes delayed mail for queues that other programs read: nobody would move it
// there.
func TestDelayedMailForOthersGoesAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []QueueType{Classic, Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			address := node.VHost(t)
			q := open(t, Options{Addresses: []string{address}, QueueType: kind})
			r := read(t, q, "outbox")
			late := rabbittest.Mail("late")
			late.NextAttempt = time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)
			others := []string{"inbox", "local", "reports", "refused", "another-outbox"}
			for _, name := range others {
				rabbittest.Publish(t, q, name, late)
			}
			rabbittest.Publish(t, q, "outbox", late, rabbittest.Mail("now"))
			copies := append(rabbittest.Items("retry", []*queue.Message{late}),
				rabbittest.Items("outbox", []*queue.Message{late})...)
			require.NoError(t, r.Next().Settle(t.Context(), copies...))
			ch := rabbittest.Stranger(t, address)
			for _, name := range append(others, "retry") {
				rabbittest.AwaitWaiting(t, ch, name, 1)
				absentQueue(t, address, name+".delay.1h")
				m, ok, err := ch.Get(name, true)
				require.True(t, ok && err == nil, name)
				require.NotContains(t, m.Headers, nextHeader)
				got, err := queue.Unmarshal(m.Body)
				require.NoError(t, err)
				require.Equal(t, late.NextAttempt, got.NextAttempt, name)
			}
			// Whoever reads such a queue heeds the time.
			rabbittest.Publish(t, q, "inbox", late)
			reader := open(t, Options{Addresses: []string{address}, QueueType: kind})
			in := read(t, reader, "inbox")
			require.Eventually(t, func() bool {
				stats, err := reader.Queues(t.Context())
				return err == nil && len(stats) == 1 && stats[0].Delayed == 1
			}, rabbittest.Patience, 20*time.Millisecond)
			in.None()
			require.NoError(t, reader.Close())
			rabbittest.AwaitWaiting(t, ch, "inbox.delay.1h", 1)
			require.NoError(t, q.Close())
			rabbittest.AwaitWaiting(t, ch, "outbox.delay.1h", 2)
		})
	}
}

// TestMailOnLaddersOfOthersIsBroughtBack finds what versions before have left. Classic queues that are empty then are
// deleted, unless somebody reads them.
func TestMailOnLaddersOfOthersIsBroughtBack(t *testing.T) {
	t.Parallel()
	for kind, args := range map[QueueType]amqp.Table{Classic: nil, Quorum: {"x-queue-type": "quorum"}} {
		t.Run(string(kind), func(t *testing.T) {
			address := node.VHost(t)
			ch := rabbittest.Stranger(t, address)
			leave := func(name, id string) {
				_, err := ch.QueueDeclare(name, true, false, false, false, args)
				require.NoError(t, err)
				late := rabbittest.Mail(id)
				late.NextAttempt = time.Now().Add(time.Hour)
				body, err := queue.AppendJSON(nil, late)
				require.NoError(t, err)
				require.NoError(t, ch.PublishWithContext(t.Context(), "", name, true, false,
					amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: id, Headers: delayed(late.NextAttempt), Body: body}))
				rabbittest.AwaitWaiting(t, ch, name, 1)
			}
			leave("inbox.delay.1d", "a")
			leave("inbox.delay.1s", "b")
			leave("local.delay.10h", "c")
			leave("moved.delay.1h", "elsewhere")
			leave("outbox.delay.3h", "mine")
			_, err := ch.QueueDeclare("local.delay.1m", true, false, false, false, args) // empty before
			require.NoError(t, err)
			_, err = ch.QueueDeclare("local.delay.3h", true, false, false, false, args)
			require.NoError(t, err)
			_, err = rabbittest.Stranger(t, address).Consume("local.delay.3h", "", false, false, false, false, nil)
			require.NoError(t, err)
			// a mover
			_, err = rabbittest.Stranger(t, address).Consume("moved.delay.1h", "", false, false, false, false, nil)
			require.NoError(t, err)
			rabbittest.AwaitWaiting(t, ch, "moved.delay.1h", 0) // it has the message
			_, err = ch.QueueDeclare("moved", true, false, false, false, args)
			require.NoError(t, err)

			log := new(rabbittest.Notes)
			q := open(t, Options{Addresses: []string{address}, QueueType: kind, Logger: log.Logger()})
			read(t, q, "outbox")
			q.BringBack("inbox", "moved", "outbox", "nowhere", "local")
			require.Eventually(t, func() bool { return strings.Count(log.String(), "brought back mail") == 2 },
				rabbittest.Patience, time.Millisecond)
			got := map[string]string{}
			for _, name := range []string{"inbox", "inbox", "local"} {
				m, ok, err := ch.Get(name, true)
				require.True(t, ok && err == nil, name)
				got[m.MessageId] = name
			}
			require.Equal(t, map[string]string{"a": "inbox", "b": "inbox", "c": "local"}, got)
			require.Zero(t, rabbittest.Waiting(t, ch, "moved"))
			for _, name := range []string{"inbox.delay.1d", "inbox.delay.1s", "local.delay.10h", "local.delay.1m"} {
				if kind == Quorum {
					rabbittest.AwaitWaiting(t, ch, name, 0)
				} else {
					awaitAbsent(t, address, name)
				}
			}
			rabbittest.AwaitWaiting(t, ch, "moved.delay.1h", 0) // somebody reads them
			rabbittest.AwaitWaiting(t, ch, "local.delay.3h", 0)
			absentQueue(t, address, "nowhere")
			require.NoError(t, q.Close())
			rabbittest.AwaitWaiting(t, ch, "outbox.delay.3h", 1)
		})
	}
}

// TestOnlyEmptyQueuesOfOursAreDiscarded has queues that must stay, whatever was seen of them before.
func TestOnlyEmptyQueuesOfOursAreDiscarded(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	ch := rabbittest.Stranger(t, address)
	for name, args := range map[string]amqp.Table{"in.delay.1s": nil, "in.delay.1m": {"x-queue-type": "quorum"},
		"in.delay.1h": {"x-max-length": int32(9)}} {
		_, err := ch.QueueDeclare(name, true, false, false, false, args)
		require.NoError(t, err)
	}
	require.NoError(t, ch.PublishWithContext(t.Context(), "", "in.delay.1s", true, false, amqp.Publishing{Body: []byte("x")}))
	rabbittest.AwaitWaiting(t, ch, "in.delay.1s", 1)
	q := open(t, Options{Addresses: []string{address}})
	for _, name := range []string{"in.delay.1s", "in.delay.1m", "in.delay.1h"} {
		require.NoError(t, q.topology.discard(t.Context(), name), name)
		_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		require.NoError(t, err, name)
	}
	_, ok, err := ch.Get("in.delay.1s", true)
	require.True(t, ok && err == nil)
	require.NoError(t, q.topology.discard(t.Context(), "in.delay.1s"))
	absentQueue(t, address, "in.delay.1s")
	rabbittest.Publish(t, q, "outbox", rabbittest.Mail("m")) // the connection is well
}
