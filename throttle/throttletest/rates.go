package throttletest

import (
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
)

func unlimited(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{})
	w := listen(th)
	for range 1000 {
		c := dial(t, th, pathA, target1)
		c.Established()
		for range 10 {
			require.True(t, c.Send(1<<40).Zero(), "zero is unlimited")
		}
		c.Idle(true)
		c.Idle(false)
		c.Cancel(1 << 40)
		th.Observe(pathA, target1, throttle.Outcome{Code: 250, Sent: true})
		defer c.Close()
	}
	w.none(t, "nobody waits, so nobody is to be told")
}

func limits(t *testing.T, newThrottler New) {
	want := throttle.Limits{
		Domain:     throttle.Rates{Messages: 1, Bytes: 2, Connects: 3, Connections: 4, Starting: 5, Idle: 6},
		Target:     throttle.Rates{Messages: 7, Bytes: 8, Connects: 9, Connections: 10, Starting: 11, Idle: 12},
		Connection: throttle.PerConnection{Messages: 13, Bytes: 14, Idle: 15, Security: "required"},
		Queue:      throttle.PerQueue{Messages: 16},
	}
	th := newThrottler(t, want)
	for range 2 {
		got := *th.Limits(pathA)
		got.Origin = nil
		require.Equal(t, want, got, "Limits returns the effective values")
	}
}

func messages(t *testing.T, newThrottler New) {
	for _, n := range []int{1, 2, 7, 60, 100, 1000, 6000} {
		th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Messages: int64(n)}})
		c := dial(t, th, pathA, target1)
		pump(t, c, 1000, 10*time.Minute).exact(t, th, "maxmessages", n, 10)
		wait := c.Send(1000)
		if !wait.Zero() || loss(th) == 0 { // a patient caller is not refused at high rates
			require.Equal(t, "maxmessages", wait.Limit, "the limit has its name in the settings")
		}
		c.Close()
	}
}

func messagesToTarget(t *testing.T, newThrottler New) {
	const n = 300
	th := newThrottler(t, throttle.Limits{Target: throttle.Rates{Messages: n}})
	a, b := dial(t, th, pathA, target1), dial(t, th, pathB, target1)
	other := dial(t, th, pathA, target2)
	defer a.Close()
	defer b.Close()
	defer other.Close()
	shared := pumpAll(t, []throttle.Conn{a, b}, 5*time.Minute)
	shared.exact(t, th, "ip_maxmessages over two sites", n, 5)
	require.Equal(t, "ip_maxmessages", a.Send(1).Limit)
	require.True(t, other.Send(1).Zero(), "another target has a rate of its own")
}

// pumpAll pumps over several connections at once.
func pumpAll(t *testing.T, conns []throttle.Conn, during time.Duration) (all events) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			sent := pump(t, c, 1000, during)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, sent...)
		})
	}
	wg.Wait()
	sort.Slice(all, func(i, j int) bool { return all[i].Before(all[j]) })
	return all
}

func manyConnections(t *testing.T, newThrottler New) {
	const n = 600
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Messages: n}, Target: throttle.Rates{Messages: 2 * n}})
	var conns []throttle.Conn
	for range 10 {
		c := dial(t, th, pathA, target1)
		defer c.Close()
		conns = append(conns, c)
	}
	pumpAll(t, conns, 5*time.Minute).exact(t, th, "maxmessages over ten connections", n, 5)
}

func lateCallers(t *testing.T, newThrottler New) {
	const n = 600
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Messages: n}})
	c := dial(t, th, pathA, target1)
	defer c.Close()
	var sent events
	for s := steady(t, 5*time.Minute); s.more(); {
		if wait := c.Send(1); !wait.Zero() {
			s.wait(wait, 5*time.Millisecond) // as timers and schedulers are
			continue
		}
		sent = append(sent, time.Now())
	}
	sent.exact(t, th, "callers that are 5 ms late", n, 5)
}

// pause: what was not used is not saved up.
func pause(t *testing.T, newThrottler New) {
	const n = 60
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Messages: n}})
	c := dial(t, th, pathA, target1)
	defer c.Close()
	var all events
	for range 5 {
		all = append(all, pump(t, c, 1, 90*time.Second)...)
		time.Sleep(47 * time.Second)
	}
	require.LessOrEqual(t, all.most(time.Minute), n, "a pause must not lead to more than the limit in some minute")
	require.LessOrEqual(t, all.most(3*time.Second), n/20+2, "a pause must not lead to a burst")
}

func bytesExact(t *testing.T, newThrottler New) {
	const limit = 1 << 20
	for _, size := range []int64{1 << 10, 10000, 300 << 10} {
		th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Bytes: limit}})
		c := dial(t, th, pathA, target1)
		sent := pump(t, c, size, 10*time.Minute)
		require.LessOrEqual(t, int64(sent.most(time.Minute))*size, int64(limit),
			"maxbytes: more than the limit in some minute, with mails of %d", size)
		require.GreaterOrEqual(t, int64(len(sent))*size, 10*(limit-limit/40-int64(loss(th)*limit))-10*size,
			"maxbytes: the limit is to be reached, within 2.5 per cent and a mail of %d a minute", size)
		c.Close()
	}
}

func largeMail(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Bytes: 1000}})
	c := dial(t, th, pathA, target1)
	defer c.Close()
	require.True(t, c.Send(100).Zero())
	sent := pump(t, c, 5000, 20*time.Minute)
	require.NotEmpty(t, sent, "a mail larger than a minute's bytes must go in the end")
	require.LessOrEqual(t, len(sent), 5, "maxbytes: a mail larger than a minute's bytes goes at the rate of its size")
}

func connects(t *testing.T, newThrottler New) {
	for _, c := range []struct {
		name   string
		limits throttle.Limits
	}{
		{"maxconnects", throttle.Limits{Domain: throttle.Rates{Connects: 120}}},
		{"ip_maxconnects", throttle.Limits{Target: throttle.Rates{Connects: 120}}},
	} {
		th := newThrottler(t, c.limits)
		var made events
		for s := steady(t, 5*time.Minute); s.more(); {
			conn, wait := th.Connect(pathA, target1)
			if wait.Zero() {
				require.NotNil(t, conn, "Connect with a zero Wait must return a Conn")
				made = append(made, time.Now())
				conn.Close() // gives back no connect
				continue
			}
			require.Nil(t, conn, "no Conn with a wait")
			require.Equal(t, c.name, wait.Limit)
			s.wait(wait, 0)
		}
		made.exact(t, th, c.name, 120, 5)
	}
}

func cancel(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Messages: 1, Bytes: 1000},
		Target: throttle.Rates{Messages: 1}})
	c := dial(t, th, pathA, target1)
	defer c.Close()
	for range 10 {
		require.True(t, c.Send(700).Zero(), "Cancel gives back what Send reserved")
		require.False(t, c.Send(700).Zero(), "maxmessages: more than the limit of 1")
		c.Cancel(700)
	}
	c.Cancel(700)
	c.Cancel(1)
	require.True(t, c.Send(700).Zero())
	require.False(t, c.Send(1).Zero(), "Cancel of what was not reserved gives nothing")
}

// cancelTooMuch cancels late and at random and checks that what stayed sent is never too much.
func cancelTooMuch(t *testing.T, newThrottler New) {
	const n = 120
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Messages: n}})
	c := dial(t, th, pathA, target1)
	defer c.Close()
	var kept events
	step := 0
	for s := steady(t, 10*time.Minute); s.more(); step++ {
		if wait := c.Send(10); !wait.Zero() {
			s.wait(wait, 0)
			continue
		}
		at := time.Now()
		if step%3 == 0 {
			time.Sleep(time.Duration(step%7) * 300 * time.Millisecond)
			c.Cancel(10)
			continue
		}
		kept = append(kept, at)
	}
	require.LessOrEqual(t, kept.most(time.Minute), n, "what Cancel gives back must not make a minute too full")
}

func cancelTells(t *testing.T, newThrottler New) {
	th := newThrottler(t, throttle.Limits{Domain: throttle.Rates{Messages: 1}})
	a, b := dial(t, th, pathA, target1), dial(t, th, pathA, target1)
	defer a.Close()
	defer b.Close()
	w := listen(th)
	require.True(t, a.Send(1).Zero())
	require.False(t, b.Send(1).Zero(), "maxmessages: more than the limit of 1")
	a.Cancel(1)
	w.one(t, pathA, "Changed is called when what was cancelled lets others go before their time")
	require.True(t, b.Send(1).Zero())
}
