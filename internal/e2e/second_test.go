package e2e

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestSecondOnTheSameQueue starts a second mtad on the queue of a running one.
func TestSecondOnTheSameQueue(t *testing.T) {
	t.Parallel()
	k := newSink(t, &smtptest.Sink{})
	d := start(t, k.settings())
	second := launch(t, d.settings.with(settings{"smtp-port": strconv.Itoa(testserver.FreePort(t))}))
	require.NotZero(t, second.exit(t, 10*time.Second))
	require.Contains(t, second.log.String(), d.queue)
	require.Contains(t, second.log.String(), fmt.Sprint("process ", d.cmd.Process.Pid))

	d.send(t, &smtptest.Source{Messages: 20, Size: 1 << 10})
	k.onceEach(t, 20)
	d.terminate(t)
	d = d.again(t) // the lock is gone with its holder
	d.terminate(t)
}
