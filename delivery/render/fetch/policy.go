package fetch

import "net/netip"

// Range are addresses, and one port of them or all.
type Range struct {
	Prefix netip.Prefix
	Port   int // 0: every port
}

func (r Range) contains(addr netip.Addr, port uint16) bool {
	return r.Prefix.Contains(addr) && (r.Port == 0 || r.Port == int(port))
}

func among(ranges []Range, addr netip.Addr, port uint16) bool {
	for _, r := range ranges {
		if r.contains(addr, port) {
			return true
		}
	}
	return false
}

// inner are the addresses that belong to no host of the internet (the special-purpose registries of IANA, RFC 6890), or
// to the machine's own provider.
var inner = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
	"100.64.0.0/10",    // shared by customers of a provider, RFC 6598
	"169.254.0.0/16",   // link-local, and the metadata of most clouds
	"192.0.0.0/24",     // of protocols, RFC 6890; metadata of another cloud
	"168.63.129.16/32", // the host beneath a machine of Azure
	"198.18.0.0/15",    // of benchmarks, RFC 2544
	"224.0.0.0/4", "240.0.0.0/4",
	"::/96",          // unspecified, loopback, and IPv4-compatible
	"64:ff9b:1::/48", // NAT64 within a network, RFC 8215
	"100::/64",       // discards, RFC 6666
	"2001::/32",      // Teredo, RFC 4380
	"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) (all []Range) {
	for _, text := range texts {
		all = append(all, Range{Prefix: netip.MustParsePrefix(text)})
	}
	return all
}

// permit returns an error when nothing may be downloaded from an address.
func (t *Terms) permit(target netip.AddrPort) error {
	addr := target.Addr().WithZone("").Unmap()
	if among(t.Whitelist, addr, target.Port()) {
		return nil
	}
	forms := [2]netip.Addr{addr, carried(addr)}
	for _, form := range forms {
		refused := among(inner, form, target.Port()) || among(t.Blacklist, form, target.Port())
		if refused && !among(t.Whitelist, form, target.Port()) {
			return final("nothing may be downloaded from address %s", netip.AddrPortFrom(addr, target.Port()))
		}
	}
	return nil
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1
	sixToFour = netip.MustParsePrefix("2002::/16")    // 6to4, RFC 3056 §2
)

// carried returns the IPv4 address to which packets for an IPv6 address are translated or tunnelled on the way; the
// zero Addr when there is none.
func carried(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return netip.Addr{}
	}
	b := addr.As16()
	isatap := b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe // RFC 5214 §6.1
	switch {
	case nat64.Contains(addr), isatap:
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return netip.Addr{}
}
