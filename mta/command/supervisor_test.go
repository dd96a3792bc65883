package command

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWatchOfWhatHangs gives no sign of life for a part that does not answer.
func TestWatchOfWhatHangs(t *testing.T) {
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	systemd, err := net.ListenUnixgram("unixgram", address)
	require.NoError(t, err)
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", address.Name)
	t.Setenv("WATCHDOG_USEC", "2000")
	asked, answers := make(chan struct{}), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Supervisor{slog.Default()}.Watch(t.Context(), func() {
			asked <- struct{}{}
			<-answers
		})
	}()
	<-asked
	require.NoError(t, systemd.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err = systemd.Read(make([]byte, 64))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	answers <- struct{}{}
	<-asked
	require.NoError(t, systemd.SetReadDeadline(time.Now().Add(time.Minute)))
	told := make([]byte, 64)
	n, err := systemd.Read(told)
	require.NoError(t, err)
	require.Equal(t, "WATCHDOG=1", string(told[:n]))
	close(answers)
	go func() {
		for range asked {
		}
	}()
	t.Cleanup(func() { <-ended; close(asked) })
}
