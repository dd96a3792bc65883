package delivery_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// storm is a world in which everything goes wrong now and then, by dice.
type storm struct {
	*world
	mu       sync.Mutex
	dice     *rand.Rand
	ledger   *ledger
	pacer    *pacer
	accepted map[string]int
	refused  map[string]int
}

func (s *storm) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dice.IntN(n)
}

func (s *storm) moment() time.Duration {
	return time.Duration(s.roll(2000)) * time.Millisecond * time.Duration(1+s.roll(10))
}

func newStorm(t *testing.T, seed uint64) *storm {
	s := &storm{dice: rand.New(rand.NewPCG(seed, 1)), accepted: map[string]int{}, refused: map[string]int{}}
	s.world = newWorld(t)
	s.ledger = s.withLedger()
	s.renew()
	return s
}

// renew makes another engine over the same queue.
func (s *storm) renew() {
	s.events = &recorder{}
	s.sender = &sender{t: s.t, open: s.open, mail: s.mail, idle: s.idle}
	s.router = newRouter()
	s.router.lookUp = s.lookUp
	for i := range 40 {
		s.router.chill(fmt.Sprintf("d%d.test", i))
	}
	s.router.route("site.test", []string{"d1.test", "d2.test", "d3.test"}, "a.site.test", "b.site.test")
	s.router.addresses["b.site.test"] = []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.9")}
	s.pacer = &pacer{connect: s.wait("maxconnects"),
		send: s.wait("maxmessages", "ip_maxmessages", "connection_maxmessages"), limits: throttle.Limits{
			Connection: throttle.PerConnection{Messages: s.roll(3) * 5, MinMessages: 1 + s.roll(10),
				Idle: time.Duration(s.roll(5)-1) * time.Second},
			Queue: throttle.PerQueue{Messages: s.roll(3) * 10},
		}}
	s.Engine = &delivery.Engine{
		Queue: s.ledger, Router: s.router, Sender: s.sender, Monitor: s.events, Logger: s.Logger, Throttle: s.pacer,
		Slots: throttle.NewSlots(1+s.roll(20), 0, 0).Outgoing(),
		Names: s.Names, Prefetch: 50 + s.roll(500), PathQueue: 5 + s.roll(100), Lookups: 1 + s.roll(10),
		Retry: delivery.RetryPolicy{Intervals: []time.Duration{time.Minute}, Lifetime: 10 * 24 * time.Hour},
		Sources: delivery.Sources{Default: [][]netip.Addr{nil,
			{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2")}}[s.roll(2)]},
	}
}

func (s *storm) wait(limits ...string) func(throttle.Path, netip.Addr) throttle.Wait {
	return func(p throttle.Path, _ netip.Addr) throttle.Wait {
		if s.roll(10) > 0 {
			return throttle.Wait{}
		}
		if s.roll(2) == 0 {
			changed := s.pacer.changed
			time.AfterFunc(s.moment(), func() { changed(p) })
			return throttle.Wait{For: time.Hour, Limit: limits[s.roll(len(limits))]}
		}
		return throttle.Wait{For: 1 + s.moment(), Limit: limits[s.roll(len(limits))]}
	}
}

func (s *storm) lookUp(ctx context.Context, domain string) error {
	select {
	case <-time.After(s.moment()):
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.roll(5) == 0 {
		return &delivery.RouteError{Domain: domain, Code: 451, Reason: "no answer"}
	}
	return nil
}

func (s *storm) open(ctx context.Context, _ *delivery.Hop, _ int) error {
	select {
	case <-time.After(s.moment()):
	case <-ctx.Done():
		return failure(queue.StateConnect, queue.Lost, 0)
	}
	if s.roll(5) == 0 {
		states := []queue.ResultState{queue.StateConnect, queue.StateIntro, queue.StateBind}
		return failure(states[s.roll(3)], queue.Lost, 0)
	}
	return nil
}

func (s *storm) idle(ctx context.Context, _ *conn) bool {
	select {
	case <-time.After(s.moment()):
		return s.roll(2) == 0
	case <-ctx.Done():
		return true
	}
}

func (s *storm) mail(ctx context.Context, c *conn, tx *delivery.Transaction) {
	if s.roll(3) == 0 && !c.sleep(ctx, tx, s.moment()) {
		return
	}
	recipient := tx.Message.Recipient
	switch s.roll(12) {
	case 0:
		c.reply(tx, queue.StateRcptTo, 450, "later")
	case 1:
		c.reply(tx, queue.StateMailFrom, 421, "enough")
	case 2:
		c.lose(tx, queue.StateData, queue.Lost, false)
	case 3:
		c.lose(tx, queue.StateMailFrom, queue.Lost, true)
	case 4:
		c.lose(tx, queue.StateMessage, queue.Timeout, false)
	case 5:
		c.reply(tx, queue.StateRcptTo, 550, "never")
		s.note(s.refused, recipient)
	default:
		c.accept(tx)
		s.note(s.accepted, recipient)
	}
}

func (s *storm) note(book map[string]int, recipient string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	book[recipient]++
}

// run runs the engine for a while and ends it one way or the other.
func (s *storm) run(last bool) {
	s.start()
	if last {
		for range 3000 {
			s.sleep(10 * time.Minute)
			if s.left("outbox") == 0 {
				break
			}
		}
	} else {
		s.sleep(s.moment() * time.Duration(1+s.roll(30)))
	}
	// Settlements that fail while everything breaks off would make duplicates, and rightly so.
	s.ledger.failWith(nil)
	s.sleep(11 * time.Second)
	time.Sleep(s.moment())
	how := s.roll(3)
	switch how {
	case 0:
		require.NoError(s.t, s.Shutdown(context.Background()))
	case 1:
		require.NoError(s.t, s.Close())
	case 2:
		s.cancel()
	}
	require.NoError(s.t, <-s.ended)
	s.cancel()
	s.cancel = nil
	s.events.balance(s.t)
	s.ledger.closed(s.t)
	require.Zero(s.t, s.sender.alive.Load(), "connections left")
	require.Zero(s.t, s.pacer.open, "accounts that were not closed")
	require.Zero(s.t, s.pacer.idle, "accounts that are still idle")
	require.Equal(s.t, s.events.count(monitor.Delivered)+s.events.count(monitor.Failed)+s.events.count(monitor.Retried)+
		s.events.count(monitor.NotTried),
		s.events.count(monitor.Left)-s.released(), "each message that left had an outcome, or was released")
}

// released returns how many were released since it was last asked.
func (s *storm) released() int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	n := s.ledger.gave
	s.ledger.gave = 0
	return n
}

func (s *storm) breakSettling() {
	s.ledger.failWith(func(call, _ string) error {
		if call != "consume" && s.roll(20) == 0 {
			return queue.ErrUnavailable
		}
		return nil
	})
}

// Whatever happens, every message is delivered or refused exactly once, and its result published exactly once.
func TestStorm(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStorm(t, seed)
				n := 200 + s.roll(600)
				for i := range n {
					s.publish(mail(fmt.Sprintf("r%d@d%d.test", i, s.roll(1+s.roll(40)))))
				}
				for range 1 + s.roll(4) {
					s.breakSettling()
					s.run(false)
					s.renew()
				}
				s.breakSettling()
				s.run(true)
				require.Zero(t, s.left("outbox"))
				require.Equal(t, n, s.left("success")+s.left("failure"))
				require.Equal(t, n, s.left("results"))
				for _, m := range append(s.take("success"), s.take("failure")...) {
					require.Equal(t, 1, s.accepted[m.Recipient]+s.refused[m.Recipient], "%s: %s", m.Recipient,
						strings.Join(pairs(m), ", "))
					require.Equal(t, 1, s.ledger.settled[m.Recipient])
				}
				require.NoError(t, s.queue.Close())
			})
		})
	}
}
