package e2e

import (
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestSignalsInTheFirstMoments: as soon as a port answers, SIGHUP and SIGTERM are what they are later.
func TestSignalsInTheFirstMoments(t *testing.T) {
	t.Parallel()
	for range 10 {
		dir := t.TempDir()
		port := strconv.Itoa(testserver.FreePort(t))
		d := mtatest.Launch(t, mtatest.Settings{
			"smtp-ip": "127.0.0.1", "smtp-port": port, "smtp-range": "127.0.0.0/8", "queue-address": "disk://" + dir + "/queue",
			"database-address": "sqlite://" + dir + "/settings.db", "www-port": "0",
		})
		mtatest.Eventually(t, "the port answers", func() bool {
			c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		require.NoError(t, d.Cmd.Process.Signal(syscall.SIGHUP))
		d.Terminate(t)
		require.Contains(t, d.Log.String(), "msg=stopped")
	}
}
