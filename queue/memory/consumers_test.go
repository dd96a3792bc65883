package memory

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

func TestConsumers(t *testing.T) {
	q := new(Queue)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- q.Consume(ctx, "outbox", queue.ConsumeOptions{}, func(*queue.Delivery) {}) }()
	readers := func(n int) func() bool {
		return func() bool {
			all, err := q.Consumers(t.Context())
			return err == nil && all["outbox"] == n
		}
	}
	require.Eventually(t, readers(1), 5*time.Second, time.Millisecond)
	stop()
	<-ended
	require.Eventually(t, readers(0), 5*time.Second, time.Millisecond)
	require.NoError(t, q.Close())
	_, err := q.Consumers(t.Context())
	require.ErrorIs(t, err, queue.ErrClosed)
}
