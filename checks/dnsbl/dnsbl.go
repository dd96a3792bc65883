package dnsbl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/printable"
)

// Name is what the check is called in results.
const Name = "dnsbl"

// Zone is one list.
type Zone struct {
	// Name is its domain, such as "zen.example.org".
	Name string
	// Codes are the answers that count as listed; none: all of 127.0.0.0/8.
	Codes []netip.Prefix
}

// Checker asks block lists about clients. Its zero value asks none. It is safe for concurrent use.
type Checker struct {
	// Zones are asked in parallel; results come in their order.
	Zones []Zone
	// Resolver is asked, within the look-ups that a mail may cost; nil is net.DefaultResolver.
	Resolver checks.Resolver
	// Texts has the list's own explanation asked for, which becomes the Reason of a listing.
	Texts bool
}

// Listing is the Detail of a result for a listed client.
type Listing = checks.Listing

// ParseZone reads "zone" or "zone=127.0.0.2,127.0.0.4/30": a list, and which of its answers count.
func ParseZone(text string) (Zone, error) {
	name, codes, limited := strings.Cut(strings.TrimSpace(text), "=")
	z := Zone{Name: strings.Trim(strings.TrimSpace(name), ".")}
	if z.Name == "" || strings.ContainsAny(z.Name, " \t/,;@") {
		return Zone{}, fmt.Errorf("block list %q: want a domain, or domain=code,code", text)
	}
	if !limited {
		return z, nil
	}
	for code := range strings.SplitSeq(codes, ",") {
		code = strings.TrimSpace(code)
		if !strings.Contains(code, "/") {
			code += "/32"
		}
		prefix, err := netip.ParsePrefix(code)
		if err != nil || !listed.Contains(prefix.Addr()) || prefix.Bits() < listed.Bits() {
			return Zone{}, fmt.Errorf("block list %s: code %q: want an address or network in 127.0.0.0/8", z.Name, code)
		}
		z.Codes = append(z.Codes, prefix.Masked())
	}
	return z, nil
}

var (
	listed  = netip.MustParsePrefix("127.0.0.0/8")
	refused = netip.MustParsePrefix("127.255.255.0/24")
)

// Name returns "dnsbl".
func (c *Checker) Name() string { return Name }

// Check asks about the client of a mail, for callers that have no connection to ask about.
func (c *Checker) Check(ctx context.Context, mail *checks.Mail) ([]checks.Result, error) {
	return c.CheckConnect(ctx, mail.Client)
}

// CheckConnect returns a result of Fail for each zone that lists the client, with
// {"dnsbl":"listed","zone":…,"code":"127.0.0.2"} (and "codes", when there are several), one of TempError for each that
// could not be asked, and a single None when there is nothing of these.
func (c *Checker) CheckConnect(ctx context.Context, client netip.Addr) ([]checks.Result, error) {
	client = client.Unmap().WithZone("")
	if !client.IsValid() || !client.IsGlobalUnicast() || client.IsPrivate() {
		return nothing("no public address"), nil
	}
	prefix := reversed(client)
	found := make([]*checks.Result, len(c.Zones))
	var all sync.WaitGroup
	for i := range c.Zones {
		all.Go(func() { found[i] = c.ask(ctx, &c.Zones[i], prefix) })
	}
	all.Wait()
	var results []checks.Result
	for _, r := range found {
		if r != nil {
			results = append(results, *r)
		}
	}
	if len(results) == 0 {
		return nothing("not listed"), nil
	}
	return results, nil
}

func nothing(reason string) []checks.Result {
	return []checks.Result{{Check: Name, Verdict: checks.None, Reason: reason,
		JSON: checks.NewObject(Name, string(checks.None)).JSON()}}
}

// ask asks one zone; nil: it does not list the client.
func (c *Checker) ask(ctx context.Context, zone *Zone, prefix string) *checks.Result {
	resolver := checks.Bound(c.Resolver)
	name := prefix + zone.Name
	// With a dot at its end no search list applies.
	addrs, err := resolver.LookupNetIP(ctx, "ip4", name+".")
	if err != nil {
		var dns *net.DNSError
		switch {
		case errors.As(err, &dns) && dns.IsNotFound && !dns.IsTemporary && !dns.IsTimeout:
			return nil
		case errors.Is(err, checks.ErrTooManyLookups):
			return unknown(zone, checks.ErrTooManyLookups.Error())
		}
		return unknown(zone, "no answer from "+zone.Name)
	}
	codes, problem := zone.read(addrs)
	switch {
	case len(codes) == 0 && problem != "":
		return unknown(zone, problem)
	case len(codes) == 0:
		return nil
	}
	r := listing(zone, codes)
	if c.Texts {
		if texts, err := resolver.LookupTXT(ctx, name+"."); err == nil && len(texts) > 0 {
			r.Reason = printable.Text(texts[0], 200)
		}
	}
	return r
}

// read tells codes that count from codes that do not, and from answers that are none.
func (z *Zone) read(addrs []netip.Addr) (codes []netip.Addr, problem string) {
	for _, addr := range addrs {
		addr = addr.Unmap()
		switch {
		case refused.Contains(addr):
			problem = z.Name + " refuses to answer us: " + addr.String()
		case !listed.Contains(addr):
			problem = z.Name + " gives " + addr.String() + ", which is no code of a block list"
		case len(z.Codes) == 0 || slices.ContainsFunc(z.Codes, func(p netip.Prefix) bool { return p.Contains(addr) }):
			codes = append(codes, addr)
		}
	}
	slices.SortFunc(codes, netip.Addr.Compare)
	codes = slices.Compact(codes)
	if len(codes) > 32 {
		codes = codes[:32]
	}
	return codes, problem
}

func unknown(zone *Zone, reason string) *checks.Result {
	return &checks.Result{Check: Name, Verdict: checks.TempError, Reason: reason,
		JSON: checks.NewObject(Name, string(checks.TempError)).Text("zone", zone.Name).JSON()}
}

func listing(zone *Zone, codes []netip.Addr) *checks.Result {
	o := checks.NewObject(Name, "listed").Text("zone", zone.Name).Text("code", codes[0].String())
	if len(codes) > 1 {
		texts := make([]string, len(codes))
		for i, code := range codes {
			texts[i] = code.String()
		}
		o.Texts("codes", texts)
	}
	return &checks.Result{Check: Name, Verdict: checks.Fail, Reason: "listed by " + zone.Name, JSON: o.JSON(),
		Detail: Listing{Zone: zone.Name, Codes: codes},
		// RFC 8904 §4, where they describe a list of good addresses.
		Properties: []checks.Property{{Name: "dns.zone", Value: zone.Name}, {Name: "policy.ip", Value: codes[0].String()}}}
}

// reversed is what goes in front of a zone: "1.2.0.192." or the nibbles of an IPv6 address (RFC 5782 §2.1, §2.4).
func reversed(addr netip.Addr) string {
	const hexDigits = "0123456789abcdef"
	if addr.Is4() {
		a := addr.As4()
		return netip.AddrFrom4([4]byte{a[3], a[2], a[1], a[0]}).String() + "."
	}
	a := addr.As16()
	name := make([]byte, 0, 64)
	for _, b := range slices.Backward(a[:]) {
		name = append(name, hexDigits[b&15], '.', hexDigits[b>>4], '.')
	}
	return string(name)
}
