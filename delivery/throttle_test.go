package delivery_test

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/throttle"
)

// pacer is a throttler that does as it is told.
type pacer struct {
	limits  throttle.Limits
	connect func(throttle.Path, netip.Addr) throttle.Wait
	send    func(throttle.Path, netip.Addr) throttle.Wait

	mu      sync.Mutex
	changed func(throttle.Path)
	seen    []throttle.Outcome
	aliases map[string]string
	open    int
	sent    int // mails that were let go, less those cancelled
	idle    int
	early   bool // a mail went over a connection that was not established
}

func (p *pacer) Limits(throttle.Path) *throttle.Limits { return &p.limits }

func (p *pacer) Connect(path throttle.Path, target netip.Addr) (throttle.Conn, throttle.Wait) {
	if p.connect != nil {
		if wait := p.connect(path, target); !wait.Zero() {
			return nil, wait
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	return &pacerConn{p: p, path: path, target: target}, throttle.Wait{}
}

func (p *pacer) Observe(_ throttle.Path, _ netip.Addr, o throttle.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, o)
}

func (p *pacer) Changed(f func(throttle.Path)) { p.changed = f }

func (p *pacer) Alias(site, domain string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.aliases == nil {
		p.aliases = map[string]string{}
	}
	p.aliases[domain] = site
}

// balanced checks, once all is over, that the accounts were kept.
func (p *pacer) balanced(t testing.TB, delivered int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Zero(t, p.open, "accounts that were not closed")
	require.Zero(t, p.idle, "accounts that are still idle")
	require.False(t, p.early, "a mail on an account that was not established")
	require.Equal(t, delivered, p.sent, "mails that were let go and not cancelled")
}

type pacerConn struct {
	p      *pacer
	path   throttle.Path
	target netip.Addr
	stands bool
	closed bool
}

func (c *pacerConn) Established() { c.stands = true }

func (c *pacerConn) Send(int64) throttle.Wait {
	if c.p.send != nil {
		if wait := c.p.send(c.path, c.target); !wait.Zero() {
			return wait
		}
	}
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.sent++
	c.p.early = c.p.early || !c.stands
	return throttle.Wait{}
}

func (c *pacerConn) Cancel(int64) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.sent--
}

func (c *pacerConn) Idle(idle bool) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if idle {
		c.p.idle++
	} else {
		c.p.idle--
	}
}

func (c *pacerConn) Close() {
	c.p.mu.Lock()
	if !c.closed {
		c.closed = true
		c.p.open--
	}
	c.p.mu.Unlock()
}

// every lets one call pass each interval.
func every(interval time.Duration, limit string) func(throttle.Path, netip.Addr) throttle.Wait {
	var mu sync.Mutex
	var next time.Time
	return func(throttle.Path, netip.Addr) throttle.Wait {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if now.Before(next) {
			return throttle.Wait{For: next.Sub(now), Limit: limit, Rule: "test"}
		}
		next = now.Add(interval)
		return throttle.Wait{}
	}
}

func TestThrottledMailGoesExactlyWhenItMay(t *testing.T) {
	for _, limit := range []string{"maxmessages", "ip_maxmessages"} {
		t.Run(limit, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				// Three connections, made one after the other, and an answer for the fourth that is good for long.
				p := &pacer{send: every(7*time.Second, limit)}
				var connects atomic.Int64
				p.connect = func(throttle.Path, netip.Addr) throttle.Wait {
					if connects.Add(1) > 3 {
						return throttle.Wait{For: time.Hour, Limit: "maxconnections", Rule: "test"}
					}
					return throttle.Wait{}
				}
				p.limits.Connection = throttle.PerConnection{Idle: time.Hour, MinMessages: 1}
				w.sender.open = func(_ context.Context, _ *delivery.Hop, n int) error {
					time.Sleep(time.Duration(n) * time.Second)
					return nil
				}
				w.Throttle = p
				begun := time.Now()
				w.start()
				w.publishMany(40, "example.com")
				w.sleep(39*7*time.Second + 2*time.Second)
				require.Equal(t, 40, w.stats("success").Ready)
				for i, s := range w.sender.all() {
					require.Equal(t, time.Second+time.Duration(i)*7*time.Second, s.at.Sub(begun), "mail %d", i)
				}
				require.LessOrEqual(t, w.sender.opened.Load(), int64(3))
				w.shutDown()
				p.balanced(t, 40)
			})
		})
	}
}

func TestThrottledConnectionsAreMadeWhenTheyMay(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.Throttle = &pacer{connect: every(20*time.Second, "maxconnects"),
			limits: throttle.Limits{Connection: throttle.PerConnection{Messages: 1}}}
		begun := time.Now()
		w.start()
		w.publishMany(5, "example.com")
		w.sleep(time.Second)
		state := w.Explain("example.com")[0]
		require.Equal(t, "maxconnects", state.Wait.Limit)
		require.Equal(t, begun.Add(20*time.Second), state.WaitUntil)
		w.sleep(80 * time.Second)
		for i, s := range w.sender.all() {
			require.Equal(t, time.Duration(i)*20*time.Second, s.at.Sub(begun))
		}
		require.Equal(t, 5, w.stats("success").Ready)
		for _, m := range w.take("success") {
			require.Len(t, m.Results, 1, "waiting is no attempt")
		}
		w.shutDown()
	})
}

// A throttler may say "look again" before its answer was even noted; the answer is out of date then.
func TestThrottlerThatChangesItsMindAtOnce(t *testing.T) {
	for _, what := range []string{"connect", "send"} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				p := &pacer{}
				asked := 0
				once := func(path throttle.Path, _ netip.Addr) throttle.Wait {
					if asked++; asked > 1 {
						return throttle.Wait{}
					}
					p.changed(path)
					return throttle.Wait{For: time.Hour, Limit: "maxconnections", Rule: "test"}
				}
				if what == "connect" {
					p.connect = once
				} else {
					p.send = once
				}
				w.Throttle = p
				w.start()
				w.publish(mail("someone@example.com"))
				w.sleep(time.Second)
				require.Equal(t, 1, w.stats("success").Ready)
				w.shutDown()
			})
		})
	}
}

func TestChangedLimitsTakeEffectAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		tell  throttle.Path
		limit string
	}{"this path": {throttle.Path{Site: "example.com"}, "pause"}, "all paths": {throttle.Path{}, "pause"},
		"a target": {throttle.Path{}, "ip_maxbytes"}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				var mu sync.Mutex
				paused := true
				p := &pacer{limits: throttle.Limits{Connection: throttle.PerConnection{Idle: time.Hour}},
					send: func(throttle.Path, netip.Addr) throttle.Wait {
						mu.Lock()
						defer mu.Unlock()
						if paused {
							return throttle.Wait{For: time.Hour, Limit: test.limit, Rule: "maintenance"}
						}
						return throttle.Wait{}
					}}
				w.Throttle = p
				w.start()
				w.publishMany(30, "example.com")
				w.sleep(10 * time.Second)
				require.Zero(t, w.sender.count())
				state := w.Paths()[0]
				require.Equal(t, test.limit, state.Wait.Limit)
				if test.limit != "pause" {
					require.Equal(t, 1, state.Open+state.Starting, "another connection would have to wait as well")
				}
				mu.Lock()
				paused = false
				mu.Unlock()
				p.changed(test.tell)
				w.settled()
				require.Equal(t, 30, w.stats("success").Ready)
				w.shutDown()
				p.balanced(t, 30)
			})
		})
	}
}

func TestShorterWaitReplacesALongerOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		waits := []time.Duration{time.Hour, 5 * time.Second, 0}
		p := &pacer{limits: throttle.Limits{Connection: throttle.PerConnection{Idle: 2 * time.Hour}}}
		p.send = func(throttle.Path, netip.Addr) throttle.Wait {
			wait := throttle.Wait{For: waits[0], Limit: "pause", Rule: "test"}
			if waits = waits[1:]; wait.For == 0 {
				return throttle.Wait{}
			}
			return wait
		}
		w.Throttle = p
		w.start()
		w.publish(mail("someone@example.com"))
		w.sleep(time.Second)
		p.changed(throttle.Path{})
		w.sleep(4900 * time.Millisecond)
		require.Zero(t, w.sender.count())
		w.sleep(200 * time.Millisecond)
		require.Equal(t, 1, w.sender.count())
		w.shutDown()
	})
}

// Only the connection is full then; the path goes on with another one.
func TestLimitOfTheConnectionEndsIt(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		n := 0
		w.Throttle = &pacer{
			connect: func(throttle.Path, netip.Addr) throttle.Wait { n = 0; return throttle.Wait{} },
			send: func(throttle.Path, netip.Addr) throttle.Wait {
				if n++; n > 2 {
					return throttle.Wait{For: time.Hour, Limit: "connection_maxmessages", Rule: "test"}
				}
				return throttle.Wait{}
			},
		}
		w.sender.mail = slow(time.Second)
		w.start()
		w.publishMany(6, "example.com")
		w.sleep(7 * time.Second)
		require.Equal(t, 6, w.stats("success").Ready)
		require.EqualValues(t, 3, w.sender.opened.Load())
		w.shutDown()
	})
}

func TestLimitOfATargetHoldsUpThatTargetOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		w.router.addresses["mx.example.com"] = []netip.Addr{one, two}
		w.Throttle = &pacer{
			limits: throttle.Limits{Connection: throttle.PerConnection{Spread: true, Idle: time.Hour}},
			connect: func(_ throttle.Path, a netip.Addr) throttle.Wait {
				if a == one && w.sender.opened.Load() > 0 {
					return throttle.Wait{For: time.Hour, Limit: "ip_maxconnections", Rule: "test"}
				}
				return throttle.Wait{}
			},
			send: func(_ throttle.Path, a netip.Addr) throttle.Wait {
				if a == one && w.sender.count() > 3 {
					return throttle.Wait{For: time.Minute, Limit: "ip_maxmessages", Rule: "test"}
				}
				return throttle.Wait{}
			},
		}
		w.sender.mail = slow(time.Second)
		w.start()
		w.publishMany(20, "example.com")
		w.sleep(30 * time.Second)
		require.Equal(t, 20, w.stats("success").Ready)
	})
}

func TestThrottlerHearsOfOutcomesAndAliases(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		p := &pacer{}
		w.Throttle = p
		w.router.route("a.test", []string{"a.test", "b.test"}, "mx.a.test")
		w.router.chill("a.test", "b.test")
		w.start()
		w.publish(mail("someone@a.test"), mail("someone@b.test"))
		w.settled()
		require.Equal(t, map[string]string{"a.test": "a.test", "b.test": "a.test"}, p.aliases)
		require.Len(t, p.seen, 2)
		require.True(t, p.seen[0].Sent)
		require.Equal(t, "250 queued", p.seen[0].Text)
		w.shutDown()
		p.balanced(t, 2)
	})
}
