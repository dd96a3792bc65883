package rabbittest

import (
	"context"
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// Patience is how long something may take that has to happen. Only failing tests wait that long.
const Patience = 90 * time.Second

// Mail is a short message.
func Mail(id string) *queue.Message {
	return &queue.Message{ID: id, Envelope: "a@example.org", Recipient: "b@example.com",
		Body: queue.Bytes("Subject: " + id + "\r\n\r\nHello\r\n")}
}

// Mails are n short messages, numbered from prefix-0000.
func Mails(prefix string, n int) []*queue.Message {
	list := make([]*queue.Message, n)
	for i := range list {
		list[i] = Mail(fmt.Sprintf("%s-%04d", prefix, i))
	}
	return list
}

// Items puts messages into one queue.
func Items(name string, messages []*queue.Message) []queue.Item {
	list := make([]queue.Item, len(messages))
	for i, m := range messages {
		list[i] = queue.Item{Queue: name, Message: m}
	}
	return list
}

// Publish puts messages into a queue, one after the other.
func Publish(t testing.TB, q queue.Queue, name string, messages ...*queue.Message) {
	t.Helper()
	for _, m := range messages {
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: name, Message: m}))
	}
}

// Reader is a consumer whose deliveries wait to be taken.
type Reader struct {
	t     testing.TB
	ch    chan *queue.Delivery
	ended chan struct{}
	err   error
	stop  context.CancelFunc
}

// Consume reads a queue until the test ends, or Stop.
func Consume(t testing.TB, q queue.Queue, name string, prefetch int) *Reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Reader{t: t, ch: make(chan *queue.Delivery, 10_000), ended: make(chan struct{}), stop: cancel}
	go func() {
		defer close(r.ended)
		r.err = q.Consume(ctx, name, queue.ConsumeOptions{Prefetch: prefetch}, func(d *queue.Delivery) { r.ch <- d })
	}()
	t.Cleanup(r.Stop)
	return r
}

// Stop ends reading.
func (r *Reader) Stop() {
	r.stop()
	<-r.ended
}

// Next waits for a delivery.
func (r *Reader) Next() *queue.Delivery {
	r.t.Helper()
	select {
	case d := <-r.ch:
		return d
	case <-r.ended:
		require.NoError(r.t, r.err, "Consume ended")
	case <-time.After(Patience):
		require.Fail(r.t, "no message came")
	}
	return nil
}

// Take waits for n deliveries.
func (r *Reader) Take(n int) []*queue.Delivery {
	r.t.Helper()
	list := make([]*queue.Delivery, n)
	for i := range list {
		list[i] = r.Next()
	}
	return list
}

// None demands that nothing comes for a while.
func (r *Reader) None() {
	r.t.Helper()
	select {
	case d := <-r.ch:
		require.Failf(r.t, "a message came that must not", "%s %v", d.Message.ID, d.Err)
	case <-time.After(300 * time.Millisecond):
	}
}

// Stranger is a connection of another program to the broker.
func Stranger(t testing.TB, address string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	return ch
}

// Waiting returns how many messages are ready in a queue.
func Waiting(t testing.TB, ch *amqp.Channel, name string) int {
	t.Helper()
	q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
	require.NoError(t, err)
	return q.Messages
}

// AwaitWaiting waits until n messages are ready in a queue: the broker counts a moment later than it confirms.
func AwaitWaiting(t testing.TB, ch *amqp.Channel, name string, n int) {
	t.Helper()
	var got int
	require.Eventually(t, func() bool {
		got = Waiting(t, ch, name)
		return got == n
	}, Patience, 20*time.Millisecond, "%d messages in queue %s", n, name)
}
