package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

func TestMailIsDelivered(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		w.publish(mail("someone@example.com"))
		w.settled()
		require.Equal(t, []string{"someone@example.com"}, w.sender.recipients())
		require.Zero(t, w.left("outbox"), "left in the outbox")
		m := w.one("success")
		require.Equal(t, []string{"message/accepted 250"}, pairs(m))
		require.Nil(t, m.Body, "results go without the mail")
		require.Equal(t, pairs(m), pairs(w.one("results")))
		require.Zero(t, w.left("failure"))
		w.shutDown()
		require.Equal(t, 1, w.events.count(monitor.Delivered))
	})
}

// The events of an attempt say since when the message waits and how long its parts took; those of its connection belong
// to the first mail over it.
func TestEventsHaveTimes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		opening := monitor.Stages{Connect: time.Second, Greeting: 2 * time.Second, TLS: 3 * time.Second}
		w.sender.opening = opening
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			tx.Stages = monitor.Stages{Envelope: 4 * time.Second, Mail: 5 * time.Second}
			c.accept(tx)
		}
		received := time.Now().Add(-time.Hour)
		first, second := mail("a@example.com"), mail("b@example.com")
		first.Received, second.Received, second.HoldUntil = received, received, received.Add(time.Minute)
		w.start()
		for _, m := range []*queue.Message{first, second} {
			w.publish(m)
			w.settled()
		}
		w.shutDown()
		require.Equal(t, opening, w.events.all(monitor.ConnReady)[0].Stages)
		tried, delivered := w.events.all(monitor.Attempted), w.events.all(monitor.Delivered)
		require.Len(t, tried, 2)
		for i, since := range []time.Time{received, received.Add(time.Minute)} {
			require.True(t, since.Equal(tried[i].Since))
			require.True(t, since.Equal(delivered[i].Since))
			require.Equal(t, 9*time.Second, delivered[i].Stages.Attempt())
		}
		require.Equal(t, opening.TLS, delivered[0].Stages.TLS)
		require.Zero(t, delivered[1].Stages.TLS)
	})
}

func TestManyMailsGoOnceEach(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		const n = 3000 // more than fit into memory
		w.sender.mail = func(ctx context.Context, c *conn, tx *delivery.Transaction) {
			if c.sleep(ctx, tx, 10*time.Millisecond) {
				c.accept(tx)
			}
		}
		w.publishMany(n, "example.com")
		w.start()
		w.sleep(10 * time.Second)
		require.Equal(t, n, w.sender.count())
		require.Equal(t, n, w.stats("success").Ready)
		require.Zero(t, w.left("outbox"))
		w.shutDown()
	})
}

func TestTemporaryRefusalIsRetried(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Retry.Intervals = []time.Duration{time.Minute, 5 * time.Minute}
		begun := time.Now()
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			if len(tx.Message.Results) < 3 {
				c.reply(tx, queue.StateRcptTo, 451, "later")
			} else {
				c.accept(tx)
			}
		}
		w.start()
		w.publish(mail("someone@example.com"))
		w.sleep(time.Hour)
		var after []time.Duration
		for _, s := range w.sender.all() {
			after = append(after, s.at.Sub(begun).Round(time.Second))
		}
		require.Equal(t, []time.Duration{0, time.Minute, 6 * time.Minute, 11 * time.Minute}, after)
		require.Len(t, w.one("success").Results, 4)
		require.Len(t, w.take("retry"), 3)
		w.shutDown()
	})
}
