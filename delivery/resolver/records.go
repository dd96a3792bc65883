package resolver

import (
	"context"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Result is an answer with its records in plain form. It has at least one record and belongs to the caller.
type Result[T any] struct {
	// Name is where the records stand: the name asked for, or what its CNAMEs lead to.
	Name      string
	Records   []T
	Authentic bool      // validated, see Options.TrustAD
	Expires   time.Time // when to ask again
}

// MX is a mail exchanger (RFC 5321 §5.1). An empty Host is a null MX (RFC 7505).
type MX struct {
	Host       string // lower case, no trailing dot
	Preference uint16
}

// TLSA says which certificates a TLS server may have (RFC 6698).
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// MX returns the mail exchangers of a domain, in no order.
func (r *Resolver) MX(ctx context.Context, domain string) (*Result[MX], error) {
	return lookup(ctx, r, domain, dns.TypeMX, func(rr *dns.MX) (MX, bool) {
		return MX{Host: plainName(rr.Mx), Preference: rr.Preference}, true
	})
}

// TXT returns the texts of a name, each with its character strings joined.
func (r *Resolver) TXT(ctx context.Context, name string) (*Result[string], error) {
	return lookup(ctx, r, name, dns.TypeTXT, func(rr *dns.TXT) (string, bool) {
		return unescape(strings.Join(rr.Txt, "")), true
	})
}

// PTR returns the names of an address, without checking that they lead back to it.
func (r *Resolver) PTR(ctx context.Context, addr netip.Addr) (*Result[string], error) {
	return lookup(ctx, r, reverseName(addr), dns.TypePTR, func(rr *dns.PTR) (string, bool) {
		return plainName(rr.Ptr), true
	})
}

// TLSA returns the TLSA records of a name such as _25._tcp.mx.example.org.
func (r *Resolver) TLSA(ctx context.Context, name string) (*Result[TLSA], error) {
	return lookup(ctx, r, name, dns.TypeTLSA, func(rr *dns.TLSA) (TLSA, bool) {
		data, err := hex.DecodeString(rr.Certificate)
		return TLSA{Usage: rr.Usage, Selector: rr.Selector, Matching: rr.MatchingType, Data: data}, err == nil
	})
}

// CNAME returns what a name is an alias of, one step.
func (r *Resolver) CNAME(ctx context.Context, name string) (*Result[string], error) {
	return lookup(ctx, r, name, dns.TypeCNAME, func(rr *dns.CNAME) (string, bool) {
		return plainName(rr.Target), true
	})
}

// SOA returns the primary name server of a zone, of the name of its apex.
func (r *Resolver) SOA(ctx context.Context, zone string) (*Result[string], error) {
	return lookup(ctx, r, zone, dns.TypeSOA, func(rr *dns.SOA) (string, bool) {
		return plainName(rr.Ns), true
	})
}

// A returns the IPv4 addresses of a host, from the DNS alone.
func (r *Resolver) A(ctx context.Context, host string) (*Result[netip.Addr], error) {
	return lookup(ctx, r, host, dns.TypeA, func(rr *dns.A) (netip.Addr, bool) {
		addr, ok := netip.AddrFromSlice(rr.A)
		return addr.Unmap(), ok
	})
}

// AAAA returns the IPv6 addresses of a host, from the DNS alone.
func (r *Resolver) AAAA(ctx context.Context, host string) (*Result[netip.Addr], error) {
	return lookup(ctx, r, host, dns.TypeAAAA, func(rr *dns.AAAA) (netip.Addr, bool) {
		return netip.AddrFromSlice(rr.AAAA)
	})
}

// lookup asks and converts each record. Records that cannot be converted are left out.
func lookup[R dns.RR, T any](ctx context.Context, r *Resolver, name string, qtype uint16,
	convert func(R) (T, bool)) (*Result[T], error) {
	answer, err := r.Lookup(ctx, name, qtype)
	if err != nil {
		return nil, err
	}
	result := &Result[T]{Name: answer.Name, Authentic: answer.Authentic, Expires: answer.Expires,
		Records: make([]T, 0, len(answer.Records))}
	for _, rr := range answer.Records {
		if record, ok := rr.(R); ok {
			if value, ok := convert(record); ok {
				result.Records = append(result.Records, value)
			}
		}
	}
	if len(result.Records) == 0 {
		return nil, &Error{Name: answer.Name, Type: qtype, Kind: Malformed, Expires: answer.Expires}
	}
	return result, nil
}

// Addrs returns the addresses of a host: of both families for network "ip", or of one for "ip4" and "ip6". The hosts
// file comes before the DNS, and an address in text form is its own answer. When one family cannot be found out, the
// other one alone is a result.
func (r *Resolver) Addrs(ctx context.Context, network, host string) (*Result[netip.Addr], error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return r.fixed(host, network, []netip.Addr{addr.Unmap()})
	}
	if name, ok := normalName(host); ok {
		if addrs := r.hosts.lookup(name, time.Now()); addrs != nil {
			return r.fixed(name, network, addrs)
		}
	}
	switch network {
	case "ip4":
		return r.A(ctx, host)
	case "ip6":
		return r.AAAA(ctx, host)
	}
	type outcome struct {
		result *Result[netip.Addr]
		err    error
	}
	second := make(chan outcome, 1)
	if _, _, ok := r.Cached(host, dns.TypeAAAA); ok {
		result, err := r.AAAA(ctx, host)
		second <- outcome{result, err}
	} else {
		go func() {
			result, err := r.AAAA(ctx, host)
			second <- outcome{result, err}
		}()
	}
	four, err4 := r.A(ctx, host)
	six := <-second
	return mergeAddrs(four, err4, six.result, six.err)
}

// fixed is the result of what needs no DNS.
func (r *Resolver) fixed(name, network string, addrs []netip.Addr) (*Result[netip.Addr], error) {
	result := &Result[netip.Addr]{Name: name, Expires: time.Now().Add(r.opts.MinTTL)}
	for _, addr := range addrs {
		if network == "ip" || (network == "ip4") == addr.Is4() {
			result.Records = append(result.Records, addr)
		}
	}
	if len(result.Records) == 0 {
		qtype := dns.TypeA
		if network == "ip6" {
			qtype = dns.TypeAAAA
		}
		return nil, &Error{Name: name, Type: qtype, Kind: NoData}
	}
	return result, nil
}

// mergeAddrs joins the two families. Without any address the error is the one that leaves hope: a failure to ask says
// more than a missing record, which says more than a missing name.
func mergeAddrs(four *Result[netip.Addr], err4 error, six *Result[netip.Addr], err6 error) (*Result[netip.Addr],
	error) {
	switch {
	case err4 == nil && err6 == nil:
		four.Records = append(four.Records, six.Records...)
		four.Authentic = four.Authentic && six.Authentic
		if six.Expires.Before(four.Expires) {
			four.Expires = six.Expires
		}
		return four, nil
	case err4 == nil:
		return four, nil
	case err6 == nil:
		return six, nil
	case IsNotFound(err4) && !IsNotFound(err6):
		return nil, err6
	}
	return nil, err4
}

// reverseName returns the name under which the names of an address stand (RFC 1035 §3.5, RFC 3596 §2.5).
func reverseName(addr netip.Addr) string {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return "" // refused by Lookup
	}
	return name
}
