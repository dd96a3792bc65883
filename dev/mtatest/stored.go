package mtatest

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
)

// OpenQueue opens the queue of an mtad that has ended.
func OpenQueue(t testing.TB, dir string) *disk.Queue {
	t.Helper()
	var q *disk.Queue
	require.NoError(t, unlocked(t, func() (err error) { q, err = disk.Open(dir, disk.Options{}); return err }))
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

// unlocked opens what has the lock of a queue that this process had just now: another test may start a program at this
// moment, which has a copy of the lock until its exec.
func unlocked(t testing.TB, open func() error) (err error) {
	t.Helper()
	Eventually(t, "the queue is free", func() bool { err = open(); return !errors.Is(err, queue.ErrLocked) })
	return err
}

// Stored returns the messages in a queue of an mtad that has ended, which must be n. The queue directory stays in use
// until the test ends.
func Stored(t testing.TB, q *disk.Queue, name string, n int) []*queue.Message {
	t.Helper()
	require.Equal(t, n, Waiting(t, q)[name], "messages in the queue %s", name)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	var messages []*queue.Message
	if n == 0 {
		return nil
	}
	require.NoError(t, q.Consume(ctx, name, queue.ConsumeOptions{Prefetch: n + 1}, func(d *queue.Delivery) {
		if messages = append(messages, d.Message); len(messages) == n {
			cancel()
		}
	}))
	require.Len(t, messages, n)
	return messages
}

// Waiting returns how many messages are in each queue.
func Waiting(t testing.TB, q *disk.Queue) map[string]int {
	t.Helper()
	all, err := q.Queues(t.Context())
	require.NoError(t, err)
	counts := map[string]int{}
	for _, s := range all {
		counts[s.Queue] = s.Ready + s.Delayed + s.Parked + s.Out
	}
	return counts
}

// Occupied returns how many messages are in the queues that are not empty.
func Occupied(t testing.TB, q *disk.Queue) map[string]int {
	t.Helper()
	counts := Waiting(t, q)
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n == 0 })
	return counts
}

// RequireEmpty requires that an mtad that has ended has left nothing in its queues.
func RequireEmpty(t testing.TB, dir string) {
	t.Helper()
	require.Empty(t, Occupied(t, OpenQueue(t, dir)), "messages in queues")
}

// WaitingFor returns how many messages for a domain are in the outbox.
func WaitingFor(t testing.TB, q *disk.Queue, domain string) int {
	t.Helper()
	entries, next, err := q.List(t.Context(), queue.Filter{Queue: "outbox", Domain: domain}, "", 100_000)
	require.NoError(t, err)
	require.Empty(t, next)
	return len(entries)
}
