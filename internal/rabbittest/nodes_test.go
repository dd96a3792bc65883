package rabbittest_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue/rabbitmq"
)

// TestClusterLosesANode runs a load on quorum queues of three nodes, kills the one that is connected to for good,
// and demands a result of every message that was stored, delayed ones too.
func TestClusterLosesANode(t *testing.T) {
	if testing.Short() {
		t.Skip("three brokers take long to start")
	}
	nodes := startCluster(t)
	// The first address is that of the node which is killed.
	address := fmt.Sprintf("amqp://guest:guest@%s;%s;%s/", nodes[1].Address, nodes[2].Address, nodes[0].Address)
	q, err := rabbitmq.Open(t.Context(), rabbitmq.Options{Addresses: []string{address}, QueueType: rabbitmq.Quorum,
		Logger: rabbittest.Quiet(t), ConfirmTimeout: 10 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	l := rabbittest.StartLoad(t, q, 3)
	l.Await(300)
	nodes[1].Kill()
	l.Await(300) // two nodes of three go on
	l.Finish()   // and what waited on the ladder comes, too
	t.Log(l)
}

// startCluster starts three nodes.
func startCluster(t *testing.T) []*testserver.RabbitMQServer {
	rabbittest.Need(t)
	first, err := testserver.StartRabbitMQ(t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(first.End)
	nodes := []*testserver.RabbitMQServer{first, nil, nil}
	errs := make([]error, len(nodes))
	var joining sync.WaitGroup
	for i := 1; i < len(nodes); i++ {
		dir := t.TempDir()
		joining.Go(func() { nodes[i], errs[i] = first.JoinRabbitMQ(dir, "") })
	}
	joining.Wait()
	for i, node := range nodes {
		require.NoError(t, errs[i])
		t.Cleanup(node.End)
	}
	return nodes
}
