package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/queue"
)

func TestConnectionCutWithUnsettledDeliveries(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	p := rabbittest.NewProxy(t, node.Server(t).Address)
	log := new(rabbittest.Notes)
	q := open(t, Options{Addresses: []string{p.Through(address)}, Logger: log.Logger()})
	require.NoError(t, q.Publish(t.Context(), rabbittest.Items("outbox", rabbittest.Mails("m", 1000))...))
	r := rabbittest.Consume(t, q, "outbox", 1000)
	out := r.Take(1000)

	// The acknowledgements of the first 300 never arrive, and those of the next 200 are due while there is no
	// connection.
	p.SetDeaf(true)
	for _, d := range out[:300] {
		require.NoError(t, d.Settle(t.Context()))
	}
	p.Cut()
	p.SetDeaf(false)
	for _, d := range out[300:500] {
		require.NoError(t, d.Settle(t.Context()))
	}
	// One that was given back meanwhile comes again, and one that is parked stays away.
	require.NoError(t, out[500].Release(t.Context()))
	d := r.Next()
	require.Equal(t, out[500].Message.ID, d.Message.ID)
	require.True(t, d.Redelivered)
	require.NoError(t, d.Settle(t.Context()))
	require.Eventually(t, func() bool { return q.Park(t.Context(), out[501], "example.com") == nil }, rabbittest.Patience,
		50*time.Millisecond)
	for _, d := range out[502:] {
		require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "results", Message: d.Message}))
	}
	r.None()
	n, err := q.Unpark(t.Context(), "outbox", "example.com", 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, r.Next().Settle(t.Context()))
	r.Stop()
	require.NoError(t, q.Close())

	ch := rabbittest.Stranger(t, address)
	require.Eventually(t, func() bool { return rabbittest.Waiting(t, ch, "outbox") == 0 }, rabbittest.Patience,
		50*time.Millisecond)
	require.Equal(t, 498, rabbittest.Waiting(t, ch, "results"))
	require.LessOrEqual(t, len(log.Lines()), 6, "lines about one cut: %v", log.Lines())
	again := open(t, Options{Addresses: []string{address}})
	rabbittest.Consume(t, again, "outbox", 0).None()
}

func TestConnectionCutInTheMiddleOfAFrame(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	p := rabbittest.NewProxy(t, node.Server(t).Address)
	q := open(t, Options{Addresses: []string{p.Through(address)}, Logger: new(rabbittest.Notes).Logger()})
	r := rabbittest.Consume(t, q, "outbox", 0)
	stored := make(map[string]bool)
	for i := range 20 {
		m := rabbittest.Mail(fmt.Sprint("m", i))
		m.Body = queue.Bytes(strings.Repeat("0123456789\r\n", 5000))
		p.CutAfter(30_000)
		err := q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m})
		require.True(t, err == nil || errors.Is(err, queue.ErrUnknown) || errors.Is(err, queue.ErrUnavailable), "%v", err)
		p.CutAfter(0)
		require.Eventually(t, func() bool { // the caller tries again, as SMTP clients do
			if err == nil {
				return true
			}
			err = q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m})
			return false
		}, rabbittest.Patience, 10*time.Millisecond)
	}
	for len(stored) < 20 {
		d := r.Next()
		require.NoError(t, d.Err)
		stored[d.Message.ID] = true
		require.NoError(t, d.Settle(t.Context()))
	}
}

func TestPublishHeedsItsContextDuringAnAlarm(t *testing.T) {
	t.Parallel()
	p := rabbittest.NewProxy(t, node.Server(t).Address)
	q := open(t, Options{Addresses: []string{p.Through(node.VHost(t))}, Logger: new(rabbittest.Notes).Logger()})
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("m", 1)...)
	p.SetDeaf(true) // the broker hears nothing, and so confirms nothing
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := q.Publish(ctx, rabbittest.Items("outbox", rabbittest.Mails("x", 1))...)
	require.ErrorIs(t, err, queue.ErrUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	p.Cut()
}

func TestQueueDeletedUnderUs(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	q := open(t, Options{Addresses: []string{address}, Logger: new(rabbittest.Notes).Logger()})
	ch := rabbittest.Stranger(t, address)
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("m", 2)...)
	r := rabbittest.Consume(t, q, "outbox", 1)
	out := r.Next()
	_, err := ch.QueueDelete("outbox", false, false, false)
	require.NoError(t, err)
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("n", 1)...)
	require.NoError(t, out.Settle(t.Context(), rabbittest.Items("results", rabbittest.Mails("result", 1))...),
		"what is out can be settled")
	require.Equal(t, "n-0000", r.Next().Message.ID)
	_, err = ch.QueueDelete("results", false, false, false)
	require.NoError(t, err)
	rabbittest.Publish(t, q, "results", rabbittest.Mails("n", 1)...)
	require.Equal(t, 1, rabbittest.Waiting(t, ch, "results"))

	// The queues for delayed mail, too.
	late := rabbittest.Mail("late")
	late.NextAttempt = time.Now().Add(40 * time.Second)
	rabbittest.Publish(t, q, "outbox", late)
	_, err = ch.QueueDelete("outbox.delay.30s", false, false, false)
	require.NoError(t, err)
	rabbittest.Publish(t, q, "outbox", late)
}

func TestDeclaredDifferently(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	ch := rabbittest.Stranger(t, address)
	_, err := ch.QueueDeclare("outbox", true, false, false, false, amqp.Table{"x-max-priority": int32(7)})
	require.NoError(t, err)
	log := new(rabbittest.Notes)
	q := open(t, Options{Addresses: []string{address}, Logger: log.Logger()})
	// Whoever published here first used it as it is: queues for the results of single messages are often made by
	// others.
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("m", 3)...)
	rabbittest.AwaitWaiting(t, ch, "outbox", 3)
	require.Equal(t, 1, strings.Count(log.String(), "declared differently"), "%v", log)
	for what, err := range map[string]error{
		"declare": q.Declare(t.Context(), "results", "outbox"),
		"consume": q.Consume(t.Context(), "outbox", queue.ConsumeOptions{}, func(*queue.Delivery) {}),
	} {
		require.ErrorIs(t, err, queue.ErrRefused, what)
		require.ErrorIs(t, err, queue.ErrUnavailable, what)
		require.ErrorContains(t, err, `queue "outbox" exists and was declared differently`, what)
		require.ErrorContains(t, err, "x-max-priority", what)
		require.ErrorContains(t, err, "rabbitmq-declare", what)
	}
	for what, name := range map[string]string{"too long": strings.Repeat("n", 256), "reserved": "amq.results"} {
		err := q.Publish(t.Context(), rabbittest.Items(name, rabbittest.Mails("m", 1))...)
		require.ErrorIs(t, err, queue.ErrRefused, what)
	}
	rabbittest.Publish(t, q, strings.Repeat("n", 255), rabbittest.Mail("m"))
	as := open(t, Options{Addresses: []string{address}, NoDeclare: true})
	rabbittest.Publish(t, as, "outbox", rabbittest.Mails("m", 1)...)
	require.NoError(t, rabbittest.Consume(t, as, "outbox", 0).Next().Settle(t.Context()))
	require.NoError(t, as.Declare(t.Context(), "outbox"))
	require.ErrorContains(t, as.Declare(t.Context(), "outbox", "nowhere"), `there is no queue "nowhere"`)
	err = as.Publish(t.Context(), rabbittest.Items("nowhere", rabbittest.Mails("m", 1))...)
	require.ErrorIs(t, err, queue.ErrUnavailable)
	require.ErrorContains(t, err, `there is no queue "nowhere"`)
	err = as.Consume(t.Context(), "nowhere", queue.ConsumeOptions{}, func(*queue.Delivery) {})
	require.ErrorContains(t, err, `there is no queue "nowhere"`)
}
