package delivery_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// inMemory is how many messages wait on the paths to a site.
func (w *world) inMemory(site string) (n int) {
	for _, p := range w.Paths() {
		if p.Site == site {
			n += p.Ready
		}
	}
	return n
}

func TestOverflowOfAPathIsParked(t *testing.T) {
	for name, limits := range map[string]throttle.Limits{"the engine's limit": {},
		"the throttle's limit": {Queue: throttle.PerQueue{Messages: 20}}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l := w.withLedger()
				w.Throttle = &pacer{limits: limits}
				w.PathConnections = 1
				if limits.Queue.Messages == 0 {
					w.PathQueue = 20
				}
				w.sender.mail = slow(time.Second)
				w.start()
				w.publishMany(200, "example.com")
				for range 200 {
					w.sleep(time.Second)
					require.LessOrEqual(t, w.inMemory("example.com"), 20)
				}
				w.sleep(2 * time.Second)
				require.Equal(t, 200, w.stats("success").Ready, "as fast as without parking")
				require.Less(t, l.parks(), 400, "a message is not parked again and again")
				parked := w.events.all(monitor.Parked)
				require.Equal(t, "example.com", parked[0].Domain)
				require.NotEmpty(t, parked[0].Text, "why")
				w.shutDown()
				l.closed(t)
			})
		})
	}
}

func TestParkedMailComesBeforeNewMail(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.PathQueue, w.PathConnections = 10, 1
		w.sender.mail = slow(time.Second)
		w.start()
		w.publishMany(60, "example.com")
		w.sleep(5 * time.Second)
		for i := range 40 {
			w.publish(mail(fmt.Sprintf("new%d@example.com", i)))
		}
		w.sleep(60 * time.Second)
		old := 0
		for _, r := range w.sender.recipients()[:60] {
			if r[0] == 'r' {
				old++
			}
		}
		require.GreaterOrEqual(t, old, 50, "new mail only gets what is in the list already")
	})
}

func TestNewMailNeverKeepsParkedMailOut(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.PathQueue, w.PathConnections = 10, 1
		w.sender.mail = slow(time.Second)
		w.start()
		w.publishMany(60, "example.com")
		for i := range 80 {
			w.sleep(time.Second)
			w.publish(mail(fmt.Sprintf("n%d@example.com", i)), mail(fmt.Sprintf("m%d@example.com", i)))
		}
		old := 0
		for _, r := range w.sender.recipients() {
			if r[0] == 'r' {
				old++
			}
		}
		require.Greater(t, old, 30)
	})
}

func TestParkedMailThatExpiresDoesNotStopTheRest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.PathQueue, w.PathConnections = 10, 1
		w.sender.mail = slow(time.Second)
		w.start()
		for i := range 60 {
			m := mail(fmt.Sprintf("r%d@example.com", i))
			if i < 40 {
				m.MaxDeliverTime = time.Now().Add(15 * time.Second)
			}
			w.publish(m)
		}
		w.sleep(time.Minute)
		require.Equal(t, 60, w.stats("success").Ready+w.stats("failure").Ready)
		require.GreaterOrEqual(t, w.stats("success").Ready, 20)
		w.shutDown()
	})
}

func TestPathThatFlowsIsNotParked(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		w.Prefetch = 100
		w.sender.mail = slow(10 * time.Millisecond)
		w.start()
		w.publish(mail("first@example.com"))
		w.settled()
		w.publishMany(3000, "example.com")
		w.sleep(time.Minute)
		require.Equal(t, 3001, w.stats("success").Ready)
		require.Zero(t, l.parks(), "what fills the memory is gone in a moment")
		w.shutDown()
	})
}

func TestSlowPathNeverHoldsUpAnother(t *testing.T) {
	tests := map[string]func(w *world){
		"hangs during a mail": func(w *world) {
			w.sender.mail = func(ctx context.Context, c *conn, tx *delivery.Transaction) {
				if domainOf(tx.Message.Recipient) != "slow.test" || c.sleep(ctx, tx, 10*time.Minute) {
					c.accept(tx)
				}
			}
		},
		"cannot be reached": func(w *world) {
			w.sender.open = func(_ context.Context, hop *delivery.Hop, _ int) error {
				if hop.Domain == "slow.test" {
					time.Sleep(30 * time.Second)
					return failure(queue.StateConnect, queue.Timeout, 0)
				}
				return nil
			}
		},
		"is throttled": func(w *world) {
			limited := every(time.Minute, "maxmessages")
			w.Throttle = &pacer{send: func(p throttle.Path, a netip.Addr) throttle.Wait {
				if p.Site == "slow.test" {
					return limited(p, a)
				}
				return throttle.Wait{}
			}}
		},
		"is not found": func(w *world) {
			w.router.chill("slow.test")
			w.router.lookUp = func(ctx context.Context, _ string) error {
				select {
				case <-ctx.Done():
				case <-time.After(time.Minute):
				}
				return &delivery.RouteError{Domain: "slow.test", Code: 451, Reason: "no answer"}
			}
		},
	}
	for name, arrange := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Prefetch, w.PathConnections = 200, 20
				arrange(w)
				w.start()
				w.publishMany(2000, "slow.test")
				w.settled()
				for round := range 10 {
					w.publishMany(100, "fast.test")
					w.sleep(3 * time.Second)
					fast := 0
					for _, r := range w.sender.recipients() {
						if domainOf(r) == "fast.test" {
							fast++
						}
					}
					require.Equal(t, 100*(round+1), fast, "after %d rounds", round+1)
				}
			})
		})
	}
}

func TestManyDeadPathsNeverFillTheMemory(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		w.Prefetch = 200
		w.Slots = throttle.NewSlots(0, 0, 0).Outgoing()
		w.sender.open = func(ctx context.Context, hop *delivery.Hop, _ int) error {
			if hop.Domain == "alive.test" {
				return nil
			}
			select {
			case <-time.After(30 * time.Second):
			case <-ctx.Done():
			}
			return failure(queue.StateConnect, queue.Timeout, 0)
		}
		w.start()
		for i := range 1000 {
			w.publish(mail(fmt.Sprintf("someone@dead%d.test", i)))
		}
		for i := range 20 {
			if i == 7 {
				require.Greater(t, w.stats("retry").Ready, 900, "a failure without a message at hand is the next one's")
			}
			w.sleep(10 * time.Second)
			w.publishMany(10, "alive.test")
			w.sleep(3 * time.Second)
			require.Equal(t, 10*(i+1), w.stats("success").Ready)
		}
		w.sleep(30 * time.Minute)
		require.Equal(t, 200, w.stats("success").Ready)
		require.Greater(t, w.stats("retry").Ready, 990, "the dead ones get their attempts all the same")
		w.shutDown()
		l.closed(t)
	})
}

func TestMailIsNotHeldForLong(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		w.Throttle = &pacer{send: every(time.Hour, "maxmessages")}
		w.start()
		w.publishMany(10, "example.com")
		for range 60 {
			w.sleep(time.Minute)
			for _, p := range w.Paths() {
				require.Less(t, time.Since(p.Oldest), queue.MaxParked)
			}
		}
		require.Positive(t, l.parks())
		w.sleep(10 * time.Hour)
		require.Equal(t, 10, w.stats("success").Ready)
		w.shutDown()
	})
}

func TestLookUps(t *testing.T) {
	t.Run("one for each domain", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.router.chill("a.test", "b.test")
			w.router.lookUp = func(context.Context, string) error { time.Sleep(time.Second); return nil }
			w.start()
			w.publishMany(50, "a.test")
			w.publishMany(50, "b.test")
			w.settled()
			require.Equal(t, 50, w.Explain("a.test")[0].Resolving)
			w.sleep(time.Second)
			require.EqualValues(t, 2, w.router.asked.Load())
			require.Equal(t, 100, w.stats("success").Ready)
			require.Zero(t, w.Explain("a.test")[0].Resolving)
			w.shutDown()
		})
	})
	t.Run("so many at a time", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Lookups = 7
			w.router.lookUp = func(context.Context, string) error { time.Sleep(time.Second); return nil }
			for i := range 70 {
				w.router.chill(fmt.Sprintf("d%d.test", i))
				w.publish(mail(fmt.Sprintf("someone@d%d.test", i)))
			}
			w.start()
			w.sleep(10 * time.Second)
			require.EqualValues(t, 7, w.router.most.Load())
			require.Equal(t, 70, w.stats("success").Ready)
			w.shutDown()
		})
	})
	t.Run("what waits beyond memory comes back", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			l := w.withLedger()
			w.Prefetch, w.PathQueue, w.Lookups = 100, 20, 2
			w.router.lookUp = func(context.Context, string) error { time.Sleep(2 * time.Second); return nil }
			w.start()
			for i := range 8 {
				domain := fmt.Sprintf("d%d.test", i)
				w.router.chill(domain)
				w.publishMany(100, domain)
			}
			w.sleep(30 * time.Second)
			require.Equal(t, 800, w.stats("success").Ready, "well before parked mail comes back by itself")
			require.Positive(t, l.parks())
			w.shutDown()
			l.closed(t)
		})
	})
	t.Run("what waits beyond memory and fails", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Prefetch = 100
			w.router.chill("a.test")
			w.router.errs["a.test"] = &delivery.RouteError{Domain: "a.test", Code: 550, Status: "5.1.2",
				Reason: "no such domain", Permanent: true}
			w.router.lookUp = func(context.Context, string) error { time.Sleep(5 * time.Second); return nil }
			w.start()
			w.publishMany(500, "a.test")
			w.sleep(time.Minute)
			require.Equal(t, 500, w.stats("failure").Ready)
			w.shutDown()
		})
	})
}

func TestUnparkingThatFails(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.withLedger()
		w.PathQueue = 4
		asked := 0
		l.failWith(func(call, _ string) error {
			if call == "unpark" {
				if asked++; asked <= 3 {
					return queue.ErrUnavailable
				}
			}
			return nil
		})
		w.sender.mail = slow(time.Second)
		w.start()
		w.publishMany(100, "example.com")
		w.sleep(2 * time.Minute)
		require.Equal(t, 100, w.stats("success").Ready)
		w.shutDown()
	})
}

func TestWhyMailWaits(t *testing.T) {
	t.Run("back-off", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.sender.open = func(context.Context, *delivery.Hop,
				int) error {
				return failure(queue.StateIntro, queue.Error, 421)
			}
			w.start()
			w.publishMany(3, "example.com")
			w.sleep(time.Second)
			s := w.Explain("example.com")[0]
			require.Equal(t, 2, s.Ready)
			require.InDelta(t, 29, time.Until(s.Offline).Seconds(), 4)
			require.Contains(t, s.LastError, "intro")
			require.Equal(t, time.Second, time.Since(s.Oldest))
		})
	})
	t.Run("connecting", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.sender.open = func(ctx context.Context, _ *delivery.Hop, _ int) error {
				<-ctx.Done()
				return failure(queue.StateConnect, queue.Lost, 0)
			}
			w.start()
			w.publish(mail("someone@example.com"))
			w.settled()
			require.Equal(t, 1, w.Explain("example.com")[0].Starting)
		})
	})
	t.Run("by site", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.router.route("site.test", []string{"alias.test"}, "mx.site.test")
			w.start()
			w.publish(mail("someone@alias.test"), mail("someone@b.test"))
			w.settled()
			require.Len(t, w.Paths(), 2)
			states := w.Explain("alias.test")
			require.Len(t, states, 1)
			require.Equal(t, "site.test", states[0].Site)
			require.Equal(t, 1, states[0].Open)
			require.Equal(t, 1, states[0].Idle)
			require.Empty(t, w.Explain("unknown.test"))
		})
	})
}
