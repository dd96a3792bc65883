package smtpout_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
)

// TestCloseOfCountedConnections waits until the remote has closed where somebody counts connections, and not for ever.
func TestCloseOfCountedConnections(t *testing.T) {
	for _, c := range []struct {
		name    string
		counted bool
		linger  time.Duration // of the remote, after QUIT
		want    time.Duration
	}{
		{"nobody counts", false, 300 * time.Millisecond, 0},
		{"counted", true, 300 * time.Millisecond, 300 * time.Millisecond},
		{"a remote that never closes", true, time.Hour, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := newMemPipe(0)
				go func() {
					r := bufio.NewReader(server)
					for _, reply := range []string{"220 mx.test", "250 mx.test", "221 bye"} {
						fmt.Fprintf(server, "%s\r\n", reply)
						if reply != "221 bye" {
							r.ReadString('\n')
						}
					}
					time.Sleep(c.linger)
					server.Close()
				}()
				sender := &smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
					return client,
						nil
				}}
				conn, err := sender.Open(t.Context(),
					&delivery.Hop{Target: netip.MustParseAddrPort("192.0.2.1:25"), Host: "mx.test",
						Hostname: "client.test", Counted: c.counted})
				require.NoError(t, err)
				began := time.Now()
				require.NoError(t, conn.Close())
				require.Equal(t, c.want, time.Since(began))
				time.Sleep(2 * time.Hour)
			})
		})
	}
}
