package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// picky is a queue that refuses some successors for good.
type picky struct {
	queue.Queue
	refuse func(queue.Item) error
}

func (p *picky) Consume(ctx context.Context, name string, o queue.ConsumeOptions, handle func(*queue.Delivery)) error {
	return p.Queue.Consume(ctx, name, o, func(d *queue.Delivery) {
		outer := queue.NewDelivery(&pickyDriver{p, d})
		outer.Queue, outer.Message, outer.Picked = d.Queue, d.Message, d.Picked
		handle(outer)
	})
}

type pickyDriver struct {
	*picky
	inner *queue.Delivery
}

func (d *pickyDriver) Settle(ctx context.Context, _ *queue.Delivery, items []queue.Item) error {
	for _, item := range items {
		if err := d.refuse(item); err != nil {
			return err
		}
	}
	return d.inner.Settle(ctx, items...)
}

func (d *pickyDriver) Release(ctx context.Context, _ *queue.Delivery) error {
	return d.inner.Release(ctx)
}

// TestQueueOfAMessageThatCannotBeUsed names queues that the engine can never publish to.
func TestQueueOfAMessageThatCannotBeUsed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Queue = &picky{w.queue, func(item queue.Item) error {
			if item.Queue == "forbidden" {
				return fmt.Errorf("%w: %w", queue.ErrUnavailable, queue.ErrRefused)
			}
			return nil
		}}
		w.publish(&queue.Message{ID: "m", Recipient: "a@site.example", Body: queue.Bytes("Subject: x\r\n\r\n"),
			Queues: &queue.Queues{Results: ptr("forbidden"), Success: ptr("forbidden")}})
		w.start()
		w.sleep(5 * time.Second)
		require.Empty(t, w.take("results"), "it may still become possible")
		w.sleep(10 * time.Minute)
		require.Len(t, w.take("results"), 1)
		require.Len(t, w.take("success"), 1)
		w.shutDown()
		require.Zero(t, w.left("outbox"))
	})
}

// TestTooLargeToBeStored has the queue refuse what holds a mail: a result comes without it, and a retry becomes a
// failure.
func TestTooLargeToBeStored(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Queue = &picky{w.queue, func(item queue.Item) error {
			if item.Message.Body != nil && len(item.Message.Results) > 0 {
				return errors.Join(queue.ErrTooLarge)
			}
			return nil
		}}
		w.publish(&queue.Message{ID: "m", Recipient: "a@site.example", KeepMIME: true,
			Body: queue.Bytes("Subject: x\r\n\r\n")})
		w.start()
		w.sleep(time.Minute)
		require.Nil(t, w.one("results").Body)
		require.Nil(t, w.one("success").Body)

		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.reply(tx, queue.StateRcptTo, 450, "busy")
		}
		w.publish(&queue.Message{ID: "n", Recipient: "a@site.example", KeepMIME: true,
			Body: queue.Bytes("Subject: x\r\n\r\n")})
		w.sleep(time.Minute)
		m := w.one("failure")
		require.Nil(t, m.Body)
		last := m.Results[len(m.Results)-1]
		require.Equal(t, queue.StateStorage, last.State)
		require.Equal(t, queue.Error, last.Result)
		require.Len(t, w.take("results"), 1)
		w.shutDown()
		require.Zero(t, w.left("outbox"))
	})
}

func ptr(s string) *string { return &s }
