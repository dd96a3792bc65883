package browser

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestHalfOpenSockets has 10,000 connections to the console that say half of a request and no more. Meanwhile mail
// flows, pages are answered, memory stays bounded; and after the time for a header they are gone.
func TestHalfOpenSockets(t *testing.T) {
	const many = 10_000
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < many+1000 {
		t.Skipf("only %d file descriptors are allowed", limit.Cur)
	}
	port := mtatest.FreePort(t)
	sink := mtatest.NewSink(t, &smtptest.Sink{})
	d := mtatest.Start(t, sink.Settings().With(mtatest.Settings{"www-ip": "127.0.0.1", "www-port": port,
		"www-auth": "hardcoded://operator:" + password}))
	half := openHalf(t, "127.0.0.1:"+port, many)
	d.Send(t, &smtptest.Source{Messages: 500, Size: 1000})
	sink.OnceEach(t, 500)
	client := &http.Client{Timeout: mtatest.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/healthz", "/login"} {
		answer, err := client.Get("http://127.0.0.1:" + port + path)
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, http.StatusOK, answer.StatusCode)
	}
	most := int64(500 << 20)
	if mtatest.RaceDetector {
		most *= 4
	}
	used := d.Memory(t)
	t.Logf("%d MiB of memory, %d KiB for each connection at most", used>>20, used>>10/many)
	require.Less(t, used, most, "bytes of memory")
	for _, conn := range half {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(mtatest.Patience)))
		for {
			if _, err := conn.Read(make([]byte, 512)); err != nil {
				timeout, ok := err.(net.Error)
				require.False(t, ok && timeout.Timeout(), "a connection that says nothing stays")
				break
			}
		}
	}
	d.Terminate(t)
}

// openHalf opens connections that say half of a request each.
func openHalf(t *testing.T, address string, n int) []net.Conn {
	t.Helper()
	all := make([]net.Conn, n)
	var working sync.WaitGroup
	for worker := range 20 {
		working.Go(func() {
			for i := worker; i < n; i += 20 {
				conn, err := net.DialTimeout("tcp", address, mtatest.Patience)
				if err != nil {
					continue
				}
				all[i] = conn
				_, _ = conn.Write([]byte("GET /login HTTP/1.1\r\nHost: x\r\nX-Slow: " + strings.Repeat("z", i%50)))
			}
		})
	}
	working.Wait()
	t.Cleanup(func() {
		for _, conn := range all {
			if conn != nil {
				conn.Close()
			}
		}
	})
	for i, conn := range all {
		require.NotNil(t, conn, "connection %d", i)
	}
	return all
}
