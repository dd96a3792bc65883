package rabbitmq

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/queuetest"
)

// powers hides what the broker can do only in part.
type powers struct {
	queue.Queue
	queue.Parker
}

func TestContract(t *testing.T) {
	t.Parallel()
	examine(t, Options{MaxPriority: 10, Publishers: 2}, queuetest.Options{})
}

func TestContractWithQuorumQueues(t *testing.T) {
	t.Parallel()
	examine(t, Options{QueueType: Quorum, Consumers: 2, Encoding: "gzip"},
		queuetest.Options{NoPriorities: true, Unordered: true})
}

func examine(t *testing.T, o Options, exam queuetest.Options) {
	node.Server(t)
	opened := func(t *testing.T, address string) queue.Queue {
		o := o
		o.Addresses, o.Logger = []string{address}, rabbittest.Quiet(t)
		q, err := Open(t.Context(), o)
		require.NoError(t, err)
		return powers{q, q}
	}
	exam.Shared, exam.Quiet = true, 200*time.Millisecond
	exam.Reopen = func(t *testing.T, q queue.Queue) queue.Queue {
		require.NoError(t, q.Close())
		return opened(t, q.(powers).Queue.(*Queue).opts.Addresses[0])
	}
	queuetest.Run(t, func(t *testing.T) queue.Queue { return opened(t, node.VHost(t)) }, exam)
}
