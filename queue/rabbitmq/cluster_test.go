package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
)

// TestClusterLosesANode runs a load on quorum queues of three nodes and kills the one that is connected to.
func TestClusterLosesANode(t *testing.T) {
	if testing.Short() {
		t.Skip("three brokers take long to start")
	}
	needBroker(t)
	first, err := testserver.StartRabbitMQ(t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(first.End)
	nodes := []*testserver.RabbitMQServer{first}
	for range 2 {
		node, err := first.JoinRabbitMQ(t.TempDir(), "")
		require.NoError(t, err)
		t.Cleanup(node.End)
		nodes = append(nodes, node)
	}
	for _, node := range nodes {
		// Dead-lettering that met a queue while this had no leader is tried again after that, by default after 3 minutes.
		_, err := node.Eval("application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 3000).")
		require.NoError(t, err)
	}
	// The first address is that of the node which is killed.
	address := fmt.Sprintf("amqp://guest:guest@%s;%s;%s/", nodes[1].Address, nodes[2].Address, nodes[0].Address)
	log := new(notes)
	q := open(t, Options{Addresses: []string{address}, QueueType: Quorum, Logger: log.logger(), ConfirmTimeout: 10 * time.Second})
	l := &load{t: t, q: q, stored: make(map[string]bool), results: make(map[string]int), handed: make(map[string]int)}
	defer func() {
		if t.Failed() {
			l.mu.Lock()
			t.Log(len(l.stored), len(l.handed), l.refused, l.last, strings.Join(log.lines(), "\n"))
			l.mu.Unlock()
		}
	}()

	ctx, stop := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	for i := range 3 {
		tasks.Go(func() { l.publish(ctx, i) })
	}
	ended := make(chan error, 1)
	consuming, end := context.WithCancel(t.Context())
	go func() { ended <- q.Consume(consuming, "outbox", queue.ConsumeOptions{}, l.handle) }()
	handed := func(n int) func() bool {
		return func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return len(l.handed) >= n
		}
	}
	require.Eventually(t, handed(300), patience, 10*time.Millisecond)
	nodes[1].Kill()
	l.mu.Lock()
	before := len(l.handed)
	l.mu.Unlock()
	require.Eventually(t, handed(before+300), patience, 10*time.Millisecond, "two nodes of three go on")
	stop()
	tasks.Wait()
	l.collect(consume(t, q, "results", 0))
	end()
	if err := <-ended; !errors.Is(err, queue.ErrClosed) {
		require.NoError(t, err)
	}
	t.Logf("%d stored, %d refused", len(l.stored), l.refused)
}
