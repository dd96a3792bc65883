package smtpin

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/semaphore"
)

// dialFrom is dial from an address of its own.
func dialFrom(t *testing.T, source, address string) *client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	nc, err := d.Dial("tcp", address)
	require.NoError(t, err)
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { nc.Close() })
	return &client{t: t, Conn: nc}
}

// waits waits until so many connections of clients with too many are in line.
func waits(t *testing.T, s *Server, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.clients.mu.Lock()
		defer s.clients.mu.Unlock()
		return s.clients.waiting == n
	}, 20*time.Second, time.Millisecond)
}

func TestTooManyOfAClientAreRejected(t *testing.T) {
	address := serve(t, &Server{Backend: &recorder{}, ConnectionsPerClient: 2, Busy: BusyReject}, nil)
	first, second := dial(t, address), dial(t, address)
	first.expect("", "220")
	second.expect("", "220")
	third := dial(t, address)
	require.Equal(t, "421 4.7.0 Too many connections from your address", third.line())
	first.expect("QUIT\r\n", "221")
	require.Equal(t, "", first.line())
	require.Eventually(t, func() bool {
		c := dial(t, address)
		defer c.Close()
		return strings.HasPrefix(c.line(), "220")
	}, 5*time.Second, 10*time.Millisecond)
}

// TestTooManyOfAClientWait: in order, and without a slot, so that they are in nobody's way.
func TestTooManyOfAClientWait(t *testing.T) {
	s := &Server{Backend: &recorder{}, ConnectionsPerClient: 2, Slots: make(semaphore.Semaphore, 3)}
	address := serve(t, s, nil)
	first, second := dial(t, address), dial(t, address)
	first.expect("", "220")
	second.expect("", "220")
	third := dial(t, address)
	waits(t, s, 1)
	fourth := dial(t, address)
	waits(t, s, 2)
	other := dialFrom(t, "127.0.0.2", address)
	other.expect("", "220")
	first.expect("QUIT\r\n", "221")
	third.expect("", "220")
	waits(t, s, 1)
	other.expect("QUIT\r\n", "221")
	third.expect("QUIT\r\n", "221")
	fourth.expect("", "220")
	fourth.expect("QUIT\r\n", "221")
	second.expect("QUIT\r\n", "221")
	require.Eventually(t, func() bool {
		s.clients.mu.Lock()
		defer s.clients.mu.Unlock()
		return len(s.clients.byKey) == 0
	}, 20*time.Second, time.Millisecond, "nothing is left of them")
}

func TestWaitingEnds(t *testing.T) {
	t.Run("in time", func(t *testing.T) {
		s := &Server{Backend: &recorder{}, ConnectionsPerClient: 1, Timeout: time.Second, MaxCommands: 1 << 30}
		address := serve(t, s, nil)
		first := dial(t, address)
		first.expect("", "220")
		second := dial(t, address)
		waits(t, s, 1)
		answer := make(chan string)
		go func() { answer <- second.line() }()
		for {
			select {
			case line := <-answer:
				require.Equal(t, "421 4.7.0 Too many connections from your address", line)
				waits(t, s, 0)
				return
			default:
				first.expect("NOOP\r\n", "250") // the first stays
			}
		}
	})
	t.Run("with the server", func(t *testing.T) {
		s := &Server{Backend: &recorder{}, ConnectionsPerClient: 1}
		address := serve(t, s, nil)
		first := dial(t, address)
		first.expect("", "220")
		second := dial(t, address)
		waits(t, s, 1)
		require.NoError(t, s.Shutdown(t.Context()))
		second.expect("", "421")
		first.expect("", "421")
	})
	t.Run("and few may", func(t *testing.T) {
		s := &Server{Backend: &recorder{}, ConnectionsPerClient: 1}
		address := serve(t, s, nil)
		dial(t, address).expect("", "220")
		for range maxWaiting {
			dial(t, address)
		}
		waits(t, s, maxWaiting)
		dial(t, address).expect("", "421")
	})
}

// TestUncapped has those who may have any number not counted, from the start or once they have logged in.
func TestUncapped(t *testing.T) {
	s := &Server{Backend: &recorder{auth: true}, ConnectionsPerClient: 1, Busy: BusyReject}
	s.Uncapped = func(c *Conn) bool { return c.User() != "" || c.Remote().Addr() == netip.MustParseAddr("127.0.0.2") }
	address := serve(t, s, nil)
	for range 5 {
		dialFrom(t, "127.0.0.2", address).expect("", "220")
	}
	first := dial(t, address)
	first.expect("", "220")
	dial(t, address).expect("", "421")
	first.expect("EHLO client.test\r\n"+loginAsUser, "250", "235")
	second := dial(t, address)
	second.expect("", "220")
	dial(t, address).expect("", "421")
	first.expect("QUIT\r\n", "221")
	dial(t, address).expect("", "421")
	second.expect("EHLO client.test\r\nAUTH PLAIN AHVzZXIAd3Jvbmc=\r\n", "250", "535")
	dial(t, address).expect("", "421")
}

func TestClientKeys(t *testing.T) {
	for a, want := range map[string]string{"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::",
		"2001:db8::2": "2001:db8::", "2001:db8:0:1::1": "2001:db8:0:1::"} {
		require.Equal(t, netip.MustParseAddr(want), clientKey(netip.MustParseAddr(a)))
	}
}

// TestGivingUpAPlace: one that was granted in the same moment goes to the next.
func TestGivingUpAPlace(t *testing.T) {
	var c clients
	key := netip.MustParseAddr("192.0.2.1")
	_, ok := c.enter(key, 1, true)
	require.True(t, ok)
	first, _ := c.enter(key, 1, true)
	second, _ := c.enter(key, 1, true)
	third, _ := c.enter(key, 1, true)
	require.True(t, c.giveUp(key, second))
	c.leave(key)
	<-first
	require.False(t, c.giveUp(key, first), "it is counted")
	c.leave(key)
	<-third
	c.leave(key)
	require.Empty(t, c.byKey)
	require.False(t, c.giveUp(key, third))
	require.Zero(t, c.waiting)
}
