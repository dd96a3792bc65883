package memory_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

func mail(id, recipient string) *queue.Message {
	return &queue.Message{ID: id, Recipient: recipient, Body: queue.Bytes("Subject: " + id + "\r\n\r\n")}
}

func publish(t *testing.T, q queue.Queue, messages ...*queue.Message) {
	t.Helper()
	for _, m := range messages {
		require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: m}))
	}
}

// consume hands out deliveries on a channel until the test ends.
func consume(t *testing.T, q queue.Queue, prefetch int) <-chan *queue.Delivery {
	out := make(chan *queue.Delivery, prefetch)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = q.Consume(ctx, "outbox", queue.ConsumeOptions{Prefetch: prefetch}, func(d *queue.Delivery) { out <- d })
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return out
}

func TestDomainsTakeTurns(t *testing.T) {
	q := memory.New()
	for _, domain := range []string{"a.example", "b.example", "C.example"} {
		for i := range 3 {
			publish(t, q, mail(fmt.Sprint(domain[:1], i), "x@"+domain))
		}
	}
	publish(t, q, mail("b3", "x@B.EXAMPLE"))
	out := consume(t, q, 1)
	var got []string
	for range 10 {
		d := <-out
		got = append(got, d.Message.ID)
		require.NoError(t, d.Settle(t.Context()))
	}
	require.Equal(t, []string{"a0", "b0", "C0", "a1", "b1", "C1", "a2", "b2", "C2", "b3"}, got)
}

func TestDelayIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New()
		out := consume(t, q, 10)
		start := time.Now()
		for i, after := range []time.Duration{time.Hour, 1500 * time.Millisecond, 24 * time.Hour, 0, 90 * time.Second} {
			m := mail(fmt.Sprint(i), "a@example.com")
			m.NextAttempt = start.Add(after)
			publish(t, q, m)
		}
		for _, want := range []struct {
			id    string
			after time.Duration
		}{{"3", 0}, {"1", 1500 * time.Millisecond}, {"4", 90 * time.Second}, {"0", time.Hour}, {"2", 24 * time.Hour}} {
			d := <-out
			require.Equal(t, want.id, d.Message.ID)
			require.Equal(t, want.after, time.Since(start))
			require.NoError(t, d.Settle(t.Context()))
		}
		require.NoError(t, q.Close())
	})
}

func TestParkedMailComesBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New()
		out := consume(t, q, 1)
		publish(t, q, mail("first", "a@example.com"), mail("second", "a@example.com"), mail("third", "a@example.com"))
		start := time.Now()
		d := <-out
		require.NoError(t, q.Park(t.Context(), d, "example.com"))
		time.Sleep(time.Minute)
		d = <-out
		require.Equal(t, "second", d.Message.ID)
		require.NoError(t, q.Park(t.Context(), d, "example.com"))
		d = <-out
		require.Equal(t, "third", d.Message.ID)
		require.NoError(t, d.Settle(t.Context()))
		d = <-out
		require.Equal(t, "first", d.Message.ID)
		require.Equal(t, queue.MaxParked, time.Since(start))
		require.NoError(t, d.Settle(t.Context()))
		d = <-out
		require.Equal(t, "second", d.Message.ID)
		require.Equal(t, queue.MaxParked+time.Minute, time.Since(start))
		require.NoError(t, q.Close())
	})
}

func TestUnparkedMailDoesNotComeBackTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New()
		out := consume(t, q, 5)
		publish(t, q, mail("m", "a@example.com"))
		require.NoError(t, q.Park(t.Context(), <-out, "k"))
		n, err := q.Unpark(t.Context(), "outbox", "k", 1)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		d := <-out
		time.Sleep(2 * queue.MaxParked)
		synctest.Wait()
		require.Empty(t, out)
		require.NoError(t, d.Settle(t.Context()))
		require.NoError(t, q.Close())
	})
}

func TestLimits(t *testing.T) {
	item := func(id string, body queue.Body) queue.Item {
		return queue.Item{Queue: "outbox", Message: &queue.Message{ID: id, Recipient: "a@b", Body: body}}
	}
	body := queue.Bytes(make([]byte, 600))
	q := &memory.Queue{MaxMessages: 3, MaxBytes: 1000}
	ctx := t.Context()
	require.NoError(t, q.Publish(ctx, item("1", body), item("2", body)), "a shared body counts once")
	require.ErrorIs(t, q.Publish(ctx, item("3", queue.Bytes(make([]byte, 600)))), queue.ErrFull, "bytes")
	require.ErrorIs(t, q.Publish(ctx, item("3", queue.Bytes(make([]byte, 1001)))), queue.ErrTooLarge)
	require.ErrorIs(t, q.Publish(ctx, item("3", nil), item("4", nil)), queue.ErrFull, "messages")
	require.NoError(t, q.Publish(ctx, item("3", queue.Bytes(make([]byte, 400)))))

	// A full queue drains: results may go beyond the limit while their message is settled.
	out := consume(t, q, 3)
	d := <-out
	result := queue.Item{Queue: "results", Message: d.Message}
	require.NoError(t, d.Settle(ctx, result, result))
	require.ErrorIs(t, q.Publish(ctx, item("5", nil)), queue.ErrFull)
	n, err := q.Purge(ctx, queue.Filter{Queue: "results"})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.ErrorIs(t, q.Publish(ctx, item("5", body)), queue.ErrFull, "the other recipient's body is still there")
	require.NoError(t, (<-out).Settle(ctx))
	require.NoError(t, q.Publish(ctx, item("5", queue.Bytes(make([]byte, 600)))), "what was settled makes room")
	require.NoError(t, q.Close())
}

func TestStoredStaysTheSameOverRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New()
		out := consume(t, q, 1)
		start := time.Now()
		publish(t, q, mail("m", "a@example.com"))
		d := <-out
		time.Sleep(time.Hour)
		retry := *d.Message
		retry.NextAttempt = time.Now().Add(time.Hour)
		require.NoError(t, d.Settle(t.Context(), queue.Item{Queue: "outbox", Message: &retry},
			queue.Item{Queue: "dsn", Message: mail("bounce", "")}))
		entries, _, err := q.List(t.Context(), queue.Filter{}, "", 0)
		require.NoError(t, err)
		require.Len(t, entries, 2)
		require.Equal(t, start, entries[0].Stored)
		require.Equal(t, start.Add(time.Hour), entries[1].Stored)
		entries, _, err = q.List(t.Context(), queue.Filter{OlderThan: 30 * time.Minute}, "", 0)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		entries, _, err = q.List(t.Context(), queue.Filter{NewerThan: 30 * time.Minute}, "", 0)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		require.NoError(t, q.Close())
	})
}

func TestForeignDeliveriesAndCursorsAreRefused(t *testing.T) {
	q, other := memory.New(), memory.New()
	publish(t, other, mail("m", "a@b"))
	d := <-consume(t, other, 1)
	require.ErrorContains(t, q.Park(t.Context(), d, "k"), "not one of this queue")
	require.NoError(t, d.Settle(t.Context()), "it is still out where it belongs")
	_, _, err := q.List(t.Context(), queue.Filter{}, "nonsense", 0)
	require.ErrorContains(t, err, `"nonsense" is no cursor`)
}

func TestPublishHeedsAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, memory.New().Publish(ctx, queue.Item{Queue: "outbox", Message: mail("m", "a@b")}), context.Canceled)
}

func TestNamesLeaveNothingBehind(t *testing.T) {
	q := memory.New()
	out := consume(t, q, 1)
	for i := range 100 {
		publish(t, q, mail("m", "a@b"))
		require.NoError(t, (<-out).Settle(t.Context(),
			queue.Item{Queue: fmt.Sprint("results-", i), Message: mail("r", "a@b")}))
	}
	_, err := q.Purge(t.Context(), queue.Filter{})
	require.NoError(t, err)
	stats, err := q.Queues(t.Context())
	require.NoError(t, err)
	require.Equal(t, []queue.Stats{{Queue: "outbox"}}, stats)
}

func BenchmarkPublishSettle(b *testing.B) {
	q := memory.New()
	body := queue.Bytes(make([]byte, 10_000))
	ctx, cancel := context.WithCancel(b.Context())
	out := make(chan *queue.Delivery, queue.DefaultPrefetch)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(d *queue.Delivery) { out <- d })
	}()
	m := mail("m", "a@example.com")
	m.Body = body
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Publish(ctx, queue.Item{Queue: "outbox", Message: m}); err != nil {
			b.Fatal(err)
		}
		if err := (<-out).Settle(ctx); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	<-ended
}
