package rabbitmq

import (
	"context"
	"strings"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/queue"
)

// The benchmarks move persistent mails of 10 KiB: published with a confirmation, read, and settled with a result, which
// is published with a confirmation before the acknowledgement. Inflight is how many go on at a time.
const inflight = 64

func BenchmarkPublishSettle(b *testing.B) {
	q := open(b, Options{Addresses: []string{node.VHost(b)}})
	require.NoError(b, q.Declare(b.Context(), "outbox", "results"))
	body := queue.Bytes(strings.Repeat("0123456789abcd\r\n", 640))
	settled := make(chan struct{}, b.N+inflight)
	ctx, cancel := context.WithCancel(b.Context())
	var tasks sync.WaitGroup
	work := make(chan *queue.Delivery, queue.DefaultPrefetch)
	tasks.Go(func() {
		_ = q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) { work <- d })
		close(work)
	})
	for range inflight {
		tasks.Go(func() {
			for d := range work {
				d.Message.Body = nil
				if err := d.Settle(context.Background(), queue.Item{Queue: "results", Message: d.Message}); err != nil {
					b.Error(err)
				}
				settled <- struct{}{}
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	each(b.N, func() {
		m := rabbittest.Mail("m")
		m.Body = body
		if err := q.Publish(ctx, queue.Item{Queue: "outbox", Message: m}); err != nil {
			b.Error(err)
		}
	})
	for range b.N {
		<-settled
	}
	b.StopTimer()
	cancel()
	tasks.Wait()
}

// BenchmarkBare does the same with nothing but the client library, on bytes that were made before.
func BenchmarkBare(b *testing.B) {
	address := node.VHost(b)
	q := open(b, Options{Addresses: []string{address}})
	require.NoError(b, q.Declare(b.Context(), "outbox", "results"))
	m := rabbittest.Mail("m")
	large, err := queue.AppendJSON(nil, &queue.Message{ID: "m", Recipient: m.Recipient,
		Body: queue.Bytes(strings.Repeat("0123456789abcd\r\n", 640))})
	require.NoError(b, err)
	small, err := queue.AppendJSON(nil, &queue.Message{ID: "m", Recipient: m.Recipient})
	require.NoError(b, err)
	out, reading := rabbittest.Stranger(b, address), rabbittest.Stranger(b, address)
	require.NoError(b, out.Confirm(false))
	require.NoError(b, reading.Qos(queue.DefaultPrefetch, 0, false))
	deliveries, err := reading.Consume("outbox", "", false, false, false, false, nil)
	require.NoError(b, err)
	publish := func(key string, body []byte) {
		c, err := out.PublishWithDeferredConfirm("", key, true, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
		if err != nil || !c.Wait() {
			b.Error("not confirmed", err)
		}
	}
	settled := make(chan struct{}, b.N+inflight)
	stop := make(chan struct{})
	var tasks sync.WaitGroup
	for range inflight {
		tasks.Go(func() {
			for {
				select {
				case d := <-deliveries:
					publish("results", small)
					_ = d.Ack(false)
					settled <- struct{}{}
				case <-stop:
					return
				}
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	each(b.N, func() { publish("outbox", large) })
	for range b.N {
		<-settled
	}
	b.StopTimer()
	close(stop)
	tasks.Wait()
}

// each calls f n times, in several goroutines.
func each(n int, f func()) {
	var tasks sync.WaitGroup
	turns := make(chan struct{}, n)
	for range n {
		turns <- struct{}{}
	}
	close(turns)
	for range inflight {
		tasks.Go(func() {
			for range turns {
				f()
			}
		})
	}
	tasks.Wait()
}
