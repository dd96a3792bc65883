package mx

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
)

const (
	// maxHosts bounds the hosts of a domain; those that are preferred least are left out.
	maxHosts = 50
	// loopCheck is how long finding out whether we are among the hosts may take.
	loopCheck = 5 * time.Second
)

// found is a route and how long it is good for.
type found struct {
	route   *delivery.Route
	expires time.Time
}

// lookup asks the DNS for the hosts of a domain.
func (f *Finder) lookup(ctx context.Context, domain string) (*found, *failure) {
	result, err := f.resolver.MX(ctx, domain)
	if err != nil {
		kind := kindOf(err)
		if kind == resolver.NoData || kind == resolver.NXDomain && f.override(domain) != nil {
			return f.implicit(ctx, domain)
		}
		return nil, lookupFailure(domain, "domain", err)
	}
	route := &delivery.Route{Site: domain, Domain: domain, Secure: result.Authentic, Hosts: hostList(result.Records)}
	if len(route.Hosts) == 0 {
		return nil, &failure{RouteError: nullMX(domain), expires: result.Expires, cacheable: true}
	}
	if !f.dropLoop(ctx, route) {
		return nil, &failure{RouteError: loops(domain), expires: result.Expires, cacheable: true}
	}
	return &found{route, result.Expires}, nil
}

// hostList returns the hosts by preference, each once. A null MX beside others is against RFC 7505 §3 and ignored;
// alone it leaves no hosts.
func hostList(records []resolver.MX) []delivery.Host {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b resolver.MX) int {
		return cmp.Or(cmp.Compare(a.Preference, b.Preference), cmp.Compare(a.Host, b.Host))
	})
	var hosts []delivery.Host
	for _, r := range records {
		same := func(h delivery.Host) bool { return h.Name == r.Host }
		if r.Host != "" && len(hosts) < maxHosts && !slices.ContainsFunc(hosts, same) {
			hosts = append(hosts, delivery.Host{Name: r.Host, Preference: r.Preference})
		}
	}
	return hosts
}

// implicit makes a domain without MX records its own host, if it has an address.
func (f *Finder) implicit(ctx context.Context, domain string) (*found, *failure) {
	expires := time.Now().Add(relayTTL)
	secure := false
	if f.override(domain) == nil {
		result, err := f.resolver.Addrs(ctx, "ip", domain)
		if err != nil {
			fail := lookupFailure(domain, "domain", err)
			if kindOf(err) == resolver.NoData {
				fail.Reason = "the domain has neither MX records nor addresses"
			}
			return nil, fail
		}
		expires, secure = result.Expires, result.Authentic
	}
	route := &delivery.Route{Site: domain, Domain: domain, Secure: secure, Hosts: []delivery.Host{{Name: domain}}}
	if !f.dropLoop(ctx, route) {
		return nil, &failure{RouteError: loops(domain), expires: expires, cacheable: true}
	}
	return &found{route, expires}, nil
}

// dropLoop leaves out ourselves and all hosts that are not preferred to us (RFC 5321 §5.1), and reports whether any are
// left. Hosts whose addresses do not turn up in a few seconds count as others; Addresses looks again.
func (f *Finder) dropLoop(ctx context.Context, route *delivery.Route) bool {
	if len(f.OwnAddrs) == 0 && len(f.OwnNames) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, loopCheck)
	defer cancel()
	for _, h := range route.Hosts {
		if f.isOurself(ctx, h.Name) {
			route.Hosts = slices.DeleteFunc(route.Hosts,
				func(other delivery.Host) bool { return other.Preference >= h.Preference })
			break
		}
	}
	return len(route.Hosts) > 0
}

func (f *Finder) isOurself(ctx context.Context, host string) bool {
	if slices.ContainsFunc(f.OwnNames, func(own string) bool {
		return strings.EqualFold(strings.TrimSuffix(own, "."),
			host)
	}) {
		return true
	}
	if len(f.OwnAddrs) == 0 {
		return false
	}
	addrs := f.override(host)
	if addrs == nil {
		result, err := f.resolver.Addrs(ctx, "ip", host)
		if err != nil {
			return false
		}
		addrs = result.Records
	}
	return slices.ContainsFunc(addrs, f.isOwnAddr)
}

func (f *Finder) isOwnAddr(addr netip.Addr) bool {
	addr = addr.Unmap()
	return slices.ContainsFunc(f.OwnAddrs, func(own netip.Addr) bool { return own.Unmap() == addr })
}

func (f *Finder) override(host string) []netip.Addr {
	if f.Overrides == nil {
		return nil
	}
	return f.Overrides(host)
}

// kindOf returns why a look-up failed; errors that are not the resolver's count as a server's failure.
func kindOf(err error) resolver.Kind {
	var e *resolver.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return resolver.ServFail
}
