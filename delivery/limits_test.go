package delivery_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

func TestRoomIsKeptForRetries(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Throttle = &pacer{limits: throttle.Limits{Queue: throttle.PerQueue{Messages: 20, RetryShare: 50}},
			send: every(time.Hour, "maxmessages")}
		w.start()
		for _, recipient := range []string{"first@example.com", "second@example.com"} { // which is the first to wait
			w.publish(mail(recipient))
			w.settled()
		}
		w.publishMany(100, "example.com")
		w.sleep(10 * time.Second)
		require.Equal(t, 10, w.inMemory("example.com"), "half is kept")
		for i := range 20 {
			m := mail(fmt.Sprintf("again%d@example.com", i))
			m.Results = []queue.Result{{State: queue.StateRcptTo, Result: queue.Error, Code: 450}}
			w.publish(m)
		}
		w.sleep(time.Second)
		require.GreaterOrEqual(t, w.inMemory("example.com"), 10)
		w.shutDown()
	})
}

func TestIdleConnectionsOfATargetAreLimited(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Throttle = &pacer{limits: throttle.Limits{Target: throttle.Rates{Idle: 2},
			Connection: throttle.PerConnection{Idle: time.Hour, MinMessages: 1}}}
		w.sender.mail = slow(time.Second)
		w.start()
		w.publishMany(40, "example.com")
		w.sleep(time.Minute)
		require.Equal(t, 40, w.sender.count())
		require.Greater(t, w.sender.most.Load(), int64(2))
		require.EqualValues(t, 2, w.sender.alive.Load())
		w.shutDown()
	})
}

func TestAddressThatCannotBeBoundIsLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Throttle = &pacer{limits: throttle.Limits{Faults: throttle.Faults{BindRetry: 10 * time.Minute}}}
		w.sender.open = func(_ context.Context, hop *delivery.Hop, _ int) error {
			if hop.Source == ip1 {
				time.Sleep(time.Millisecond) // in synthetic time: until all that is published waits
				return failure(queue.StateBind, queue.Error, 451)
			}
			return nil
		}
		w.Sources.Default = []netip.Addr{ip1, ip2}
		w.start()
		w.publishMany(20, "example.com")
		w.sleep(time.Second)
		require.Equal(t, 19, w.sender.count(), "all but the one whose attempt it was")
		w.publishMany(20, "other.test")
		w.sleep(time.Second)
		require.Equal(t, 39, w.sender.count())
		require.Len(t, w.take("retry"), 1)
		w.shutDown()
	})
}

func TestTargetIsLeftAloneAfterAFault(t *testing.T) {
	for name, how := range map[string]queue.Outcome{"lost": queue.Lost, "nonsense": queue.Invalid} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				a, b := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
				w.router.route("site.test", []string{"site.test"}, "a.site.test", "b.site.test")
				w.router.addresses["a.site.test"] = []netip.Addr{a}
				w.router.addresses["b.site.test"] = []netip.Addr{b}
				w.Throttle = &pacer{limits: throttle.Limits{Faults: throttle.Faults{LostOffline: 5 * time.Minute,
					InvalidOffline: 5 * time.Minute}}}
				w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
					if c.hop.Target.Addr() == a {
						c.lose(tx, queue.StateRcptTo, how, false)
						return
					}
					c.accept(tx)
				}
				w.start()
				w.publish(mail("1@site.test"))
				w.sleep(6 * time.Minute)
				w.sender.mail = nil
				w.publish(mail("2@site.test"))
				w.settled()
				require.Equal(t, []string{a.String(), a.String()}, w.sender.targets(), "back after its time")
				w.sleep(time.Minute)
				w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
					c.lose(tx, queue.StateRcptTo, how, false)
				}
				w.publish(mail("3@site.test"))
				w.settled()
				w.sender.mail = nil
				other := mail("4@other.test")
				w.router.route("other.test", []string{"other.test"}, "a.site.test", "b.site.test")
				w.publish(other)
				w.settled()
				targets := w.sender.targets()
				require.Equal(t, b.String(), targets[len(targets)-1], "other paths leave it alone as well")
				w.shutDown()
			})
		})
	}
}
