package rabbittest

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
)

// Node is a broker for all the tests of a package, started when the first of them asks for it. TestMain calls End.
type Node struct {
	Config string // added to rabbitmq.conf

	once   sync.Once
	server *testserver.RabbitMQServer
	dir    string
	err    error
	vhosts atomic.Int32
}

// Need skips a test where there is no broker to start.
func Need(t testing.TB) {
	t.Helper()
	testserver.Need(t, "rabbitmq-server", "erl_call")
}

// Warm starts the broker in the background, so that it is there when it is asked for.
func (n *Node) Warm() {
	if testserver.Find("rabbitmq-server") != "" {
		go n.start()
	}
}

func (n *Node) start() {
	n.once.Do(func() {
		if n.dir, n.err = os.MkdirTemp("", "rabbit"); n.err == nil {
			n.server, n.err = testserver.StartRabbitMQ(n.dir, n.Config)
		}
	})
}

// Server returns the broker.
func (n *Node) Server(t testing.TB) *testserver.RabbitMQServer {
	t.Helper()
	Need(t)
	n.start()
	require.NoError(t, n.err)
	return n.server
}

// VHost makes a virtual host for one test and returns its URL.
func (n *Node) VHost(t testing.TB) string {
	t.Helper()
	return n.Server(t).VHost(t, fmt.Sprint("v", n.vhosts.Add(1)))
}

// End kills the broker and removes what it stored.
func (n *Node) End() {
	n.once.Do(func() { n.err = errors.New("the tests have ended") })
	if n.server != nil {
		n.server.End()
	}
	if n.dir != "" {
		os.RemoveAll(n.dir)
	}
}

// Eval evaluates Erlang on the broker.
func (n *Node) Eval(t testing.TB, expression string) string {
	t.Helper()
	out, err := n.Server(t).Eval(expression)
	require.NoError(t, err)
	return out
}

// Remember writes down now what a quorum queue writes down within five seconds of its first declaration. One that is
// younger when the broker is killed gets no leader ever again.
func (n *Node) Remember(t testing.TB) {
	t.Helper()
	out := n.Eval(t, "[dets:sync(T) || T <- [ra_directory_reverse, ra_log_meta]].")
	require.Equal(t, "[ok, ok]", strings.TrimSpace(out))
}
