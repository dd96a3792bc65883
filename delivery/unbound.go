package delivery

import (
	"net/netip"
	"sync/atomic"
	"time"
)

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
