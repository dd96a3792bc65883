package local_test

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
	"github.com/sluicemail/sluice/throttle/throttletest"
)

var (
	path   = throttle.Path{Site: "a.example"}
	other  = throttle.Path{Site: "b.example"}
	target = netip.MustParseAddr("198.51.100.1")
)

func TestThrottler(t *testing.T) {
	throttletest.Run(t, func(_ *testing.T, limits throttle.Limits) throttle.Throttler {
		return local.New(&local.Table{Base: limits})
	})
}

func messages(n int64) *local.Table {
	return &local.Table{Base: throttle.Limits{Domain: throttle.Rates{Messages: n}}}
}

func connect(t testing.TB, th *local.Throttler, path throttle.Path) throttle.Conn {
	t.Helper()
	c, wait := th.Connect(path, target)
	require.True(t, wait.Zero())
	return c
}

func TestSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := local.New(nil)
		told := make(chan throttle.Path, 10)
		th.Changed(func(p throttle.Path) { told <- p })
		c := connect(t, th, path)
		for range 100 {
			require.True(t, c.Send(1).Zero())
		}
		th.Set(messages(1))
		require.Equal(t, throttle.Path{}, <-told, "all are to look again")
		require.True(t, c.Send(1).Zero())
		require.Equal(t, "maxmessages", c.Send(1).Limit, "open connections keep to new limits")
		th.Set(messages(600))
		wait := c.Send(1)
		require.Less(t, wait.For, 200*time.Millisecond, "a raised limit works at once")
		th.Set(nil)
		require.True(t, c.Send(1).Zero())

		th.Set(&local.Table{Base: throttle.Limits{Domain: throttle.Rates{Connections: 1}}})
		_, wait = th.Connect(path, target)
		require.Equal(t, "maxconnections", wait.Limit, "connections from before are counted")
		c.Close()
		connect(t, th, path).Close()
	})
}

// rules give one path a limit.
type rules struct {
	asked   atomic.Int32
	limit   atomic.Int64
	outcome throttle.Outcome
	alias   string
}

func (r *rules) Limits(p throttle.Path, base *throttle.Limits) *throttle.Limits {
	r.asked.Add(1)
	if p != path {
		return nil
	}
	l := *base
	l.Domain.Messages = r.limit.Load()
	l.Origin = map[string]string{"maxmessages": "flood"}
	return &l
}

func (r *rules) Observe(_ throttle.Path, _ netip.Addr, o throttle.Outcome) { r.outcome = o }
func (r *rules) Alias(site, domain string)                                 { r.alias = site + " " + domain }

func TestRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(rules)
		th := local.New(&local.Table{Base: throttle.Limits{Domain: throttle.Rates{Connections: 7}}, Rules: r})
		told := make(chan throttle.Path, 10)
		th.Changed(func(p throttle.Path) { told <- p })
		for range 5 {
			require.Equal(t, 7, th.Limits(path).Domain.Connections)
			require.Same(t, &th.Table().Base, th.Limits(other))
		}
		require.EqualValues(t, 2, r.asked.Load(), "once for each path")

		c := connect(t, th, path)
		defer c.Close()
		require.True(t, c.Send(1).Zero())
		r.limit.Store(1)
		require.True(t, c.Send(1).Zero(), "the rules' answer is remembered")
		th.Invalidate(path)
		require.Equal(t, path, <-told)
		require.True(t, c.Send(1).Zero())
		require.Equal(t, "flood", c.Send(1).Rule)
		require.EqualValues(t, 3, r.asked.Load(), "other paths are not asked for again")
		th.Invalidate(throttle.Path{})
		th.Limits(other)
		require.EqualValues(t, 4, r.asked.Load())

		th.Observe(path, target, throttle.Outcome{Code: 421})
		require.Equal(t, 421, r.outcome.Code)
		th.Alias("a.example", "c.example")
		require.Equal(t, "a.example c.example", r.alias)
	})
}

func TestSharedTargetWithDifferentRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := local.New(&local.Table{Rules: perSite{"a.example": 6, "b.example": 600}})
		slow, fast := connect(t, th, path), connect(t, th, other)
		defer slow.Close()
		defer fast.Close()
		var sent [2]int
		for range 3000 { // five minutes
			for i, c := range []throttle.Conn{slow, fast} {
				if c.Send(1).Zero() {
					sent[i]++
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		require.InDelta(t, 30, sent[0], 2, "neither starved nor let loose by the other")
		require.Greater(t, sent[1], 2700)
	})
}

type perSite map[string]int64

func (r perSite) Limits(p throttle.Path, _ *throttle.Limits) *throttle.Limits {
	return &throttle.Limits{Target: throttle.Rates{Messages: r[p.Site]}}
}

func TestAccountsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := local.New(messages(60))
		for i := range 20000 {
			c := connect(t, th, throttle.Path{Site: fmt.Sprint(i, ".example")})
			require.True(t, c.Send(1).Zero())
			c.Close()
			time.Sleep(time.Millisecond)
		}
		paths, targets := th.Accounts()
		require.LessOrEqual(t, paths, 4000, "each has something to remember for a second only")
		require.LessOrEqual(t, targets, 1)

		th = local.New(nil)
		c := connect(t, th, path)
		c.Idle(true)
		require.Equal(t, local.Usage{Connections: 1, Starting: 1, Idle: 1}, th.Usage(path))
		c.Established()
		require.Equal(t, local.Usage{Connections: 1, Idle: 1}, th.TargetUsage(target))
		c.Close()
		paths, targets = th.Accounts()
		require.Zero(t, paths+targets)
		require.Zero(t, th.Usage(path))
	})
}

func TestManyPathsWaitForATarget(t *testing.T) {
	th := local.New(&local.Table{Base: throttle.Limits{Target: throttle.Rates{Connections: 1}}})
	var told []throttle.Path
	th.Changed(func(p throttle.Path) { told = append(told, p) })
	c := connect(t, th, path)
	for i := range 3 {
		_, wait := th.Connect(throttle.Path{Site: fmt.Sprint(i)}, target)
		require.False(t, wait.Zero())
	}
	c.Close()
	require.Len(t, told, 3)
	told = nil
	c = connect(t, th, path)
	for i := range 1000 {
		th.Connect(throttle.Path{Site: fmt.Sprint(i)}, target)
	}
	c.Close()
	require.Equal(t, []throttle.Path{{}}, told, "too many to remember: all are told")
}

func TestConfiguration(t *testing.T) {
	l := local.Configuration{DomainMaxMessages: 1, DomainMaxConnects: 2, DomainMaxConnections: 3, DomainMaxQueue: 4,
		IPMaxMessages: 5, IPMaxConnects: 6, IPMaxConnections: 7, ConnMaxMessages: 8, ConnMaxIdle: 5 * time.Second,
		Security: "required"}.Limits()
	require.Equal(t, throttle.Rates{Messages: 1, Connects: 2, Connections: 3}, l.Domain)
	require.Equal(t, throttle.Rates{Messages: 5, Connects: 6, Connections: 7}, l.Target)
	require.Equal(t, throttle.PerConnection{Messages: 8, Idle: 5 * time.Second, Security: "required"}, l.Connection)
	require.Equal(t, 4, l.Queue.Messages)
	require.Equal(t, "configuration", l.Origin["ip_maxconnects"])
	require.Len(t, l.Origin, 10)
	require.NotContains(t, local.Configuration{}.Limits().Origin, "maxmessages")
}

func TestUnlimitedCostsNothing(t *testing.T) {
	th := local.New(nil)
	c := connect(t, th, path)
	defer c.Close()
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Send(1000) }))
}

func BenchmarkSendUnlimited(b *testing.B) {
	th := local.New(nil)
	c := connect(b, th, path)
	for b.Loop() {
		c.Send(1000)
	}
}

func BenchmarkSendLimited(b *testing.B) {
	th := local.New(messages(1 << 40))
	c := connect(b, th, path)
	b.ReportAllocs()
	for b.Loop() {
		c.Send(1000)
	}
}

func Example() {
	th := local.New(&local.Table{Base: local.Configuration{DomainMaxMessages: 60, DomainMaxConnections: 1}.Limits()})
	path := throttle.Path{Site: "example.org"}
	target := netip.MustParseAddr("192.0.2.25")

	conn, _ := th.Connect(path, target)
	defer conn.Close()
	conn.Established()
	fmt.Println(conn.Send(1000).Zero())
	fmt.Println(conn.Send(1000).Limit)
	_, wait := th.Connect(path, target)
	fmt.Println(wait.Limit, wait.Rule)
	// Output:
	// true
	// maxmessages
	// maxconnections configuration
}
