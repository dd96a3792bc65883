package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
)

func TestSlots(t *testing.T) {
	t.Run("idle connections give up theirs", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Slots = throttle.NewSlots(2, 0, 0).Outgoing()
			w.Throttle = &pacer{limits: throttle.Limits{Connection: throttle.PerConnection{Idle: time.Hour}}}
			w.start()
			for _, domain := range []string{"a.test", "b.test", "c.test", "d.test"} {
				w.publish(mail("someone@" + domain))
				w.settled()
				delivered := w.stats("success").Ready
				w.sleep(time.Second)
				require.Equal(t, delivered, w.stats("success").Ready, "at once")
			}
			require.Equal(t, 4, w.stats("success").Ready)
			require.EqualValues(t, 2, w.sender.most.Load())
			require.Equal(t, []string{"c.test", "d.test"}, openSites(w), "the one that was idle longest went first")
			w.shutDown()
		})
	})
	t.Run("paths with many give to those with none", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Slots = throttle.NewSlots(4, 0, 0).Outgoing()
			w.sender.mail = slow(100 * time.Millisecond)
			w.start()
			w.publishMany(900, "big.test")
			w.sleep(time.Second)
			require.EqualValues(t, 4, w.sender.alive.Load())
			w.publish(mail("someone@small.test"))
			w.sleep(500 * time.Millisecond)
			require.Contains(t, w.sender.recipients(), "someone@small.test")
			require.LessOrEqual(t, w.sender.most.Load(), int64(4))
			w.shutDown()
		})
	})
	t.Run("more paths than slots take turns", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Slots = throttle.NewSlots(1, 0, 0).Outgoing()
			w.sender.mail = slow(10 * time.Millisecond)
			w.start()
			for _, domain := range []string{"a.test", "b.test", "c.test"} {
				w.publishMany(300, domain)
			}
			w.sleep(3 * time.Second)
			served := w.served()
			for _, domain := range []string{"a.test", "b.test", "c.test"} {
				require.Greater(t, served[domain], 40, domain)
			}
			w.sleep(time.Minute)
			require.Equal(t, 900, w.stats("success").Ready)
			w.shutDown()
		})
	})
	t.Run("taken by others", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			slots := throttle.NewSlots(1, 0, 0)
			require.True(t, slots.Incoming().TryAcquire())
			w.Slots = slots.Outgoing()
			w.start()
			w.publish(mail("someone@example.com"))
			w.sleep(50 * time.Second)
			require.Zero(t, w.sender.opened.Load())
			require.True(t, w.Explain("example.com")[0].NoSlot)
			slots.Incoming().Release()
			w.settled()
			require.Equal(t, 1, w.stats("success").Ready)
			w.shutDown()
		})
	})
	t.Run("the engine's own", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Prefetch = 4000
			w.sender.mail = slow(time.Minute)
			w.start()
			for i := range 1500 {
				w.publish(mail(fmt.Sprintf("someone@d%d.test", i)))
			}
			w.sleep(time.Second)
			require.EqualValues(t, 1000, w.sender.alive.Load())
		})
	})
}

// openSites are the sites with an open connection, sorted.
func openSites(w *world) (sites []string) {
	for _, p := range w.Paths() {
		if p.Open > 0 {
			sites = append(sites, p.Site)
		}
	}
	return sites
}
