package delivery_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

func TestConnectionsGrowWithTheirWork(t *testing.T) {
	tests := []struct {
		name   string
		mails  int
		limits throttle.Limits
		paths  int // PathConnections
		want   int64
	}{
		{"one mail", 1, throttle.Limits{}, 0, 1},
		{"few mails", 9, throttle.Limits{}, 0, 1},
		{"enough for two", 13, throttle.Limits{}, 0, 2},
		{"enough for four", 40, throttle.Limits{}, 0, 4},
		{"less work each", 9, throttle.Limits{Connection: throttle.PerConnection{MinMessages: 2}}, 0, 4},
		{"spread", 4, throttle.Limits{Connection: throttle.PerConnection{Spread: true}}, 0, 3},
		{"limited", 400, throttle.Limits{Domain: throttle.Rates{Connections: 3}}, 0, 3},
		{"limited by the engine", 400, throttle.Limits{}, 5, 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Throttle = &pacer{limits: test.limits}
				w.PathConnections = test.paths
				w.sender.open = func(context.Context, *delivery.Hop, int) error { time.Sleep(time.Second); return nil }
				w.sender.mail = slow(time.Hour)
				w.start()
				w.publishMany(test.mails, "example.com")
				w.sleep(10 * time.Second)
				require.Equal(t, test.want, w.sender.opened.Load())
			})
		})
	}
}

func TestConnectionsDouble(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.open = func(context.Context, *delivery.Hop, int) error { time.Sleep(time.Second); return nil }
		w.sender.mail = slow(time.Hour)
		w.start()
		w.publishMany(400, "example.com")
		var seen []int64
		for range 6 {
			w.settled()
			seen = append(seen, w.sender.opened.Load())
			w.sleep(time.Second)
		}
		require.Equal(t, []int64{1, 2, 4, 8, 16, 32}, seen)
	})
}

func TestConnectionThatHangsHoldsUpNoOtherForLong(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.mail = func(ctx context.Context, c *conn, tx *delivery.Transaction) {
			if c.n > 1 || c.sleep(ctx, tx, 10*time.Minute) {
				c.accept(tx)
			}
		}
		w.start()
		w.publishMany(6, "example.com")
		w.sleep(31 * time.Second)
		require.GreaterOrEqual(t, w.stats("success").Ready, 4, "all but the one that hangs and, maybe, one begun behind it")
		require.EqualValues(t, 2, w.sender.opened.Load())
	})
}

func TestMailsOverlap(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.mail = slow(time.Second)
		w.sender.open = oncePublished
		w.start()
		w.publishMany(5, "example.com")
		w.sleep(5*time.Second + time.Millisecond)
		require.Equal(t, 5, w.stats("success").Ready)
		require.Equal(t, 4, w.sender.began, "each but the last was sent with another behind it")
		require.EqualValues(t, 1, w.sender.opened.Load())
		w.shutDown()
	})
}

func TestIdleConnections(t *testing.T) {
	tests := []struct {
		name  string
		idle  time.Duration
		reuse time.Duration // still reused then
		gone  time.Duration // closed then
	}{
		{"default", 0, 4900 * time.Millisecond, 5100 * time.Millisecond},
		{"longer", time.Minute, 59 * time.Second, 61 * time.Second},
		{"short", 100 * time.Millisecond, 90 * time.Millisecond, 110 * time.Millisecond},
		{"none", -1, 0, time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Throttle = &pacer{limits: throttle.Limits{Connection: throttle.PerConnection{Idle: test.idle}}}
				w.start()
				w.publish(mail("one@example.com"))
				w.sleep(test.reuse)
				if test.reuse > 0 {
					w.publish(mail("two@example.com"))
					w.settled()
					require.EqualValues(t, 1, w.sender.opened.Load(), "reused")
				}
				w.sleep(test.gone)
				require.Zero(t, w.sender.alive.Load(), "closed")
				w.publish(mail("three@example.com"))
				w.settled()
				require.EqualValues(t, 2, w.sender.opened.Load())
				w.shutDown()
			})
		})
	}
	t.Run("the last one goes first", func(t *testing.T) {
		takes := func(conn int) time.Duration { return time.Second + time.Duration(conn)*37*time.Millisecond }
		inBubble(t, func(t *testing.T, w *world) {
			w.Throttle = &pacer{limits: throttle.Limits{Connection: throttle.PerConnection{Idle: time.Hour}}}
			w.sender.mail = func(ctx context.Context, c *conn, tx *delivery.Transaction) {
				if c.sleep(ctx, tx, takes(c.n)) {
					c.accept(tx)
				}
			}
			w.start()
			w.publishMany(30, "example.com")
			w.sleep(time.Minute)
			sent := w.sender.all()
			final := slices.MaxFunc(sent, func(a, b sentMail) int {
				return a.at.Add(takes(a.conn)).Compare(b.at.Add(takes(b.conn)))
			})
			w.publish(mail("later@example.com"))
			w.settled()
			sent = w.sender.all()
			require.Equal(t, final.conn, sent[len(sent)-1].conn)
		})
	})
	t.Run("no more than allowed", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.Throttle = &pacer{limits: throttle.Limits{Domain: throttle.Rates{Idle: 1},
				Connection: throttle.PerConnection{Idle: time.Hour}}}
			w.sender.mail = slow(time.Second)
			w.start()
			w.publishMany(100, "example.com")
			w.sleep(time.Minute)
			require.Greater(t, w.sender.opened.Load(), int64(3))
			require.EqualValues(t, 1, w.sender.alive.Load())
		})
	})
	t.Run("closed by the remote", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			w.sender.idle = func(ctx context.Context, c *conn) bool {
				select {
				case <-time.After(2 * time.Second):
					return false
				case <-ctx.Done():
					return true
				}
			}
			w.start()
			w.publish(mail("one@example.com"))
			w.sleep(3200 * time.Millisecond)
			require.Zero(t, w.sender.alive.Load())
			w.publish(mail("two@example.com"))
			w.settled()
			require.Equal(t, 2, w.stats("success").Ready)
			w.shutDown()
		})
	})
}

func TestLimitsOfAConnection(t *testing.T) {
	for name, limits := range map[string]throttle.PerConnection{
		"messages": {Messages: 3},
		"bytes":    {Bytes: 3 * mail("r00@example.com").Body.Size()},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Throttle = &pacer{limits: throttle.Limits{Connection: limits}}
				w.sender.mail = slow(time.Second)
				w.start()
				w.publishMany(9, "example.com")
				w.sleep(10 * time.Second)
				per := map[int]int{}
				for _, s := range w.sender.all() {
					per[s.conn]++
				}
				require.Equal(t, map[int]int{1: 3, 2: 3, 3: 3}, per)
				require.Equal(t, 9, w.stats("success").Ready)
				w.shutDown()
			})
		})
	}
}

func TestOrderOfHosts(t *testing.T) {
	first := map[string]int{}
	for range 40 {
		inBubble(t, func(t *testing.T, w *world) {
			w.router.routes["example.com"] = &delivery.Route{Site: "example.com", Hosts: []delivery.Host{
				{Name: "c.test", Preference: 20}, {Name: "a.test", Preference: 10}, {Name: "b.test", Preference: 10, Port: 26}}}
			w.sender.open = func(context.Context, *delivery.Hop,
				int) error {
				return failure(queue.StateConnect, queue.Timeout, 0)
			}
			w.start()
			w.publish(mail("someone@example.com"))
			w.settled()
			var hosts []string
			for _, h := range w.sender.hops {
				hosts = append(hosts, h.Host)
				require.Equal(t, h.Host == "b.test", h.Target.Port() == 26)
			}
			require.Len(t, hosts, 3)
			require.Equal(t, "c.test", hosts[2])
			first[hosts[0]]++
		})
	}
	require.Greater(t, first["a.test"], 5, "equal ones are shuffled")
	require.Greater(t, first["b.test"], 5)
}

func TestRoundOfConnecting(t *testing.T) {
	refused := failure(queue.StateConnect, queue.Lost, 0)
	tests := []struct {
		name  string
		hosts map[string]int // number of addresses
		order []string
		open  func(host string) error
		tried int
		want  string // result of the message; "" when it was delivered
	}{
		{"next address", map[string]int{"a.test": 3}, []string{"a.test"}, nil, 3, ""},
		{"at most eight addresses", map[string]int{"a.test": 20}, []string{"a.test"}, func(string) error { return refused },
			8, "connect/lost 451"},
		{"at most eight of all hosts", map[string]int{"a.test": 5, "b.test": 5}, []string{"a.test", "b.test"},
			func(string) error { return refused }, 8, "connect/lost 451"},
		{"next host after a permanent refusal", map[string]int{"a.test": 1, "b.test": 1}, []string{"a.test", "b.test"},
			func(host string) error {
				if host == "a.test" {
					return failure(queue.StateIntro, queue.Error, 554)
				}
				return nil
			}, 2, ""},
		{"no other host when that is of no use", map[string]int{"a.test": 1, "b.test": 1}, []string{"a.test", "b.test"},
			func(string) error {
				f := failure(queue.StateAuthLogin, queue.Error, 535)
				f.Temporary = false
				return f
			}, 1, "authlogin/error 535"},
		{"one that may pass outweighs one that will not", map[string]int{"a.test": 1, "b.test": 1},
			[]string{"a.test", "b.test"}, func(host string) error {
				if host == "a.test" {
					return failure(queue.StateIntro, queue.Error, 421)
				}
				return failure(queue.StateIntro, queue.Error, 554)
			}, 2, "intro/error 421"},
		{"all refuse for good", map[string]int{"a.test": 1, "b.test": 1}, []string{"a.test", "b.test"}, func(string) error {
			return failure(queue.StateIntro, queue.Error, 554)
		}, 2, "intro/error 554"},
		{"an error that is no failure", map[string]int{"a.test": 1}, []string{"a.test"},
			func(string) error { return fmt.Errorf("odd") }, 1, "connect/error 451"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.router.route("example.com", []string{"example.com"}, test.order...)
				for i, name := range test.order {
					for k := range test.hosts[name] {
						w.router.addresses[name] = append(w.router.addresses[name],
							netip.AddrFrom4([4]byte{192, 0, 2, byte(10*(i+1) + k)}))
					}
				}
				w.sender.open = func(_ context.Context, hop *delivery.Hop, n int) error {
					if test.open == nil {
						if n < 3 {
							return refused
						}
						return nil
					}
					return test.open(hop.Host)
				}
				w.start()
				w.publish(mail("someone@example.com"))
				w.settled()
				require.Len(t, w.sender.targets(), test.tried)
				got, m := w.fateOf()
				if test.want == "" {
					require.Equal(t, success, got)
				} else {
					require.Equal(t, test.want, last(m))
				}
				w.shutDown()
			})
		})
	}
}

func TestUnreachableSiteCostsOneMessageARound(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Retry.Intervals = []time.Duration{24 * time.Hour}
		w.Retry.Lifetime = 48 * time.Hour
		w.sender.open = func(context.Context, *delivery.Hop,
			int) error {
			return failure(queue.StateConnect, queue.Timeout, 0)
		}
		begun := time.Now()
		w.start()
		w.publishMany(20, "example.com")
		rounds := 0
		var at []time.Duration
		for range 3600 {
			w.settled()
			if n := len(w.sender.targets()); n > rounds {
				rounds = n
				at = append(at, time.Since(begun))
				require.Equal(t, rounds, w.stats("retry").Ready, "one message gets the attempt of each round")
			}
			time.Sleep(time.Second)
		}
		// 30 s, 1, 2, 4, 8, 15, 15 minutes … give or take a tenth.
		require.GreaterOrEqual(t, len(at), 8)
		for i, want := range []float64{30, 60, 120, 240, 480, 900, 900} {
			require.InDelta(t, want, (at[i+1] - at[i]).Seconds(), want/10+1, "pause %d", i)
		}
		for _, m := range w.take("retry") {
			require.Equal(t, []string{"connect/timeout 451"}, pairs(m))
		}
		w.shutDown()
	})
}

func TestSiteThatComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.open = func(_ context.Context, _ *delivery.Hop, n int) error {
			if n <= 2 {
				return failure(queue.StateConnect, queue.Timeout, 0)
			}
			return nil
		}
		w.start()
		w.publishMany(50, "example.com")
		w.sleep(2 * time.Minute)
		require.Equal(t, 48, w.stats("success").Ready, "all but the two that had the attempts")
		require.Empty(t, w.Paths()[0].LastError)
		w.sleep(10 * time.Minute)
		require.Equal(t, 50, w.stats("success").Ready)
		w.shutDown()
	})
}

func TestRefusalOfAnotherConnectionDoesNotPauseThePath(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.open = func(_ context.Context, _ *delivery.Hop, n int) error {
			if w.sender.alive.Load() >= 2 {
				return failure(queue.StateIntro, queue.Error, 421)
			}
			return nil
		}
		w.sender.mail = slow(100 * time.Millisecond)
		w.start()
		w.publishMany(200, "example.com")
		w.sleep(15 * time.Second)
		require.Equal(t, 200, w.stats("success").Ready)
		require.Less(t, w.sender.opened.Load(), int64(5), "it is not asked again and again")
		for _, m := range w.take("success") {
			require.Len(t, m.Results, 1, "nobody pays for it")
		}
		require.Zero(t, w.sender.alive.Load())
		w.publish(mail("later@example.com"))
		w.sleep(time.Second)
		require.Equal(t, 1, w.stats("success").Ready, "the path is not in back-off")
		w.shutDown()
	})
}

func TestUnreachableAddressIsLeftAloneByOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		shared := []netip.Addr{netip.MustParseAddr("192.0.2.77")}
		w.router.addresses["mx.a.test"], w.router.addresses["mx.b.test"] = shared, shared
		w.sender.open = func(context.Context, *delivery.Hop,
			int) error {
			return failure(queue.StateConnect, queue.Timeout, 0)
		}
		w.start()
		w.publish(mail("someone@a.test"))
		w.settled()
		w.publish(mail("someone@b.test"))
		w.sleep(10 * time.Second)
		require.Len(t, w.sender.targets(), 1)
		require.Equal(t, "connection_offline", w.Explain("b.test")[0].Wait.Limit)
		w.sleep(15 * time.Second)
		require.Len(t, w.sender.targets(), 2, "then it is tried")
	})
}

func TestConnectionThatBreaks(t *testing.T) {
	lost := func(unsent bool) func(*conn, *delivery.Transaction) {
		return func(c *conn, tx *delivery.Transaction) { c.lose(tx, queue.StateMailFrom, queue.Lost, unsent) }
	}
	tests := []struct {
		name     string
		after    int // mails that each connection accepts before
		broke    func(*conn, *delivery.Transaction)
		attempts int  // results of the message that met with it
		paused   bool // the path
	}{
		{"421 after others", 2, func(c *conn, tx *delivery.Transaction) { c.reply(tx, queue.StateMailFrom, 421, "bye") }, 1,
			false},
		{"421 at once", 0, func(c *conn, tx *delivery.Transaction) { c.reply(tx, queue.StateMailFrom, 421, "bye") }, 2, true},
		{"lost after others", 2, lost(false), 2, false},
		{"lost at once", 0, lost(false), 2, true},
		{"closed between two mails", 2, lost(true), 1, false},
		{"closed before the first", 0, lost(true), 1, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.Retry.Intervals = []time.Duration{time.Minute}
				p := &pacer{}
				w.Throttle = p
				w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
					if c.n == 1 && c.mails == test.after+1 {
						test.broke(c, tx)
					} else {
						c.accept(tx)
					}
				}
				w.start()
				w.publishMany(4, "example.com")
				w.settled()
				require.Equal(t, test.paused, !w.Paths()[0].Offline.IsZero())
				if !test.paused {
					require.GreaterOrEqual(t, w.stats("success").Ready, 3)
				}
				w.sleep(2 * time.Minute)
				most, all := 0, 0
				for _, m := range w.take("success") {
					most = max(most, len(m.Results))
					all += len(m.Results)
				}
				require.Equal(t, test.attempts, most)
				w.shutDown()
				p.balanced(t, all)
			})
		})
	}
}

func TestConnectionThatBreaksBesideOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.open = func(context.Context, *delivery.Hop, int) error { time.Sleep(time.Second); return nil }
		w.sender.mail = func(ctx context.Context, c *conn, tx *delivery.Transaction) {
			switch {
			case c.n == 1:
				c.sleep(ctx, tx, 1500*time.Millisecond)
				c.lose(tx, queue.StateMailFrom, queue.Lost, false)
			case c.sleep(ctx, tx, 10*time.Millisecond):
				c.accept(tx)
			}
		}
		w.start()
		w.publishMany(30, "example.com")
		w.sleep(10 * time.Second)
		require.Equal(t, 29, w.stats("success").Ready)
		require.Zero(t, w.sender.alive.Load())
		w.publish(mail("later@example.com"))
		w.sleep(2 * time.Second)
		require.Equal(t, 30, w.stats("success").Ready, "the path is not in back-off, as others delivered")
		w.shutDown()
	})
	inBubble(t, func(t *testing.T, w *world) { // it breaks first, and then another one proves the path to work
		w.sender.open = func(_ context.Context, _ *delivery.Hop, n int) error {
			time.Sleep(time.Duration(n) * time.Second)
			return nil
		}
		w.sender.mail = func(ctx context.Context, c *conn, tx *delivery.Transaction) {
			if c.n == 1 {
				c.sleep(ctx, tx, time.Second)
				c.lose(tx, queue.StateMailFrom, queue.Lost, false)
			} else {
				c.accept(tx)
			}
		}
		w.start()
		w.publishMany(15, "example.com")
		w.sleep(9 * time.Second)
		require.Equal(t, 14, w.stats("success").Ready)
		require.Zero(t, w.sender.alive.Load())
		w.publish(mail("later@example.com"))
		w.sleep(4 * time.Second)
		require.Equal(t, 15, w.stats("success").Ready)
		w.shutDown()
	})
}

func TestMailThatNeverGetsItsTurn(t *testing.T) {
	for name, broke := range map[string]func(*conn, *delivery.Transaction){
		"unsent": func(c *conn, tx *delivery.Transaction) { c.lose(tx, queue.StateMailFrom, queue.Lost, true) },
		"421":    func(c *conn, tx *delivery.Transaction) { c.reply(tx, queue.StateMailFrom, 421, "bye") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				// Each connection takes one mail to somebody else first.
				w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
					if tx.Message.Recipient == "poor@example.com" {
						broke(c, tx)
					} else {
						c.accept(tx)
					}
				}
				w.start()
				for i := range 10 {
					w.publish(mail(fmt.Sprintf("r%d@example.com", i)))
					w.settled()
					if i == 0 {
						w.publish(mail("poor@example.com"))
						w.settled()
					}
				}
				w.sleep(5 * time.Minute)
				tried := 0
				for _, r := range w.sender.recipients() {
					if r == "poor@example.com" {
						tried++
					}
				}
				require.LessOrEqual(t, tried, 4)
				require.Equal(t, 1, w.stats("retry").Ready, "in the end it counts as an attempt")
				require.Equal(t, 10, w.stats("success").Ready)
				w.shutDown()
			})
		})
	}
}

func TestRemoteThatAlwaysClosesIsNotHammered(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.sender.mail = func(_ context.Context, c *conn, tx *delivery.Transaction) {
			c.lose(tx, queue.StateIdle, queue.Lost, true)
		}
		w.start()
		w.publishMany(100, "example.com")
		w.sleep(10 * time.Minute)
		require.Less(t, w.sender.opened.Load(), int64(20))
		w.shutDown()
	})
}

func TestPathsAreForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.start()
		for i := range 50 {
			w.publish(mail(fmt.Sprintf("someone@d%d.test", i)))
		}
		w.settled()
		require.Len(t, w.Paths(), 50)
		w.sleep(3 * time.Minute)
		require.Empty(t, w.Paths())
		w.publish(mail("someone@d1.test"))
		w.settled()
		require.Equal(t, 51, w.stats("success").Ready)
		w.shutDown()
		require.Equal(t, 51, w.events.count(monitor.ConnReady))
	})
}
