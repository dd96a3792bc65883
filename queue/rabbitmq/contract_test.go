package rabbitmq

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/queuetest"
)

// powers hides what the broker can do only in part.
type powers struct {
	queue.Queue
	queue.Parker
}

func TestContract(t *testing.T) {
	broker(t)
	opened := func(t *testing.T, address string) queue.Queue {
		q, err := Open(t.Context(), Options{Addresses: []string{address}, MaxPriority: 10, Logger: quiet(t)})
		require.NoError(t, err)
		return powers{q, q}
	}
	queuetest.Run(t, func(t *testing.T) queue.Queue { return opened(t, vhost(t)) }, queuetest.Options{
		Shared: true,
		Quiet:  200 * time.Millisecond,
		Reopen: func(t *testing.T, q queue.Queue) queue.Queue {
			require.NoError(t, q.Close())
			return opened(t, q.(powers).Queue.(*Queue).opts.Addresses[0])
		},
	})
}
