package e2e

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
)

// TestTellsSystemd has mtad tell the socket of systemd when it takes mail, reloads and stops, and that it lives.
func TestTellsSystemd(t *testing.T) {
	t.Parallel()
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	systemd, err := net.ListenUnixgram("unixgram", address)
	require.NoError(t, err)
	defer systemd.Close()
	next := func() string {
		t.Helper()
		require.NoError(t, systemd.SetReadDeadline(time.Now().Add(mtatest.Patience)))
		told := make([]byte, 256)
		n, err := systemd.Read(told)
		require.NoError(t, err)
		return string(told[:n])
	}
	apart := func() string { // from signs of life
		t.Helper()
		for {
			if told := next(); told != "WATCHDOG=1" {
				return told
			}
		}
	}
	d := mtatest.StartWith(t, []string{"NOTIFY_SOCKET=" + address.Name, "WATCHDOG_USEC=100000"}, mtatest.Kept)
	require.Equal(t, "READY=1", next())
	d.Submit(t, "a@client.test", "b@here.test", mtatest.Letters)
	for range 3 {
		require.Equal(t, "WATCHDOG=1", next())
	}
	require.NoError(t, d.Cmd.Process.Signal(syscall.SIGHUP))
	require.True(t, strings.HasPrefix(apart(), "RELOADING=1\nMONOTONIC_USEC="))
	require.Equal(t, "READY=1", apart())
	d.Terminate(t)
	require.Equal(t, "STOPPING=1", apart())
}
