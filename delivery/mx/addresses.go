package mx

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/sluicemail/sluice/delivery"
)

// pinned holds the addresses of the sink, once they are known.
type pinned struct {
	mu    sync.Mutex
	addrs []netip.Addr
}

// Addresses returns the addresses of a host in the order in which to try them; see delivery.Router. The result belongs
// to the caller.
func (f *Finder) Addresses(ctx context.Context, host delivery.Host) ([]netip.Addr, error) {
	f.init()
	if f.started != nil {
		return nil, temporary(host.Name, "the DNS cannot be asked", f.started)
	}
	isSink := !f.Sink.off() && host == f.Sink.host()
	if isSink {
		if addrs := f.sink.get(); addrs != nil {
			return addrs, nil
		}
	}
	addrs, anything, err := f.find(ctx, host.Name)
	if err != nil {
		return nil, err
	}
	anything = anything || host.AllowPrivate
	addrs, fail := f.usable(host.Name, addrs, anything)
	if fail != nil {
		return nil, fail
	}
	if isSink {
		f.sink.set(addrs)
	}
	return addrs, nil
}

// find returns all addresses of a host; anything says that they may be private.
func (f *Finder) find(ctx context.Context, host string) (addrs []netip.Addr, anything bool, err error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, f.AllowPrivate, nil
	}
	if addrs := f.override(host); addrs != nil {
		return addrs, true, nil
	}
	result, err := f.resolver.Addrs(ctx, "ip", host)
	if err != nil {
		return nil, false, lookupFailure(host, "host", err).RouteError
	}
	return result.Records, f.AllowPrivate, nil
}

// usable keeps those addresses at which mail can and may be delivered, IPv6 and IPv4 in turn.
func (f *Finder) usable(host string, addrs []netip.Addr, anything bool) ([]netip.Addr, *delivery.RouteError) {
	var six, four []netip.Addr
	var ours, private, foreign netip.Addr
	for _, addr := range addrs {
		addr = addr.Unmap().WithZone("")
		switch {
		case f.isOwnAddr(addr):
			ours = addr
		case !anything && !IsPublic(addr) || addr.IsUnspecified() || addr.IsMulticast():
			private = addr
		case f.networks != "ip" && addr.Is4() != (f.networks == "ip4") && !addr.IsLoopback():
			foreign = addr
		case addr.Is4():
			four = append(four, addr)
		default:
			six = append(six, addr)
		}
	}
	switch {
	case len(six)+len(four) > 0:
		return interleave(six, four), nil
	case ours.IsValid():
		return nil, permanent(host, 554, "5.4.6",
			"the host's address "+ours.String()+" is our own: mail loops back to this server", nil)
	case private.IsValid():
		return nil, permanent(host, 550, "5.4.4", "the host's address "+private.String()+" is not a public one", nil)
	case foreign.IsValid():
		return nil, permanent(host, 550, "5.4.4",
			"the host's address "+foreign.String()+" is of a family that this server does not use", nil)
	}
	return nil, permanent(host, 550, "5.4.4", "the host has no addresses", nil)
}

// interleave returns both lists in turn, so that a family that does not work costs one attempt each time (RFC 8305 §4).
func interleave(a, b []netip.Addr) []netip.Addr {
	all := make([]netip.Addr, 0, len(a)+len(b))
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			all = append(all, a[i])
		}
		if i < len(b) {
			all = append(all, b[i])
		}
	}
	return all
}

// machineNetworks returns "ip4" or "ip6" when the machine has addresses of one family only that lead out, otherwise
// "ip".
func machineNetworks() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "ip"
	}
	var four, six bool
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		addr := prefix.Addr().Unmap()
		if addr.IsGlobalUnicast() {
			four = four || addr.Is4()
			six = six || addr.Is6()
		}
	}
	switch {
	case four && !six:
		return "ip4"
	case six && !four:
		return "ip6"
	}
	return "ip"
}

func (p *pinned) get() []netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.addrs)
}

func (p *pinned) set(addrs []netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addrs = slices.Clone(addrs)
}
