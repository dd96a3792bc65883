package rabbitmq

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/queue"
)

func TestInspection(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	q := open(t, Options{Addresses: []string{address}})
	late := rabbittest.Mail("late")
	late.NextAttempt = time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	rabbittest.Publish(t, q, "outbox", rabbittest.Mails("m", 4)...)
	rabbittest.Publish(t, q, "results", rabbittest.Mail("result"))
	r := rabbittest.Consume(t, q, "outbox", 2)
	out := r.Take(2)
	rabbittest.Publish(t, q, "outbox", late)
	require.NoError(t, q.Park(t.Context(), out[0], "example.com"))
	more := r.Next()
	stats, err := q.Queues(t.Context())
	require.NoError(t, err)
	require.Equal(t, []queue.Stats{{Queue: "outbox", Ready: 1, Delayed: 1, Parked: 1, Out: 2},
		{Queue: "results", Ready: 1}}, stats)

	listed := func(f queue.Filter) map[string]queue.State {
		t.Helper()
		entries, next, err := q.List(t.Context(), f, "", 0)
		require.NoError(t, err)
		require.Empty(t, next)
		states := make(map[string]queue.State)
		for _, e := range entries {
			states[e.ID] = e.State
		}
		return states
	}
	require.Equal(t, map[string]queue.State{"m-0000": queue.Parked, "m-0001": queue.Out, "m-0002": queue.Out,
		"m-0003": queue.Ready,
		"late":   queue.Delayed, "result": queue.Ready}, listed(queue.Filter{}))
	require.Equal(t, map[string]queue.State{"m-0003": queue.Ready},
		listed(queue.Filter{Queue: "outbox", State: queue.Ready}))
	entries, next, err := q.List(t.Context(), queue.Filter{}, "", 4)
	require.NoError(t, err)
	require.Len(t, entries, 4)
	entries, next, err = q.List(t.Context(), queue.Filter{}, next, 4)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Empty(t, next)
	_, _, err = q.List(t.Context(), queue.Filter{}, "x", 4)
	require.ErrorContains(t, err, "no cursor")

	m, err := q.Peek(t.Context(), "late")
	require.NoError(t, err)
	require.Equal(t, late, m)
	_, err = q.Peek(t.Context(), "nobody")
	require.ErrorIs(t, err, queue.ErrNotFound)

	n, err := q.Move(t.Context(), queue.Filter{Queue: "results"}, "aside")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, "result", rabbittest.Consume(t, q, "aside", 0).Next().Message.ID)
	n, err = q.Purge(t.Context(), queue.Filter{ID: "m-0003"})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = q.RetryNow(t.Context(), queue.Filter{Queue: "outbox"})
	require.NoError(t, err)
	require.Equal(t, 2, n, "the delayed one and the parked one")
	require.NoError(t, out[1].Settle(t.Context()))
	require.NoError(t, more.Settle(t.Context()))
	got := map[string]bool{}
	for _, d := range r.Take(2) {
		got[d.Message.ID] = true
		require.NoError(t, d.Settle(t.Context()))
	}
	require.Equal(t, map[string]bool{"late": true, "m-0000": true}, got)
	r.None()
	parked, err := q.Parked(t.Context(), "outbox")
	require.NoError(t, err)
	require.Empty(t, parked)
}
