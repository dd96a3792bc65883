package resolver

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// The methods of this file are those of net.Resolver. Their errors are *net.DNSError, which wrap the *Error.

// LookupMX returns the mail exchangers of a domain by preference.
func (r *Resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	result, err := r.MX(ctx, name)
	if err != nil {
		return nil, netError(err)
	}
	var mxs []*net.MX
	for _, mx := range result.Records {
		mxs = append(mxs, &net.MX{Host: mx.Host + ".", Pref: mx.Preference})
	}
	slices.SortStableFunc(mxs, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	return mxs, nil
}

// LookupTXT returns the texts of a name.
func (r *Resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	result, err := r.TXT(ctx, name)
	if err != nil {
		return nil, netError(err)
	}
	return result.Records, nil
}

// LookupTXTSecure is LookupTXT, and says whether the answer was validated, as [Result] does in Authentic.
func (r *Resolver) LookupTXTSecure(ctx context.Context, name string) (texts []string, secure bool, err error) {
	result, err := r.TXT(ctx, name)
	if err != nil {
		return nil, false, netError(err)
	}
	return result.Records, result.Authentic, nil
}

// LookupSOA returns the primary name server of a zone. net.Resolver has no such method.
func (r *Resolver) LookupSOA(ctx context.Context, zone string) (primary string, err error) {
	result, err := r.SOA(ctx, zone)
	if err != nil {
		return "", netError(err)
	}
	return result.Records[0], nil
}

// LookupAddr returns the names of an address, with trailing dots.
func (r *Resolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, netError(&Error{Name: printable(addr), Type: dns.TypePTR, Kind: BadName, Cause: err})
	}
	result, err := r.PTR(ctx, ip)
	if err != nil {
		return nil, netError(err)
	}
	names := result.Records
	for i := range names {
		names[i] += "."
	}
	return names, nil
}

// LookupIPAddr returns the addresses of a host.
func (r *Resolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	ips := make([]net.IPAddr, len(addrs))
	for i, addr := range addrs {
		ips[i] = net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}
	}
	return ips, nil
}

// LookupNetIP returns the addresses of a host; network is "ip", "ip4" or "ip6".
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	result, err := r.Addrs(ctx, network, host)
	if err != nil {
		return nil, netError(err)
	}
	return result.Records, nil
}
