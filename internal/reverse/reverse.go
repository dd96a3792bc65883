// Package reverse asks what an address is called in the DNS, and whether its names lead back to it, as most receivers
// demand (RFC 1912 §2.1).
package reverse

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Resolver looks names up. net.Resolver is one; errors are *net.DNSError.
type Resolver interface {
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Naming is what an address is called.
type Naming struct {
	Names []string // sorted, in lower case, without the dot at the end; none: there is no PTR record
	Back  bool     // one of them leads back to the address
}

// mostNames is how many names of an address are followed.
const mostNames = 10

// LookUp asks for the names of an address. An error says that nobody could tell.
func LookUp(ctx context.Context, r Resolver, ip netip.Addr) (Naming, error) {
	var n Naming
	found, err := r.LookupAddr(ctx, ip.String())
	if err != nil && !NotFound(err) {
		return n, err
	}
	for _, name := range found {
		n.Names = append(n.Names, strings.ToLower(strings.TrimSuffix(name, ".")))
	}
	slices.Sort(n.Names)
	for _, name := range n.Names[:min(len(n.Names), mostNames)] {
		addresses, err := r.LookupNetIP(ctx, "ip", name)
		if err != nil && !NotFound(err) {
			return n, err
		}
		n.Back = n.Back || slices.ContainsFunc(addresses, func(a netip.Addr) bool { return a.Unmap() == ip.Unmap() })
	}
	return n, nil
}

// NotFound reports whether an error of a resolver says that there is no such thing.
func NotFound(err error) bool {
	wrong, ok := errors.AsType[*net.DNSError](err)
	return ok && wrong.IsNotFound
}
