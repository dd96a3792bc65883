package checks_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
)

// TestAddresses checks where a service is looked for.
func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"localhost:783":                "tcp localhost:783",
		"tcp://host:3310":              "tcp host:3310",
		"unix:///run/clamav/clamd.ctl": "unix /run/clamav/clamd.ctl",
		"unix:/run/x":                  "unix /run/x",
		"/run/x":                       "unix /run/x",
		"":                             "",
		"unix://":                      "",
	} {
		var got string
		s := &checks.Service{Address: address, Dial: func(_ context.Context, network, address string) (net.Conn, error) {
			got = network + " " + address
			return nil, errors.New("no")
		}}
		err := s.Exchange(context.Background(), func(net.Conn) error { return nil })
		require.Error(t, err)
		require.Equal(t, want, got)
		if want == "" {
			require.ErrorContains(t, err, "want host:port, or unix:///path")
		}
		require.False(t, s.State().Up)
		require.Equal(t, address, s.State().Address)
	}
}

// TestUnixSocket has one exchange with a real socket.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err == nil {
			_, _ = io.WriteString(conn, "hello")
			conn.Close()
		}
	}()
	defer func() { l.Close(); <-done }()
	s := &checks.Service{Address: "unix://" + path}
	err = s.Exchange(context.Background(), func(conn net.Conn) error {
		text, err := io.ReadAll(conn)
		require.Equal(t, "hello", string(text))
		return err
	})
	require.NoError(t, err)
	s.SetVersion("Hello 1", "7", time.Time{})
	state := s.State()
	require.True(t, state.Up)
	require.Equal(t, "Hello 1", state.Version)
	require.Contains(t, state.String(), "up since ")
}

// TestConnectionsAreBounded has ten callers and three connections.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &checks.Service{Address: "x:1", Connections: 3, Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			theirs.Close()
			return ours, nil
		}}
		begin := time.Now()
		now, most := make(chan int, 1), 0
		now <- 0
		done := make(chan error)
		for range 10 {
			go func() {
				done <- s.Exchange(context.Background(), func(net.Conn) error {
					n := <-now + 1
					most = max(most, n)
					now <- n
					time.Sleep(time.Second)
					now <- <-now - 1
					return nil
				})
			}()
		}
		for range 10 {
			require.NoError(t, <-done)
		}
		require.Equal(t, 3, most)
		require.Equal(t, 4*time.Second, time.Since(begin))
	})
}
