package delivery_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
)

// TestRoomAtSharedTargets has the hosts of several domains at one address, which takes few connections at a time.
func TestRoomAtSharedTargets(t *testing.T) {
	shared := func(w *world, connections, domains int) (names []string) {
		w.Throttle = local.New(&local.Table{Base: throttle.Limits{Target: throttle.Rates{Connections: connections},
			Connection: throttle.PerConnection{Idle: time.Hour, MinMessages: 1}}})
		for i := range domains {
			name := fmt.Sprintf("d%d.test", i)
			w.router.addresses["mx."+name] = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
			names = append(names, name)
		}
		return names
	}
	t.Run("idle connections make it", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			names := shared(w, 2, 6)
			w.start()
			for i, name := range names {
				w.publish(mail("someone@" + name))
				w.sleep(time.Second)
				require.Equal(t, i+1, w.stats("success").Ready, name)
			}
			require.EqualValues(t, 2, w.sender.most.Load())
			w.shutDown()
		})
	})
	t.Run("busy ones after their share", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			names := shared(w, 1, 3)
			w.sender.mail = slow(100 * time.Millisecond)
			w.start()
			for _, name := range names {
				w.publishMany(300, name)
			}
			w.sleep(30 * time.Second)
			served := w.served()
			for _, name := range names {
				require.Greater(t, served[name], 60, name)
			}
			w.sleep(time.Minute + 5*time.Second)
			require.Equal(t, 900, w.stats("success").Ready, "no time is lost")
			require.EqualValues(t, 1, w.sender.most.Load())
			w.shutDown()
		})
	})
	t.Run("paths with many to those with none", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			names := shared(w, 4, 2)
			w.sender.mail = slow(100 * time.Millisecond)
			w.start()
			w.publishMany(900, names[0])
			w.sleep(time.Second)
			require.EqualValues(t, 4, w.sender.alive.Load())
			w.publishMany(30, names[1])
			w.sleep(4 * time.Second)
			require.Equal(t, 30, w.served()[names[1]])
			require.LessOrEqual(t, w.sender.most.Load(), int64(4))
			w.shutDown()
		})
	})
}

// served counts the mails that each domain was sent.
func (w *world) served() map[string]int {
	served := map[string]int{}
	for _, r := range w.sender.recipients() {
		served[domainOf(r)]++
	}
	return served
}

// TestRoomOnASharedPath has mail of one site over connections of two kinds, which one limit counts.
func TestRoomOnASharedPath(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Throttle = local.New(&local.Table{Base: throttle.Limits{Domain: throttle.Rates{Connections: 1},
			Connection: throttle.PerConnection{Idle: time.Hour}}})
		w.start()
		for i := range 6 {
			m := mail(fmt.Sprintf("r%d@example.com", i))
			if i%2 == 1 {
				m.Security = "forced"
			}
			w.publish(m)
			w.sleep(time.Second)
			require.Equal(t, i+1, w.stats("success").Ready)
		}
		require.EqualValues(t, 1, w.sender.most.Load())
		w.shutDown()
	})
}
