package delivery_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// A pause comes while very much waits: in memory, on the wire, parked, and not yet read.
func TestPauseOfAHundredThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	const n = 100000
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		w.Prefetch = 20000
		w.Names = delivery.QueueNames{Success: "success"}
		w.sender.mail = slow(10 * time.Millisecond)
		inForce := w.steeredBy(&rules{})
		for i := range n {
			w.publish(mail(fmt.Sprintf("r%d@d%d.test", i, i%50)))
		}
		w.start()
		w.sleep(100 * time.Millisecond)
		inForce.change(&rules{paused: []pausing{{id: 1}}})
		w.sleep(time.Second)
		begun := w.sender.count()
		w.sleep(5 * time.Minute)
		require.Equal(t, begun, w.sender.count(), "nothing begins after a second")
		require.Equal(t, n-begun, w.stats("outbox").Parked, "all that waits is parked")
		parks := l.parks()
		w.sleep(3 * time.Minute)
		require.Equal(t, parks, l.parks())
		inForce.change(&rules{})
		w.sleep(2 * time.Minute)
		require.Equal(t, n, w.sender.count())
		require.Equal(t, n, w.stats("success").Ready)
		w.shutDown()
		l.closed(t)
	})
}

// Pauses come and go all the time, of all kinds, and now and then the engine ends: nothing is lost, nothing is sent
// twice, nothing is stuck.
func TestPausesThatFlap(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dice := rand.New(rand.NewPCG(seed, 2))
				const n = 2000
				l := newLedger()
				for i := range n {
					m := mail(fmt.Sprintf("r%d@d%d.test", i, dice.IntN(20)))
					m.Tags = []string{fmt.Sprintf("t%d", dice.IntN(3))}
					m.IPs = [][]string{{ip1.String()}, {ip2.String()}, {ip1.String(), ip2.String()}, nil}[dice.IntN(4)]
					require.NoError(t, l.Publish(context.Background(), queue.Item{Queue: "outbox", Message: m}))
				}
				for range 3 {
					w := flappingWorld(t, l, dice)
					w.flap(dice, 200)
					w.shutDown()
					require.Zero(t, w.sender.alive.Load())
				}
				w := flappingWorld(t, l, dice)
				w.flap(dice, 300)
				w.inForce.change(&rules{})
				w.sleep(5 * time.Minute)
				require.Zero(t, w.left("outbox"), "stuck: %v", w.parkedUnder())
				require.Equal(t, n, w.left("success"))
				for recipient, times := range l.settled {
					require.Equal(t, 1, times, recipient)
				}
				require.Equal(t, n, len(l.settled))
				w.shutDown()
				l.closed(t)
				require.NoError(t, l.Close())
			})
		})
	}
}

type flapping struct {
	*world
	inForce *steeringSwitch
}

func flappingWorld(t *testing.T, l *ledger, dice *rand.Rand) flapping {
	w := newWorld(t)
	w.queue, w.Queue = l, l
	w.Prefetch, w.PathQueue, w.PathConnections = 200+dice.IntN(500), 10+dice.IntN(50), 1+dice.IntN(3)
	pace := time.Duration(1+dice.IntN(500)) * time.Millisecond
	w.sender.mail = slow(pace)
	w.sender.open = func(context.Context, *delivery.Hop, int) error { time.Sleep(pace / 2); return nil }
	for i := range 20 {
		if i%3 == 0 {
			w.router.chill(fmt.Sprintf("d%d.test", i))
		}
		w.router.addresses[fmt.Sprintf("mx.d%d.test", i)] = []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, byte(i % 5)})}
	}
	w.router.lookUp = func(context.Context, string) error { time.Sleep(pace); return nil }
	return flapping{w, w.steeredBy(&rules{})}
}

// flap changes the rules n times while the engine runs.
func (f flapping) flap(dice *rand.Rand, n int) {
	f.start()
	for range n {
		h := &rules{}
		for range dice.IntN(4) {
			p := pausing{id: int64(dice.IntN(5))}
			switch dice.IntN(6) {
			case 0:
				p.domain = fmt.Sprintf("d%d.test", dice.IntN(20))
			case 1:
				p.tag = fmt.Sprintf("t%d", dice.IntN(3))
			case 2:
				p.source = ip1
			case 3:
				p.target = netip.AddrFrom4([4]byte{203, 0, 113, byte(dice.IntN(5))})
			case 4:
				p.tag, p.domain = fmt.Sprintf("t%d", dice.IntN(3)), fmt.Sprintf("d%d.test", dice.IntN(20))
			}
			if dice.IntN(2) == 0 {
				p.until = time.Now().Add(time.Duration(dice.IntN(3000)) * time.Millisecond)
			}
			h.paused = append(h.paused, p)
		}
		f.inForce.change(h)
		time.Sleep(time.Duration(dice.IntN(300)) * time.Millisecond)
	}
}
