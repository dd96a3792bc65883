package throttletest

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
)

// refuse connects, which must not be possible because of limit.
func refuse(t *testing.T, th throttle.Throttler, path throttle.Path, target netip.Addr, limit string) throttle.Wait {
	t.Helper()
	c, wait := th.Connect(path, target)
	require.Nil(t, c, "more connections than %s allows", limit)
	sane(t, wait)
	require.Equal(t, limit, wait.Limit)
	return wait
}

func connections(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Connections: 2}})
	w := listen(th)
	a, b := dial(t, th, pathA, target1), dial(t, th, pathA, target2)
	wait := refuse(t, th, pathA, target1, "maxconnections")
	require.GreaterOrEqual(t, wait.For, time.Minute, "only a Close lifts this limit, and Changed tells of it")
	dial(t, th, pathB, target1).Close()
	dial(t, th, pathC, target1).Close()
	w.none(t, "no slot of the path that waits came free")

	a.Close()
	w.one(t, pathA, "Changed is called when a slot comes free that somebody was refused")
	c := dial(t, th, pathA, target1)
	b.Close()
	c.Close()
	w.none(t, "nobody waited any more")
}

func connectionsToTarget(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{Target: throttle.Rates{Connections: 1}})
	w := listen(th)
	a := dial(t, th, pathA, target1)
	refuse(t, th, pathB, target1, "ip_maxconnections")
	refuse(t, th, pathA, netip.MustParseAddr("::ffff:198.51.100.1"), "ip_maxconnections")
	dial(t, th, pathB, target2).Close()
	w.none(t, "that was another target")
	a.Close()
	w.one(t, pathB, "Changed names the path that waits, not the one that closed")
	dial(t, th, pathB, target1).Close()
}

func starting(t *testing.T, newThrottler New) {
	for limit, limits := range map[string]throttle.Limits{
		"maxstarting":    {Domain: throttle.Rates{Starting: 1, Connections: 5}},
		"ip_maxstarting": {Target: throttle.Rates{Starting: 1, Connections: 5}},
	} {
		th := newThrottler(t, limits)
		w := listen(th)
		a := dial(t, th, pathA, target1)
		refuse(t, th, pathA, target1, limit)
		a.Established()
		w.one(t, pathA, "Changed is called when a connection no longer counts as starting")
		a.Established()
		b := dial(t, th, pathA, target1)
		refuse(t, th, pathA, target1, limit)
		b.Close()
		w.one(t, pathA, "a connection that ends while it starts is not starting any more")
		c := dial(t, th, pathA, target1)
		a.Close()
		refuse(t, th, pathA, target1, limit)
		c.Close()
		dial(t, th, pathA, target1).Close()
	}
}

func perConnection(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{Connection: throttle.PerConnection{Messages: 3, Bytes: 100}})
	a, b := dial(t, th, pathA, target1), dial(t, th, pathA, target1)
	defer a.Close()
	defer b.Close()
	for range 3 {
		require.True(t, a.Send(1).Zero())
	}
	wait := a.Send(1)
	sane(t, wait)
	require.Equal(t, "connection_maxmessages", wait.Limit)
	a.Cancel(1)
	require.True(t, a.Send(1).Zero(), "what was cancelled does not count")
	require.True(t, b.Send(100).Zero(), "each connection counts for itself")
	require.Equal(t, "connection_maxbytes", b.Send(1).Limit)
}

func closeTwice(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Connections: 2, Starting: 2}})
	a, b := dial(t, th, pathA, target1), dial(t, th, pathA, target1)
	a.Idle(true)
	for range 3 {
		a.Close()
	}
	a.Established()
	a.Idle(false)
	a.Cancel(1)
	c := dial(t, th, pathA, target1)
	refuse(t, th, pathA, target1, "maxconnections")
	b.Close()
	c.Close()
}

func independent(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Messages: 1, Connects: 1, Connections: 1}})
	for _, path := range []throttle.Path{pathA, pathB, pathC, {Site: "a.example"}} {
		c := dial(t, th, path, target1)
		require.True(t, c.Send(1).Zero(), "%v: paths have rates of their own", path)
		require.False(t, c.Send(1).Zero(), "maxmessages: more than the limit of 1")
		defer c.Close()
	}
}

func origin(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{
		Domain: throttle.Rates{Messages: 1}, Target: throttle.Rates{Connections: 1},
		Origin: map[string]string{"maxmessages": "gentle", "ip_maxconnections": "shy"},
	})
	c := dial(t, th, pathA, target1)
	defer c.Close()
	require.True(t, c.Send(1).Zero())
	require.Equal(t, "gentle", c.Send(1).Rule, "Wait names the rule that the limit came from")
	_, wait := th.Connect(pathA, target1)
	require.Equal(t, "shy", wait.Rule)
}

// storm uses a throttler from many goroutines in real time, best under the race detector, and counts what is out.
func storm(t *testing.T, newThrottler New) {
	const perPath, perTarget, perMinute = 5, 8, 6000
	th := newThrottler(t, throttle.Limits{
		Domain: throttle.Rates{Connections: perPath, Messages: perMinute, Bytes: 1 << 30},
		Target: throttle.Rates{Connections: perTarget},
	})
	var told atomic.Int64
	th.Changed(func(throttle.Path) { told.Add(1) })
	paths := []throttle.Path{pathA, pathB, pathC}
	targets := []netip.Addr{target1, target2}
	var open [3]atomic.Int64
	var openTo [2]atomic.Int64
	var sent [3]atomic.Int64
	var tooMany, tooManyTo sync.Once
	began := time.Now()
	var wg sync.WaitGroup
	for worker := range 24 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(worker)))
			for range 300 {
				p, to := r.IntN(3), r.IntN(2)
				c, wait := th.Connect(paths[p], targets[to])
				if !wait.Zero() {
					continue
				}
				if c == nil {
					t.Error("Connect with a zero Wait must return a Conn")
					return
				}
				if n := open[p].Add(1); n > perPath {
					tooMany.Do(func() { t.Errorf("maxconnections: %d connections of a path are open, %d are allowed", n, perPath) })
				}
				if n := openTo[to].Add(1); n > perTarget {
					tooManyTo.Do(func() {
						t.Errorf("ip_maxconnections: %d connections to a target are open, %d are allowed", n, perTarget)
					})
				}
				c.Established()
				sent[p].Add(stormSend(r, c))
				open[p].Add(-1)
				openTo[to].Add(-1)
				c.Close()
			}
		})
	}
	wg.Wait()
	allowed := int64(time.Since(began)*perMinute/time.Minute) + perMinute/100
	for i := range sent {
		require.LessOrEqual(t, sent[i].Load(), allowed, "maxmessages: more mails than the limit allows in the time it took")
	}
	for _, path := range paths {
		for range perPath {
			c := dial(t, th, path, netip.AddrFrom4([4]byte{203, 0, 113, byte(rand.IntN(250))}))
			c.Close()
		}
	}
}

// stormSend returns how many mails stayed sent.
func stormSend(r *rand.Rand, c throttle.Conn) (sent int64) {
	for range r.IntN(5) {
		if !c.Send(100).Zero() {
			continue
		}
		sent++
		c.Idle(r.IntN(2) == 0)
		if r.IntN(4) == 0 {
			c.Cancel(100)
			sent--
		}
	}
	return sent
}
