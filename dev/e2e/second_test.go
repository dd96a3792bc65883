package e2e

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestSecondOnTheSameQueue starts a second mtad on the queue of a running one.
func TestSecondOnTheSameQueue(t *testing.T) {
	t.Parallel()
	k := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Start(t, k.Settings())
	second := mtatest.Launch(t, d.Settings.With(mtatest.Settings{"smtp-port": strconv.Itoa(testserver.FreePort(t))}))
	require.NotZero(t, second.Exit(t, 10*time.Second))
	require.Contains(t, second.Log.String(), d.Queue)
	require.Contains(t, second.Log.String(), fmt.Sprint("process ", d.Cmd.Process.Pid))

	d.Send(t, &smtptest.Source{Messages: 20, Size: 1 << 10})
	k.OnceEach(t, 20)
	d.Terminate(t)
	d = d.Again(t) // the lock is gone with its holder
	d.Terminate(t)
}
