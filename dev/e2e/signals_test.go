package e2e

import (
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
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

// TestStopsWhileItStarts: a broker that says nothing makes the start long. Meanwhile no port answers, and SIGTERM is
// obeyed at once.
func TestStopsWhileItStarts(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	asked := make(chan net.Conn, 1)
	go func() {
		if c, err := silent.Accept(); err == nil {
			asked <- c
		}
	}()
	dir := t.TempDir()
	port, www, metrics := mtatest.FreePort(t), mtatest.FreePort(t), mtatest.FreePort(t)
	d := mtatest.Launch(t, mtatest.Settings{
		"smtp-ip": "127.0.0.1", "smtp-port": port, "smtp-range": "127.0.0.0/8", "queue-address": "disk://" + dir + "/queue",
		"database-address": "sqlite://" + dir + "/settings.db", "www-ip": "127.0.0.1", "www-port": www, "www-password": "x",
		"metrics-address":  "127.0.0.1:" + metrics,
		"rabbitmq-address": "amqp://guest:guest@" + silent.Addr().String() + "/", "lock": dir + "/pid",
	})
	select {
	case c := <-asked:
		defer c.Close()
	case <-time.After(mtatest.Patience):
		require.FailNow(t, "it does not ask the broker", "%s", d.Log.String())
	}
	for _, p := range []string{port, www, metrics} {
		_, err := net.DialTimeout("tcp", "127.0.0.1:"+p, mtatest.Patience)
		require.ErrorIs(t, err, syscall.ECONNREFUSED, "nobody is let in yet")
	}
	require.NoError(t, d.Cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, d.Exit(t, 10*time.Second), "exit code after SIGTERM: %s", d.Log.String())
	require.NoFileExists(t, dir+"/pid")
}
