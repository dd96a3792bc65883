package rabbitmq

import (
	"context"
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/queue"
)

// TestDelayedMailIsMovedOverCuts cuts the connections while delayed mail is moved, and demands that all of it comes, at
// its time.
func TestDelayedMailIsMovedOverCuts(t *testing.T) {
	t.Parallel()
	for _, kind := range []QueueType{Classic, Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			address := node.VHost(t)
			p := rabbittest.NewProxy(t, node.Server(t).Address)
			a := open(t, Options{Addresses: []string{p.Through(address)}, QueueType: kind,
				Logger: new(rabbittest.Notes).Logger()})
			const n = 300
			var list []*queue.Message
			for _, m := range rabbittest.Mails("m", n) {
				m.NextAttempt = time.Now().Add(4500 * time.Millisecond)
				list = append(list, m)
			}
			never := rabbittest.Mail("never")
			never.NextAttempt = time.Now().Add(2 * time.Hour)
			require.NoError(t, a.Publish(t.Context(), rabbittest.Items("outbox", append(list, never))...))
			r := rabbittest.Consume(t, a, "outbox", 0)
			came := make(map[string]int)
			twice := 0
			for len(came) < n {
				d := r.Next()
				require.False(t, time.Now().Before(d.Message.NextAttempt), "before its time")
				if came[d.Message.ID]++; came[d.Message.ID] > 1 {
					twice++
				}
				require.NoError(t, d.Settle(t.Context()))
				if len(came) == n/3 {
					p.Cut()
				}
			}
			// Of a copy that was on its way to the broker it is not known whether this has it.
			require.LessOrEqual(t, twice, 2*maxBurst)
			ch := rabbittest.Stranger(t, address)
			for _, step := range []string{"1s", "3s"} {
				rabbittest.AwaitWaiting(t, ch, "outbox.delay."+step, 0)
			}
			r.Stop()
			require.NoError(t, a.Close())
			rabbittest.AwaitWaiting(t, ch, "outbox.delay.1h", 1)
		})
	}
}

// TestMoverHoldsOneAgain makes delayed mail come late, and then in time: of what is not due, several processes could
// not move anything if one of them held it all, and what a cancelled subscription holds is lost with the broker's node.
func TestMoverHoldsOneAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range []QueueType{Classic, Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			address := node.VHost(t)
			q := open(t, Options{Addresses: []string{address}, QueueType: kind})
			r := rabbittest.Consume(t, q, "outbox", 0)
			ch := rabbittest.Stranger(t, address)
			const step = "outbox.delay.30m"
			mail := func(id string, since time.Time) {
				body, err := queue.AppendJSON(nil, rabbittest.Mail(id))
				require.NoError(t, err)
				require.NoError(t, ch.PublishWithContext(t.Context(), "", step, false, false, amqp.Publishing{Body: body,
					MessageId: id, DeliveryMode: amqp.Persistent, Headers: amqp.Table{sinceHeader: since.UnixNano()}}))
			}
			require.NoError(t, q.topology.helper(t.Context(), step))
			const late, early = 200, 2 * maxBurst
			for i := range late {
				mail(fmt.Sprint("late", i), time.Now().Add(-time.Hour))
			}
			for i := range early {
				mail(fmt.Sprint("early", i), time.Now())
			}
			for range late {
				require.NoError(t, r.Next().Settle(t.Context()))
			}
			require.Eventually(t, func() bool { return rabbittest.Waiting(t, ch, step) == early-1 }, holdAtMost*3/4,
				10*time.Millisecond, "the mover holds one of %d, long before it gives back what it holds", early)
			r.None()
		})
	}
}

// TestDelayedMailIsShared has several processes move the same mail.
func TestDelayedMailIsShared(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	all := make(chan *queue.Delivery, 1000)
	for range 3 {
		q := open(t, Options{Addresses: []string{address}})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() {
			ended <- q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) { all <- d })
		}()
		defer func() {
			cancel()
			require.NoError(t, <-ended)
		}()
	}
	q := open(t, Options{Addresses: []string{address}})
	const n = 60
	for i := range n {
		m := rabbittest.Mail(fmt.Sprint(i))
		m.NextAttempt = time.Now().Add(time.Duration(1000+50*(i%40)) * time.Millisecond)
		rabbittest.Publish(t, q, "outbox", m)
	}
	came := make(map[string]int)
	for len(came) < n {
		select {
		case d := <-all:
			require.False(t, time.Now().Before(d.Message.NextAttempt), "before its time")
			came[d.Message.ID]++
			require.Equal(t, 1, came[d.Message.ID])
			require.NoError(t, d.Settle(t.Context()))
		case <-time.After(rabbittest.Patience):
			require.FailNow(t, "no message came", "%d did", len(came))
		}
	}
}
