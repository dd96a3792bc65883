package mx

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/sluicemail/sluice/delivery/resolver"
)

// AddressResolver is what DialPublic asks of the DNS; *resolver.Resolver is one.
type AddressResolver interface {
	Addrs(ctx context.Context, network, host string) (*resolver.Result[netip.Addr], error)
}

// DialPublic returns a function that connects to host:port by TCP where the host has public addresses: who publishes a
// name must not have us look round in our own network. anywhere lets it have others.
func DialPublic(r AddressResolver, anywhere bool) func(ctx context.Context, _, hostPort string) (net.Conn, error) {
	return func(ctx context.Context, _, hostPort string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(hostPort)
		if err != nil {
			return nil, err
		}
		found, err := r.Addrs(ctx, "ip", host)
		if err != nil {
			return nil, err
		}
		err = fmt.Errorf("%s has no public address", host)
		for _, addr := range found.Records[:min(len(found.Records), maxTried)] {
			if !anywhere && !IsPublic(addr) {
				continue
			}
			var conn net.Conn
			if conn, err = new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(addr.String(), port)); err == nil {
				return conn, nil
			}
		}
		return nil, err
	}
}

const maxTried = 4 // addresses of one host

// IsPublic reports whether an address is one that mail may go to without the operator's word: not private, loopback,
// link-local, shared (RFC 6598), multicast, unspecified or reserved, nor an IPv6 form of such an IPv4 address.
func IsPublic(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() || addr.IsPrivate() || addr.IsLoopback() || addr.IsMulticast() || addr.IsUnspecified() ||
		addr.IsLinkLocalUnicast() {
		return false
	}
	b := addr.As16()
	if addr.Is4() {
		b4 := addr.As4()
		shared := b4[0] == 100 && b4[1]&0xc0 == 64
		ietf := b4[0] == 192 && b4[1] == 0 && b4[2] == 0
		return b4[0] != 0 && b4[0] < 240 && !shared && !ietf
	}
	switch {
	case b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b: // NAT64 (RFC 6052)
		return IsPublic(netip.AddrFrom4([4]byte(b[12:16])))
	case b[0] == 0x20 && b[1] == 0x02: // 6to4 (RFC 3056)
		return IsPublic(netip.AddrFrom4([4]byte(b[2:6])))
	case b[0] == 0xfe && b[1]&0xc0 == 0xc0: // site-local (RFC 3879)
		return false
	case slices.Equal(b[:12], make([]byte, 12)): // IPv4-compatible (RFC 4291 §2.5.5.1)
		return IsPublic(netip.AddrFrom4([4]byte(b[12:16])))
	}
	return true
}
