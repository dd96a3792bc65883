package disk_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
)

// TestTextAmongMany looks for a text that only the newest of very many messages has: pages come soon, with nothing on
// them, and lead to it.
func TestTextAmongMany(t *testing.T) {
	q, err := disk.Open(t.TempDir(), disk.Options{})
	require.NoError(t, err)
	defer q.Close()
	const batch, batches = 1000, 101
	for i := range batches {
		items := make([]queue.Item, batch)
		for j := range items {
			items[j] = queue.Item{Queue: "outbox", Message: &queue.Message{
				ID: fmt.Sprintf("m-%d-%d", i, j), Recipient: "a@example.com"}}
		}
		require.NoError(t, q.Publish(t.Context(), items...))
	}
	last := &queue.Message{ID: "last", Recipient: "a@example.com", Tags: []string{"A-Needle"}}
	require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: last}))
	var found []queue.Entry
	pages, cursor := 0, ""
	for more := true; more; more = cursor != "" {
		entries, next, err := q.List(t.Context(), queue.Filter{Text: "needle"}, cursor, 10)
		require.NoError(t, err)
		require.NotEqual(t, cursor, next, "the cursor moves on")
		found, cursor = append(found, entries...), next
		pages++
	}
	require.Len(t, found, 1)
	require.Equal(t, "last", found[0].ID)
	require.Greater(t, pages, 1)
}
