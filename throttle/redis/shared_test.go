package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
)

var (
	path   = throttle.Path{Source: netip.MustParseAddr("192.0.2.1"), Site: "a.example"}
	target = netip.MustParseAddr("198.51.100.1")
)

// sending is something that went.
type sending struct {
	at   time.Time
	size int64
}

type record struct {
	mu  sync.Mutex
	all []sending
}

func (r *record) add(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, sending{time.Now(), size})
}

// most returns the most units in any half-open span, and how many there were from a time on.
func (r *record) most(span time.Duration, unit func(sending) int64) (most int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.all, func(a, b sending) int { return a.at.Compare(b.at) })
	sum, first := int64(0), 0
	for _, s := range r.all {
		sum += unit(s)
		for s.at.Sub(r.all[first].at) >= span {
			sum -= unit(r.all[first])
			first++
		}
		most = max(most, sum)
	}
	return most
}

func (r *record) since(at time.Time, unit func(sending) int64) (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.all {
		if !s.at.Before(at) {
			n += unit(s)
		}
	}
	return n
}

func one(sending) int64          { return 1 }
func octets(s sending) int64     { return s.size }
func fixed(n int64) func() int64 { return func() int64 { return n } }

// work sends as the engine does: it waits as it is told, or until Changed says more.
func work(th *Throttler, end time.Time, r *record, size func() int64) {
	told := make(chan struct{}, 1)
	th.Changed(func(throttle.Path) {
		select {
		case told <- struct{}{}:
		default:
		}
	})
	await := func(wait throttle.Wait) {
		timer := time.NewTimer(min(wait.For, time.Until(end)))
		defer timer.Stop()
		select {
		case <-told:
		case <-timer.C:
		}
	}
	var c throttle.Conn
	for c == nil && time.Now().Before(end) {
		var wait throttle.Wait
		if c, wait = th.Connect(path, target); c == nil {
			await(wait)
		}
	}
	if c == nil {
		return
	}
	defer c.Close()
	for next := size(); time.Now().Before(end); {
		wait := c.Send(next)
		if wait.Zero() {
			r.add(next)
			next = size()
			continue
		}
		await(wait)
	}
}

// workAll has each instance send.
func workAll(all []*Throttler, during time.Duration, size func() int64) *record {
	r := new(record)
	var wg sync.WaitGroup
	for _, th := range all {
		wg.Go(func() { work(th, time.Now().Add(during), r, size) })
	}
	wg.Wait()
	return r
}

func TestMessagesOfAllInstances(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		n         int
		perMinute int64
	}{{2, 1}, {2, 7}, {3, 60}, {3, 600}, {4, 3000}} {
		for name, limits := range map[string]throttle.Limits{
			"path":   {Domain: throttle.Rates{Messages: c.perMinute}},
			"target": {Target: throttle.Rates{Messages: c.perMinute}},
			"both":   {Domain: throttle.Rates{Messages: c.perMinute}, Target: throttle.Rates{Messages: 3 * c.perMinute}},
		} {
			t.Run(fmt.Sprintf("%d of %d, %s", c.perMinute, c.n, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					all, bridges := w.instances(t, c.n, limits)
					for i, b := range bridges {
						b.latency.Store(int64(i) * int64(3*time.Millisecond))
					}
					minutes := min(5, 4000/c.perMinute+1)
					r := workAll(all, time.Duration(minutes)*time.Minute, fixed(1000))
					require.LessOrEqual(t, r.most(time.Minute, one), c.perMinute)
					require.GreaterOrEqual(t, int64(len(r.all)), c.perMinute*minutes*96/100-2)
				})
			})
		}
	}
}

func TestBytesOfAllInstances(t *testing.T) {
	w := newWorld(t)
	for name, size := range map[string]func() int64{
		"small": fixed(2000), "large": fixed(300 << 10),
		"mixed": func() int64 { return 1 + rand.Int64N(20000)*rand.Int64N(20) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const limit = 1 << 20
				all, _ := w.instances(t, 3, throttle.Limits{Domain: throttle.Rates{Bytes: limit}})
				r := workAll(all, 10*time.Minute, size)
				require.LessOrEqual(t, r.most(time.Minute, octets), int64(limit))
				least := int64(limit * 10 * 92 / 100)
				if name != "small" {
					least = limit * 10 * 70 / 100 // large mails do not fill every minute to the brim
				}
				require.GreaterOrEqual(t, r.since(time.Time{}, octets), least)
			})
		})
	}
}

func TestConnectsOfAllInstances(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		all, _ := w.instances(t, 3, throttle.Limits{Domain: throttle.Rates{Connects: 120}})
		r := new(record)
		var wg sync.WaitGroup
		for _, th := range all {
			wg.Go(func() {
				for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); {
					c, wait := th.Connect(path, target)
					if c == nil {
						time.Sleep(min(wait.For, 10*time.Millisecond))
						continue
					}
					r.add(1)
					c.Close()
				}
			})
		}
		wg.Wait()
		require.LessOrEqual(t, r.most(time.Minute, one), int64(120))
		require.GreaterOrEqual(t, len(r.all), 5*120*95/100)
	})
}

// TestConnectionsOfAllInstances counts at every instant, and looks whether everybody gets a part.
func TestConnectionsOfAllInstances(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		const limit = 6
		all, _ := w.instances(t, 3, throttle.Limits{Domain: throttle.Rates{Connections: limit}})
		var mu sync.Mutex
		open, most, made := 0, 0, make([]int, 3)
		count := func(i, n int) {
			mu.Lock()
			defer mu.Unlock()
			open += n
			most = max(most, open)
			if n > 0 {
				made[i]++
			}
		}
		var wg sync.WaitGroup
		for i, th := range all {
			for range 5 {
				wg.Go(func() {
					for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); {
						c, wait := th.Connect(path, target)
						if c == nil {
							require.Equal(t, "maxconnections", wait.Limit)
							time.Sleep(50 * time.Millisecond)
							continue
						}
						count(i, 1)
						c.Established()
						time.Sleep(2*time.Second + rand.N(time.Second))
						count(i, -1)
						c.Close()
					}
				})
			}
		}
		wg.Wait()
		require.Equal(t, limit, most, "never more than the limit at any instant, and all of it in use")
		total := made[0] + made[1] + made[2]
		require.Greater(t, total, 5*60*limit/3, "slots are not left empty for long")
		for i, n := range made {
			require.Greater(t, n, total/10, "instance %d gets its part of %v", i, made)
		}
	})
}

func TestOneInstanceMayHaveAll(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		all, _ := w.instances(t, 3, throttle.Limits{Domain: throttle.Rates{Messages: 600}})
		r := workAll(all[:1], 3*time.Minute, fixed(1))
		require.GreaterOrEqual(t, len(r.all), 3*600*96/100)
	})
}

// TestUnusedIsGivenBack sends now and then, so that many leases lapse, and cancel some.
func TestUnusedIsGivenBack(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		all, _ := w.instances(t, 3, throttle.Limits{Domain: throttle.Rates{Messages: 30}})
		r := new(record)
		var wg sync.WaitGroup
		for i, th := range all {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(9, uint64(i)))
				c, _ := th.Connect(path, target)
				defer c.Close()
				for end := time.Now().Add(20 * time.Minute); time.Now().Before(end); {
					if wait := c.Send(1); !wait.Zero() {
						time.Sleep(rand.N(3 * time.Second)) // by then it may have lapsed
						continue
					}
					at := time.Now()
					if rnd.IntN(3) == 0 {
						time.Sleep(rand.N(4 * time.Second))
						c.Cancel(1)
						continue
					}
					r.mu.Lock()
					r.all = append(r.all, sending{at, 1})
					r.mu.Unlock()
				}
			})
		}
		wg.Wait()
		require.LessOrEqual(t, r.most(time.Minute, one), int64(30))
		require.Greater(t, len(r.all), 20*30*20/100)
	})
}

func TestIdleCostsNothing(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		all,
			bridges := w.instances(t, 1, throttle.Limits{Domain: throttle.Rates{Messages: 600, Bytes: 1 << 20, Connects: 60}})
		workAll(all, 10*time.Second, fixed(10))
		time.Sleep(10 * time.Second)
		before, ops := bridges[0].calls.Load(), bridges[0].ops.Load()
		time.Sleep(time.Minute)
		require.LessOrEqual(t, bridges[0].calls.Load()-before, int64(31), "nothing but the beat")
		require.Equal(t, ops, bridges[0].ops.Load())
		all[0].accounts.sweep(all[0].now())
		require.Empty(t, all[0].accounts.all, "and nothing is remembered")
	})
}

func TestOneRoundTripServesMany(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		all, bridges := w.instances(t, 1, throttle.Limits{Domain: throttle.Rates{Messages: 600}})
		time.Sleep(10 * time.Millisecond)
		before := bridges[0].calls.Load()
		var conns []throttle.Conn
		for i := range 1000 {
			c, _ := all[0].Connect(throttle.Path{Site: fmt.Sprintf("s%d.example", i)}, target)
			defer c.Close()
			require.False(t, c.Send(1).Zero(), "nothing is leased yet")
			conns = append(conns, c)
		}
		time.Sleep(5 * time.Millisecond)
		require.Equal(t, int64(1), bridges[0].calls.Load()-before)
		for _, c := range conns {
			require.True(t, c.Send(1).Zero())
		}
	})
}

// failures of Redis, each for half a minute, while three instances send.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("LOADING Redis is loading the dataset in memory")
	flush := func(b *bridge) {
		b.outside(func() {
			keys, _ := w.client.Keys(context.Background(), b.remote.prefix+":*").Result()
			w.client.Del(context.Background(), keys...)
		})
	}
	for name, c := range map[string]struct {
		begin, end func(all []*bridge)
		exceed     int64 // by how much the sum of all may exceed the limit meanwhile
	}{
		"errors": {
			func(all []*bridge) {
				for _, b := range all {
					b.fail.Store(&broken)
				}
			}, func(all []*bridge) {
				for _, b := range all {
					b.fail.Store(nil)
				}
			}, 3 * 3},
		"hangs": {
			func(all []*bridge) {
				for _, b := range all {
					b.latency.Store(int64(time.Hour))
				}
			}, func(all []*bridge) {
				for _, b := range all {
					b.latency.Store(0)
				}
			}, 3 * 3},
		"flushed":           {func(all []*bridge) { flush(all[0]) }, func(all []*bridge) { flush(all[0]) }, 3 * 3},
		"clock set back":    {jump(-time.Hour), jump(0), 3 * 3},
		"clock set forward": {jump(time.Hour), jump(0), 3 * 3},
		"slow":              {latency(300 * time.Millisecond), latency(0), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const perMinute = 600
				all, bridges := w.instances(t, 3, throttle.Limits{Domain: throttle.Rates{Messages: perMinute}})
				began := time.Now()
				go func() {
					time.Sleep(time.Minute)
					c.begin(bridges)
					time.Sleep(30 * time.Second)
					c.end(bridges)
				}()
				r := workAll(all, 3*time.Minute, fixed(1))
				require.LessOrEqual(t, r.most(time.Minute, one), perMinute+c.exceed)
				for at := time.Duration(0); at < 3*time.Minute; at += 5 * time.Second {
					n := r.since(began.Add(at), one) - r.since(began.Add(at+5*time.Second), one)
					require.GreaterOrEqual(t, n, int64(perMinute/12*60/100), "mail hardly slows down, at %v", at)
				}
			})
		})
	}
}

func jump(by time.Duration) func([]*bridge) {
	return func(all []*bridge) {
		for _, b := range all {
			b.ahead.Store(by.Microseconds())
		}
	}
}

func latency(d time.Duration) func([]*bridge) {
	return func(all []*bridge) {
		for _, b := range all {
			b.latency.Store(int64(d))
		}
	}
}

// TestAway has no Redis at all.
func TestAway(t *testing.T) {
	w := newWorld(t)
	refused := errors.New("connection refused")
	for _, c := range []struct {
		share float64
		want  int64
	}{{0, 600}, {1, 600}, {0.25, 150}} {
		synctest.Test(t, func(t *testing.T) {
			b := w.bridge("away", "one")
			b.fail.Store(&refused)
			var log bytes.Buffer
			o := Options{Share: c.share, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			th := start(local.New(&local.Table{Base: throttle.Limits{Domain: throttle.Rates{Messages: 600}}}), b, o.complete())
			defer th.Close()
			r := workAll([]*Throttler{th}, 5*time.Minute, fixed(1))
			require.LessOrEqual(t, r.most(time.Minute, one), c.want)
			require.GreaterOrEqual(t, int64(len(r.all)), 5*(c.want-1)-5)
			require.Equal(t, 1, strings.Count(log.String(), "\n"), "told once: %s", log.String())
			require.Less(t, b.calls.Load(), int64(160), "it is looked after, not hammered")
			require.False(t, th.Shared())
		})
	}
}

func TestComesAndGoes(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		all, bridges := w.instances(t, 2, throttle.Limits{Domain: throttle.Rates{Messages: 600}})
		time.Sleep(5 * time.Second)
		require.True(t, all[0].Shared())
		bridges[0].fail.Store(&refused)
		time.Sleep(5 * time.Second)
		require.False(t, all[0].Shared())
		r := workAll(all[:1], 2*time.Minute, fixed(1))
		require.InDelta(t, 600, len(r.all), 5, "half of the limit, as there were two")
		bridges[0].fail.Store(nil)
		time.Sleep(3 * time.Second)
		require.True(t, all[0].Shared())
	})
}

// TestFirstEpoch begins with a Redis that knows nothing: nobody can know what others sent.
func TestFirstEpoch(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		b := w.bridge("new", "one")
		th := start(local.New(&local.Table{Base: throttle.Limits{Domain: throttle.Rates{Messages: 1}}}), b,
			Options{}.complete())
		defer th.Close()
		began := time.Now()
		r := workAll([]*Throttler{th}, 10*time.Second, fixed(1))
		require.Len(t, r.all, 1)
		require.WithinDuration(t, began.Add(settling), r.all[0].at, 300*time.Millisecond)
		require.Less(t, b.calls.Load(), int64(30), "it waits, and does not ask all the time")
	})
}

func TestLeavingGivesBack(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		all, _ := w.instances(t, 2, throttle.Limits{Domain: throttle.Rates{Messages: 1, Connections: 1}})
		var c throttle.Conn
		require.Eventually(t, func() bool { c, _ = all[0].Connect(path, target); return c != nil }, time.Second,
			time.Millisecond)
		require.False(t, c.Send(1).Zero(), "this asks for the only unit")
		time.Sleep(10 * time.Millisecond)
		c.Close()
		require.NoError(t, all[0].Close())
		require.Eventually(t, func() bool { c, _ = all[1].Connect(path, target); return c != nil }, time.Second,
			time.Millisecond)
		defer c.Close()
		require.Eventually(t, func() bool { return c.Send(1).Zero() }, time.Second, time.Millisecond)
	})
}

func TestLimitsChange(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		table := func(n int64) *local.Table {
			return &local.Table{Base: throttle.Limits{Domain: throttle.Rates{Messages: n}}}
		}
		all, _ := w.instances(t, 2, throttle.Limits{})
		c, _ := all[0].Connect(path, target)
		defer c.Close()
		for range 100 {
			require.True(t, c.Send(1).Zero())
		}
		all[0].local.Set(table(1))
		require.Eventually(t, func() bool { return c.Send(1).Zero() }, time.Second, time.Millisecond)
		time.Sleep(2 * time.Second)
		require.Equal(t, "maxmessages", c.Send(1).Limit)
		all[0].local.Set(table(600))
		require.Eventually(t, func() bool { return c.Send(1).Zero() }, 2*time.Second, time.Millisecond,
			"a raised limit works at once")
		all[0].local.Set(nil)
		require.True(t, c.Send(1).Zero())
	})
}
