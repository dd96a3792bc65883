package checks_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
)

// mortal is a scanner that can be down.
type mortal struct {
	checks.Service
	down atomic.Bool
}

func (m *mortal) Name() string { return "virus" }

func (m *mortal) Probe(ctx context.Context) (checks.State, error) {
	err := m.exchange(ctx)
	if err == nil {
		m.SetVersion("Scanner 1", "27000", time.Time{})
	}
	return m.State(), err
}

// scan has a mail scanned.
func (m *mortal) scan() { _ = m.exchange(context.Background()) }

func (m *mortal) exchange(ctx context.Context) error {
	return m.Exchange(ctx, func(net.Conn) error {
		if m.down.Load() {
			return errors.New("it says nothing")
		}
		return nil
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortal{Service: checks.Service{Address: "host:1",
			Dial: func(context.Context, string, string) (net.Conn, error) {
				c, _ := net.Pipe()
				return c, nil
			}}}
		var said bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			checks.Watch(ctx, 0, slog.New(slog.NewTextHandler(&said, nil)), m)
		}()
		synctest.Wait()
		up := time.Now()
		require.Equal(t, checks.State{Address: "host:1", Up: true, Since: up, Version: "Scanner 1", Data: "27000"}, m.State())
		time.Sleep(5*time.Minute + 30*time.Second)
		m.down.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, up.Add(6*time.Minute), m.State().Since)
		require.Equal(t, "host:1: it says nothing", m.State().Problem)
		time.Sleep(2 * time.Minute)
		m.down.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.True(t, m.State().Up)

		time.Sleep(10 * time.Second)
		for i := range 6 { // every other mail is scanned
			m.down.Store(i%2 == 0)
			m.scan()
			synctest.Wait()
			require.Equal(t, i%2 != 0, m.State().Up, "each mail shows how it is")
			require.Equal(t, 4, strings.Count(said.String(), "\n"), "it is told at once, and once an interval")
		}
		m.down.Store(true)
		m.scan()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 4, strings.Count(said.String(), "\n"), "it was down and is down")
		m.down.Store(false)
		m.scan()
		synctest.Wait()
		cancel()
		<-done
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		require.Len(t, lines, 5, said.String())
		require.Contains(t, lines[0], `msg="scanner works" check=virus address=host:1 version="Scanner 1" data=27000`)
		require.Contains(t, lines[1], `msg="scanner is down" check=virus address=host:1 problem="host:1: it says nothing"`)
		require.Contains(t, lines[2], `msg="scanner works"`)
		require.Contains(t, lines[3], `msg="scanner is down" check=virus address=host:1 problem="host:1: it says nothing"`)
		require.Contains(t, lines[4], `msg="scanner works"`)
	})
}
