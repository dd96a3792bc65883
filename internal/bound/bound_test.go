package bound

import (
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dials reports whether a port lets clients in.
func dials(t *testing.T, address string) bool {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err == nil {
		c.Close()
		return true
	}
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	return false
}

func TestClientsComeInLast(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0", "0.0.0.0:0", "[::]:0", "localhost:0"} {
		l, err := Bind("tcp", address)
		require.NoError(t, err, address)
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		require.NotEqual(t, "0", port)
		host := "127.0.0.1"
		if address == "[::1]:0" {
			host = "::1"
		}
		require.False(t, dials(t, net.JoinHostPort(host, port)), "%s does not listen yet", address)
		require.NoError(t, l.Listen())
		require.NoError(t, l.Listen(), "again")
		require.True(t, dials(t, net.JoinHostPort(host, port)), address)
		c, err := l.Accept()
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.NoError(t, l.Close())
		require.False(t, dials(t, net.JoinHostPort(host, port)), "%s is closed", address)
		require.ErrorIs(t, l.Close(), net.ErrClosed)
		_, err = l.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
	}
}

// TestBothFamilies: a port without a host is one of IPv4 and IPv6.
func TestBothFamilies(t *testing.T) {
	l, err := Bind("tcp", ":0")
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, l.Listen())
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	require.True(t, dials(t, "127.0.0.1:"+port))
	require.True(t, dials(t, "[::1]:"+port))
}

// TestTaken: an address that another one listens on is refused at once, in the words of net.Listen; one that another
// one has bound only, by whoever listens second.
func TestTaken(t *testing.T) {
	first, err := Bind("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer first.Close()
	second, err := Bind("tcp", first.Addr().String())
	require.NoError(t, err)
	defer second.Close()
	require.NoError(t, first.Listen())
	err = second.Listen()
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.Contains(t, err.Error(), first.Addr().String())

	_, err = Bind("tcp", first.Addr().String())
	_, want := net.Listen("tcp", first.Addr().String())
	require.Equal(t, want.Error(), err.Error())
	_, err = Bind("tcp", "127.0.0.1:99999")
	require.Error(t, err)
	_, err = Bind("tcp", "[fe80::1%nosuch]:0")
	require.Error(t, err)
}

func TestClosedBeforeItListens(t *testing.T) {
	l, err := Bind("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Listen(), net.ErrClosed)
	again, err := Bind("tcp", l.Addr().String())
	require.NoError(t, err, "the address is free")
	require.NoError(t, again.Close())
}
