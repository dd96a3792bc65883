package rabbitmq

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/testserver"
)

// node is the one broker of all tests, started when the first of them asks for it.
var node struct {
	once   sync.Once
	server *testserver.RabbitMQServer
	dir    string
	err    error
	vhosts atomic.Int32
}

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // they wait for the broker most of the time
	code := m.Run()
	if node.server != nil {
		node.server.End()
	}
	if node.dir != "" {
		os.RemoveAll(node.dir)
	}
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("os/exec.(*Cmd).watchCtx")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// needBroker skips a test unless SLUICE_RABBITMQ is set: a broker that is killed and cut off time and again needs two cores for
// itself, which it does not have beside all other tests. make test-rabbitmq sets it.
func needBroker(t testing.TB) {
	t.Helper()
	if os.Getenv("SLUICE_RABBITMQ") == "" {
		t.Skip("SLUICE_RABBITMQ is not set: see make test-rabbitmq")
	}
	testserver.Need(t, "rabbitmq-server", "erl_call")
}

func broker(t testing.TB) *testserver.RabbitMQServer {
	t.Helper()
	needBroker(t)
	node.once.Do(func() {
		if node.dir, node.err = os.MkdirTemp("", "rabbit"); node.err == nil {
			node.server, node.err = testserver.StartRabbitMQ(node.dir, "")
		}
	})
	require.NoError(t, node.err)
	return node.server
}

// vhost makes a virtual host for a test and returns its URL.
func vhost(t testing.TB) string {
	t.Helper()
	name := fmt.Sprint("v", node.vhosts.Add(1))
	address := broker(t).VHost(t, name)
	t.Cleanup(func() {
		_, _ = broker(t).Eval(fmt.Sprintf(`rabbit_vhost:delete(<<"%s">>, <<"test">>).`, name)) // restarts take longer with many
	})
	return address
}

// quiet is a logger that shows what happens when the test fails.
func quiet(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// open opens a queue and closes it when the test ends.
func open(t testing.TB, o Options) *Queue {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet(t)
	}
	q, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}
