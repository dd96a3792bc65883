package smtpin

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/monitor"
)

// TestSuspend turns clients of one listener away, and neither those of another nor a session under way.
func TestSuspend(t *testing.T) {
	live := &monitor.Live{}
	s := &Server{Backend: &recorder{}, Monitor: live}
	first, second := &Listener{Name: "smtp"}, &Listener{Name: "submission"}
	addresses := map[*Listener]string{}
	ended := make(chan error, 2)
	for _, policy := range []*Listener{first, second} {
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addresses[policy] = socket.Addr().String()
		go func() { ended <- s.ServeListener(socket, policy) }()
	}
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		for range 2 {
			require.ErrorIs(t, <-ended, ErrServerClosed)
		}
	})
	before := dial(t, addresses[first])
	before.expect("", "220")
	require.False(t, s.Suspended(first))

	s.Suspend(first, true)
	s.Suspend(first, true)
	require.True(t, s.Suspended(first))
	require.False(t, s.Suspended(second))
	turned := dial(t, addresses[first])
	require.Equal(t, "421 4.3.2 This service is stopped for a while, try again later", turned.line())
	require.Equal(t, "", turned.line(), "closed")
	before.expect("NOOP\r\n", "250")
	dial(t, addresses[second]).expect("", "220")

	s.Suspend(first, false)
	dial(t, addresses[first]).expect("", "220")
	require.Eventually(t, func() bool { return live.Snapshot(monitor.Filter{}).Sum.Unwelcome == 1 }, 5*time.Second,
		20*time.Millisecond)
}

// TestSuspendTLS closes the connection without a word to clients that expect TLS from the first byte.
func TestSuspendTLS(t *testing.T) {
	s := &Server{Backend: &recorder{}}
	policy := &Listener{ImplicitTLS: true}
	s.Suspend(policy, true)
	address := serve(t, s, policy)
	require.Equal(t, "", dial(t, address).line())
}
