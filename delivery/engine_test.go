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
