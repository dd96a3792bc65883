package delivery

import (
	"maps"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/locks"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// offline remembers the addresses and ports that could not be reached a moment ago, whatever path tried. It is bounded:
// when it is full, what is out of date goes, or everything.
type offline struct {
	mu    locks.Mutex[locks.Leaf]
	until map[netip.AddrPort]time.Time
}

const maxOffline = 10000

func (o *offline) init() { o.until = make(map[netip.AddrPort]time.Time) }

func (o *offline) add(addr netip.AddrPort, d time.Duration) {
	if !addr.IsValid() {
		return // what has no address is no remote that paths share
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	makeRoom(o.until, maxOffline, func(until time.Time) bool { return now.After(until) })
	o.until[addr] = now.Add(d)
}

// leaveAlone has all paths leave a target alone that broke a connection or made no sense, where the throttle says so.
func (o *offline) leaveAlone(target netip.AddrPort, said *queue.Result, limits *throttle.Limits) {
	switch {
	case said.Result == queue.Lost && limits.Faults.LostOffline > 0:
		o.add(target, limits.Faults.LostOffline)
	case said.Result == queue.Invalid && limits.Faults.InvalidOffline > 0:
		o.add(target, limits.Faults.InvalidOffline)
	}
}

// makeRoom drops from a map that is full what is old; all of it, when nothing is.
func makeRoom[K comparable, V any](m map[K]V, most int, old func(V) bool) {
	if len(m) < most {
		return
	}
	maps.DeleteFunc(m, func(_ K, v V) bool { return old(v) })
	if len(m) >= most {
		clear(m)
	}
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
