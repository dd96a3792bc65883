package mailsuite

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Zone is a DNS of a few records, with the look-up methods of net.Resolver and its errors.
type Zone struct {
	records map[string][]record

	mu      sync.Mutex
	queries []string
}

type record struct{ kind, value string }

// ParseZone reads a zone, one record a line:
//
//	sel._domainkey.example.org TXT v=DKIM1; p=…   (up to the end of the line, or several "quoted" "parts")
//	example.org                A|AAAA|MX|CNAME …
//	broken.example.org         SERVFAIL           (every question about it fails for now; TIMEOUT likewise)
func ParseZone(t testing.TB, text string) *Zone {
	z := &Zone{records: map[string][]record{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		kind, value, _ := strings.Cut(strings.TrimSpace(rest), " ")
		value = strings.TrimSpace(value)
		if kind == "TXT" && strings.HasPrefix(value, `"`) {
			value = strings.ReplaceAll(strings.Trim(value, `"`), `" "`, "")
		}
		if kind == "" {
			t.Fatalf("zone: malformed line %q", line)
		}
		z.Add(name, kind, value)
	}
	return z
}

// Add adds a record.
func (z *Zone) Add(name, kind, value string) {
	if z.records == nil {
		z.records = map[string][]record{}
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	z.records[name] = append(z.records[name], record{kind, value})
}

// Queries returns the names that were asked for, with types: "TXT example.org".
func (z *Zone) Queries() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return append([]string(nil), z.queries...)
}

// lookup answers a question, following CNAMEs.
func (z *Zone) lookup(ctx context.Context, kind, name string) ([]string, error) {
	z.mu.Lock()
	z.queries = append(z.queries, kind+" "+name)
	z.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: name, IsTimeout: true, IsTemporary: true}
	}
	for range 10 {
		found, alias, err := z.step(kind, name)
		if err != nil || alias == "" {
			return found, err
		}
		name = alias
	}
	return nil, &net.DNSError{Err: "CNAME loop", Name: name, IsTemporary: true}
}

func (z *Zone) step(kind, name string) (found []string, alias string, err error) {
	for _, r := range z.records[strings.ToLower(strings.TrimSuffix(name, "."))] {
		switch r.kind {
		case kind:
			found = append(found, r.value)
		case "CNAME":
			alias = r.value
		case "SERVFAIL", "TIMEOUT":
			return nil, "", &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true,
				IsTimeout: r.kind == "TIMEOUT"}
		}
	}
	if found == nil && alias == "" {
		return nil, "", &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	if found != nil {
		alias = ""
	}
	return found, alias, nil
}

// LookupTXT returns the texts of a name.
func (z *Zone) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return z.lookup(ctx, "TXT", name)
}

// LookupSOA returns the primary name server of a zone: an SOA record is its name here.
func (z *Zone) LookupSOA(ctx context.Context, name string) (string, error) {
	primary, err := z.lookup(ctx, "SOA", name)
	if err != nil {
		return "", err
	}
	return primary[0], nil
}

// LookupMX returns the mail exchangers of a name.
func (z *Zone) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	values, err := z.lookup(ctx, "MX", name)
	var mxs []*net.MX
	for _, value := range values {
		pref, host, _ := strings.Cut(value, " ")
		n, _ := strconv.ParseUint(pref, 10, 16)
		mxs = append(mxs, &net.MX{Host: host, Pref: uint16(n)})
	}
	return mxs, err
}

// LookupIPAddr returns the addresses of a name.
func (z *Zone) LookupIPAddr(ctx context.Context, name string) ([]net.IPAddr, error) {
	v4, err4 := z.lookup(ctx, "A", name)
	v6, err6 := z.lookup(ctx, "AAAA", name)
	var ips []net.IPAddr
	for _, value := range append(v4, v6...) {
		ips = append(ips, net.IPAddr{IP: net.ParseIP(value)})
	}
	if len(ips) > 0 {
		return ips, nil
	}
	if dns, ok := err4.(*net.DNSError); ok && !dns.IsNotFound {
		return nil, err4
	}
	return nil, err6
}

// Names returns the names that have records.
func (z *Zone) Names() []string { return slices.Sorted(maps.Keys(z.records)) }

// LookupNetIP returns the addresses of a name; network is "ip", "ip4" or "ip6".
func (z *Zone) LookupNetIP(ctx context.Context, network, name string) ([]netip.Addr, error) {
	ips, err := z.LookupIPAddr(ctx, name)
	var found []netip.Addr
	for _, ip := range ips {
		if a, ok := netip.AddrFromSlice(ip.IP); ok && (network == "ip" || a.Unmap().Is4() == (network == "ip4")) {
			found = append(found, a.Unmap())
		}
	}
	return found, err
}

// LookupAddr returns the names of an address: the PTR records of its text form.
func (z *Zone) LookupAddr(ctx context.Context, address string) ([]string, error) {
	return z.lookup(ctx, "PTR", address)
}
