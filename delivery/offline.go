package delivery

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// offline remembers the addresses and ports that could not be reached a moment ago, whatever path tried. It is bounded:
// when it is full, what is out of date goes, or everything.
type offline struct {
	mu    sync.Mutex
	until map[netip.AddrPort]time.Time
}

const maxOffline = 10000

func (o *offline) init() { o.until = make(map[netip.AddrPort]time.Time) }

func (o *offline) add(addr netip.AddrPort, d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.until) >= maxOffline {
		now := time.Now()
		for a, t := range o.until {
			if now.After(t) {
				delete(o.until, a)
			}
		}
		if len(o.until) >= maxOffline {
			clear(o.until)
		}
	}
	o.until[addr] = time.Now().Add(d)
}

// left returns for how long an address is still to be left alone.
func (o *offline) left(addr netip.AddrPort) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, ok := o.until[addr]
	if !ok {
		return 0
	}
	left := time.Until(t)
	if left <= 0 {
		delete(o.until, addr)
		return 0
	}
	return left
}

// unbound remembers the source addresses that could not be bound a moment ago, where the throttle has them left alone.
type unbound struct {
	offline
	some atomic.Bool // there may be any
}

func (u *unbound) add(source netip.Addr, d time.Duration) {
	u.offline.add(netip.AddrPortFrom(source, 0), d)
	u.some.Store(true)
}

// without leaves out the addresses that are left alone, unless it is all of them. It changes the slice.
func (u *unbound) without(sources []netip.Addr) []netip.Addr {
	if len(sources) < 2 || !u.some.Load() {
		return sources
	}
	rest := 0
	for i, source := range sources {
		if u.left(netip.AddrPortFrom(source, 0)) == 0 {
			sources[rest], sources[i] = sources[i], sources[rest]
			rest++
		}
	}
	if rest == 0 {
		return sources
	}
	return sources[:rest]
}
