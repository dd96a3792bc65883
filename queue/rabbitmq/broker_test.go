package rabbitmq

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/rabbittest"
)

// node is the broker of nearly all tests. victim is that of the others.
var node, victim rabbittest.Node

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // they wait for the broker most of the time
	code := m.Run()
	node.End()
	victim.End()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("os/exec.(*Cmd).watchCtx")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// open opens a queue and closes it when the test ends.
func open(t testing.TB, o Options) *Queue {
	t.Helper()
	if o.Logger == nil {
		o.Logger = rabbittest.Quiet(t)
	}
	q, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}
