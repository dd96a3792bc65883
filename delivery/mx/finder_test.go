package mx_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/internal/testserver"
)

const zone = `
example.org. MX 20 mx2.example.org.
example.org. MX 10 MX1.example.org.
example.org. MX 20 mx2.example.org.
example.org. MX 30 mx3.example.org.
mx1.example.org. A 192.0.2.1
mx1.example.org. A 192.0.2.2
mx1.example.org. AAAA 2001:db8::1
mx2.example.org. A 198.51.100.1
mx3.example.org. CNAME mx1.example.org.
cname.example.org. CNAME example.org.
implicit.example.org. A 192.0.2.9
text.example.org. TXT "no mail"
null.example.org. MX 0 .
halfnull.example.org. MX 0 .
halfnull.example.org. MX 10 mx2.example.org.
same.example.net. MX 5 mx2.example.org.
same.example.net. MX 5 mx3.example.org.
same.example.net. MX 5 mx1.example.org.
xn--bcher-kva.example. MX 10 mx2.example.org.
loop.example. MX 10 us.example.
loop.example. MX 20 mx2.example.org.
backup.example. MX 10 mx1.example.org.
backup.example. MX 20 us.example.
backup.example. MX 20 mx2.example.org.
backup.example. MX 30 mx3.example.org.
us.example. A 203.0.113.1
numeric.example. MX 10 192.0.2.5.
inside.example. MX 10 inside.example.
inside.example. A 10.1.2.3
mixed.example. A 127.0.0.1
mixed.example. A 192.0.2.3
circle.example. CNAME circle2.example.
circle2.example. CNAME circle.example.
`

// finder returns a Finder that asks a name server with the zone; names below fail.example make it fail.
func finder(t testing.TB, f *mx.Finder) *mx.Finder {
	t.Helper()
	good := testserver.Zone(t, zone)
	address := testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if strings.HasSuffix(q.Question[0].Name, "fail.example.") {
			_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
			return
		}
		good(w, q)
	})
	r, err := resolver.New(resolver.Options{Servers: []string{address}, HostsFile: "-"})
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	f.Resolver = r
	if f.Network == "" {
		f.Network = "ip"
	}
	return f
}

// describe returns "10 mx1:25, 20 mx2" and so on.
func describe(r *delivery.Route) string {
	var texts []string
	for _, h := range r.Hosts {
		text := fmt.Sprint(h.Preference, " ", h.Name)
		if h.Port != 0 {
			text += fmt.Sprint(":", h.Port)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

func routeError(t testing.TB, err error) *delivery.RouteError {
	t.Helper()
	var e *delivery.RouteError
	require.ErrorAs(t, err, &e)
	return e
}

func TestRoute(t *testing.T) {
	for _, c := range []struct{ domain, hosts, site, status string }{
		{"example.org", "10 mx1.example.org, 20 mx2.example.org, 30 mx3.example.org", "example.org", ""},
		{"Example.ORG.", "10 mx1.example.org, 20 mx2.example.org, 30 mx3.example.org", "example.org", ""},
		{"cname.example.org", "10 mx1.example.org, 20 mx2.example.org, 30 mx3.example.org", "cname.example.org", ""},
		{"implicit.example.org", "0 implicit.example.org", "implicit.example.org", ""},
		{"bücher.example", "10 mx2.example.org", "xn--bcher-kva.example", ""},
		{"halfnull.example.org", "10 mx2.example.org", "halfnull.example.org", ""},
		{"numeric.example", "10 192.0.2.5", "numeric.example", ""},
		{"[192.0.2.1]", "0 192.0.2.1", "[192.0.2.1]", ""},
		{"[IPv6:2001:DB8::1]", "0 2001:db8::1", "[ipv6:2001:db8::1]", ""},
		{"loop.example", "10 us.example, 20 mx2.example.org", "loop.example", ""},
		{"text.example.org", "", "", "550 5.1.2 permanent: the domain has neither MX records nor addresses"},
		{"nobody.example.org", "", "", "550 5.1.2 permanent: the domain does not exist"},
		{"null.example.org", "", "", "556 5.1.10 permanent: the domain does not accept mail (null MX)"},
		{"fail.example", "", "", "451 4.4.3 temporary: the DNS look-up of the domain failed: server failure"},
		{"circle.example", "", "", "451 4.4.3 temporary: the domain's CNAME records go in circles"},
		{"", "", "", "550 5.1.3 permanent: not a domain, or not one that the DNS can have"},
		{"a..b", "", "", "550 5.1.3 permanent: not a domain, or not one that the DNS can have"},
		{"a b.example", "", "", "550 5.1.3 permanent: not a domain, or not one that the DNS can have"},
		{"[192.0.2.1", "", "", "550 5.1.3 permanent: not a domain, or not one that the DNS can have"},
		{"[2001:db8::1]", "", "", "550 5.1.3 permanent: not a domain, or not one that the DNS can have"},
		{"[ipv6:192.0.2.1]", "", "", "550 5.1.3 permanent: not a domain, or not one that the DNS can have"},
		{"[ipv6:fe80::1%eth0]", "", "", "550 5.1.3 permanent: not a domain, or not one that the DNS can have"},
		{"[]", "", "", "550 5.1.3 permanent: not a domain, or not one that the DNS can have"},
		{strings.Repeat("long.", 5000), "", "", "550 5.1.3 permanent: not a domain, or not one that the DNS can have"},
	} {
		t.Run(c.domain[:min(len(c.domain), 30)], func(t *testing.T) {
			f := finder(t, &mx.Finder{})
			for range 2 { // asked, then remembered
				route, err := f.Route(t.Context(), c.domain)
				if c.status != "" {
					e := routeError(t, err)
					kind := map[bool]string{true: "permanent", false: "temporary"}[e.Permanent]
					require.Equal(t, c.status, fmt.Sprintf("%d %s %s: %s", e.Code, e.Status, kind, e.Reason))
					require.Less(t, len(e.Error()), 600)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, c.hosts, describe(route))
				require.Equal(t, c.site, route.Site)
				require.False(t, route.Relay)
				again, err, ok := f.Cached(c.domain)
				require.True(t, ok)
				require.NoError(t, err)
				require.Same(t, route, again)
			}
		})
	}
}

// TestOverridesOfDomainsThatTheDNSDoesNotKnow routes mail to domains that only the settings know.
func TestOverridesOfDomainsThatTheDNSDoesNotKnow(t *testing.T) {
	f := finder(t, &mx.Finder{Overrides: func(host string) []netip.Addr {
		switch host {
		case "nobody.example.org", "text.example.org", "fail.example", "example.org":
			return []netip.Addr{netip.MustParseAddr("10.9.9.9")}
		}
		return nil
	}})
	for domain, want := range map[string]string{"nobody.example.org": "0 nobody.example.org",
		"text.example.org": "0 text.example.org",
		"example.org":      "10 mx1.example.org, 20 mx2.example.org, 30 mx3.example.org"} {
		route, err := f.Route(t.Context(), domain)
		require.NoError(t, err, domain)
		require.Equal(t, want, describe(route))
		if domain != "example.org" {
			addrs, err := f.Addresses(t.Context(), route.Hosts[0])
			require.NoError(t, err)
			require.Equal(t, "[10.9.9.9]", fmt.Sprint(addrs))
		}
	}
	_, err := f.Route(t.Context(), "fail.example")
	require.False(t, routeError(t, err).Permanent, "a DNS that does not answer may know of hosts")
	_, err = f.Route(t.Context(), "nobody.example.net")
	require.True(t, routeError(t, err).Permanent)
}

func TestLoops(t *testing.T) {
	for _, c := range []struct {
		name   string
		finder *mx.Finder
	}{
		{"by address", &mx.Finder{OwnAddrs: []netip.Addr{netip.MustParseAddr("203.0.113.1")}}},
		{"by name", &mx.Finder{OwnNames: []string{"other.example", "US.example."}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := finder(t, c.finder)
			_, err := f.Route(t.Context(), "loop.example")
			require.Equal(t, "5.4.6", routeError(t, err).Status)
			require.True(t, routeError(t, err).Permanent)
			route, err := f.Route(t.Context(), "backup.example")
			require.NoError(t, err)
			require.Equal(t, "10 mx1.example.org", describe(route), "only hosts that are preferred to us")
			_, err = f.Route(t.Context(), "us.example")
			require.Equal(t, "5.4.6", routeError(t, err).Status, "without MX records too")
		})
	}
	f := finder(t, &mx.Finder{OwnAddrs: []netip.Addr{netip.MustParseAddr("203.0.113.1")}})
	_, err := f.Addresses(t.Context(), delivery.Host{Name: "us.example"})
	require.Equal(t, "5.4.6", routeError(t, err).Status)
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		name   string
		finder *mx.Finder
		host   delivery.Host
		want   string
		status string
	}{
		{"both families in turn", &mx.Finder{}, delivery.Host{Name: "mx1.example.org"}, "[2001:db8::1 192.0.2.1 192.0.2.2]",
			""},
		{"an MX that is a CNAME", &mx.Finder{}, delivery.Host{Name: "mx3.example.org"}, "[2001:db8::1 192.0.2.1 192.0.2.2]",
			""},
		{"IPv4 only", &mx.Finder{Network: "ip4"}, delivery.Host{Name: "mx1.example.org"}, "[192.0.2.1 192.0.2.2]", ""},
		{"IPv6 only", &mx.Finder{Network: "ip6"}, delivery.Host{Name: "mx1.example.org"}, "[2001:db8::1]", ""},
		{"none of our family", &mx.Finder{Network: "ip6"}, delivery.Host{Name: "mx2.example.org"}, "", "5.4.4 true"},
		{"address in text form", &mx.Finder{}, delivery.Host{Name: "192.0.2.7"}, "[192.0.2.7]", ""},
		{"private", &mx.Finder{}, delivery.Host{Name: "inside.example"}, "", "5.4.4 true"},
		{"private literal", &mx.Finder{}, delivery.Host{Name: "::ffff:10.0.0.1"}, "", "5.4.4 true"},
		{"private is allowed", &mx.Finder{AllowPrivate: true}, delivery.Host{Name: "inside.example"}, "[10.1.2.3]", ""},
		{"private is allowed for a relay", &mx.Finder{}, delivery.Host{Name: "inside.example", AllowPrivate: true},
			"[10.1.2.3]", ""},
		{"unspecified is never allowed", &mx.Finder{AllowPrivate: true}, delivery.Host{Name: "0.0.0.0", AllowPrivate: true},
			"", "5.4.4 true"},
		{"the public ones of a mixture", &mx.Finder{}, delivery.Host{Name: "mixed.example"}, "[192.0.2.3]", ""},
		{"no such host", &mx.Finder{}, delivery.Host{Name: "nobody.example.org"}, "", "5.1.2 true"},
		{"no addresses", &mx.Finder{}, delivery.Host{Name: "text.example.org"}, "", "5.1.2 true"},
		{"DNS fails", &mx.Finder{}, delivery.Host{Name: "mx.fail.example"}, "", "4.4.3 false"},
		{"an override", &mx.Finder{Overrides: func(host string) []netip.Addr {
			if host == "mx.fail.example" {
				return []netip.Addr{netip.MustParseAddr("10.9.9.9")}
			}
			return nil
		}}, delivery.Host{Name: "mx.fail.example"}, "[10.9.9.9]", ""},
		{"ourselves beside others", &mx.Finder{OwnAddrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
			delivery.Host{Name: "mx1.example.org"}, "[2001:db8::1 192.0.2.2]", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := finder(t, c.finder)
			addrs, err := f.Addresses(t.Context(), c.host)
			if c.status != "" {
				e := routeError(t, err)
				require.Equal(t, c.status, fmt.Sprint(e.Status, " ", e.Permanent), "%v", e)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, fmt.Sprint(addrs))
		})
	}
}

func TestIsPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"192.0.2.1": true, "8.8.8.8": true, "2001:db8::1": true, "64:ff9b::808:808": true, "100.128.0.1": true,
		"172.32.0.1": true,
		"127.0.0.1":  false, "127.255.0.1": false, "10.0.0.1": false, "172.31.255.255": false, "192.168.0.1": false,
		"169.254.1.1": false, "100.64.0.1": false, "100.127.255.255": false, "224.0.0.1": false, "0.0.0.0": false,
		"0.1.2.3":         false,
		"255.255.255.255": false, "240.0.0.1": false, "192.0.0.8": false, "::1": false, "::": false, "fe80::1": false,
		"fe80::1%eth0": false,
		"fc00::1":      false, "fd12::1": false, "fec0::1": false, "ff02::1": false, "::ffff:10.0.0.1": false,
		"::ffff:8.8.8.8": true,
		"64:ff9b::a00:1": false, "2002:a00:1::1": false, "2002:808:808::1": true, "::10.0.0.1": false,
	} {
		require.Equal(t, want, mx.IsPublic(netip.MustParseAddr(text)), text)
	}
	require.False(t, mx.IsPublic(netip.Addr{}))
}

func TestSites(t *testing.T) {
	f := finder(t, &mx.Finder{})
	first, err := f.Route(t.Context(), "example.org")
	require.NoError(t, err)
	second, err := f.Route(t.Context(), "same.example.net")
	require.NoError(t, err)
	require.Equal(t, "example.org", first.Site)
	require.Equal(t, "example.org", second.Site, "the same hosts, whatever their preference")
	f.Forget()
	_, _, ok := f.Cached("example.org")
	require.False(t, ok)
	second, err = f.Route(t.Context(), "same.example.net")
	require.NoError(t, err)
	require.Equal(t, "example.org", second.Site, "sites keep their names")
	other, err := f.Route(t.Context(), "bücher.example")
	require.NoError(t, err)
	require.NotEqual(t, "example.org", other.Site)
}

// fakeDNS answers from functions.
type fakeDNS struct {
	mx    func(domain string) ([]resolver.MX, error)
	addrs func(host string) ([]netip.Addr, error)
	ttl   time.Duration
	asked int
}

func (d *fakeDNS) MX(_ context.Context, domain string) (*resolver.Result[resolver.MX], error) {
	d.asked++
	records, err := d.mx(domain)
	if err != nil {
		return nil, err
	}
	return &resolver.Result[resolver.MX]{Name: domain, Records: records, Expires: time.Now().Add(d.ttl), Authentic: true},
		nil
}

func (d *fakeDNS) Addrs(_ context.Context, _, host string) (*resolver.Result[netip.Addr], error) {
	d.asked++
	addrs, err := d.addrs(host)
	if err != nil {
		return nil, err
	}
	return &resolver.Result[netip.Addr]{Name: host, Records: addrs, Expires: time.Now().Add(d.ttl)}, nil
}

func TestSiteNamesStayUnique(t *testing.T) {
	hosts := map[string]string{"a.example": "one", "b.example": "one", "c.example": "three"}
	d := &fakeDNS{ttl: time.Minute, mx: func(domain string) ([]resolver.MX, error) {
		return []resolver.MX{{Host: hosts[domain], Preference: 1}}, nil
	}}
	synctest.Test(t, func(t *testing.T) {
		f := &mx.Finder{Resolver: d}
		site := func(domain string) string {
			route, err := f.Route(t.Context(), domain)
			require.NoError(t, err)
			require.True(t, route.Secure)
			return route.Site
		}
		require.Equal(t, "a.example", site("a.example"))
		require.Equal(t, "a.example", site("b.example"))
		require.Equal(t, "c.example", site("c.example"))

		hosts["a.example"], hosts["c.example"] = "two", "four"
		time.Sleep(2 * time.Minute)
		require.Equal(t, "c.example", site("c.example"), "alone at its site, it takes the name along")
		moved := site("a.example")
		require.NotEqual(t, "a.example", moved, "b.example still uses that name for other hosts")
		require.Equal(t, "a.example", site("b.example"))

		time.Sleep(3 * time.Hour)
		require.Equal(t, moved, site("a.example"), "an expired route keeps its site")
	})
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := &resolver.Error{Kind: resolver.Timeout}
		d := &fakeDNS{ttl: 5 * time.Minute, mx: func(domain string) ([]resolver.MX, error) {
			switch domain {
			case "gone.example":
				return nil, &resolver.Error{Kind: resolver.NXDomain, Expires: time.Now().Add(time.Minute)}
			case "slow.example":
				return nil, fail
			case "stop.example":
				return nil, &resolver.Error{Kind: resolver.Stopped, Cause: context.Canceled}
			case "odd.example":
				return nil, errors.New("odd")
			}
			return []resolver.MX{{Host: "mx", Preference: 1}}, nil
		}}
		f := &mx.Finder{Resolver: d}
		for domain, ttl := range map[string]time.Duration{"good.example": 5 * time.Minute, "gone.example": time.Minute,
			"slow.example": 10 * time.Second, "odd.example": 10 * time.Second} {
			_, err := f.Route(t.Context(), domain)
			time.Sleep(ttl - time.Second)
			_, cached, ok := f.Cached(domain)
			require.True(t, ok, domain)
			require.Equal(t, err, cached)
			time.Sleep(2 * time.Second)
			_, _, ok = f.Cached(domain)
			require.False(t, ok, domain)
		}
		_, err := f.Route(t.Context(), "stop.example")
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, routeError(t, err).Permanent)
		_, _, ok := f.Cached("stop.example")
		require.False(t, ok, "that we gave up says nothing about the domain")
	})
}

func TestMemoryIsBounded(t *testing.T) {
	d := &fakeDNS{ttl: time.Hour, mx: func(domain string) ([]resolver.MX, error) {
		return []resolver.MX{{Host: "mx." + domain, Preference: 1}}, nil
	}}
	f := &mx.Finder{Resolver: d, MaxDomains: 640}
	for i := range 10000 {
		_, err := f.Route(t.Context(), fmt.Sprintf("d%d.example", i))
		require.NoError(t, err)
	}
	domains, sites := f.Size()
	require.LessOrEqual(t, domains, 640)
	require.Greater(t, domains, 300)
	require.LessOrEqual(t, sites, 2*640)
}

func TestTooManyHosts(t *testing.T) {
	d := &fakeDNS{ttl: time.Hour, mx: func(string) (all []resolver.MX, _ error) {
		for i := range 1000 {
			all = append(all, resolver.MX{Host: fmt.Sprintf("mx%d", i), Preference: uint16(i)})
		}
		return all, nil
	}}
	route, err := (&mx.Finder{Resolver: d}).Route(t.Context(), "many.example")
	require.NoError(t, err)
	require.Len(t, route.Hosts, 50)
}

func TestCachedCostsNothing(t *testing.T) {
	f := finder(t, &mx.Finder{})
	_, err := f.Route(t.Context(), "example.org")
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, _, ok := f.Cached("example.org"); !ok {
			t.Error("not cached")
		}
	}))
}

func BenchmarkCached(b *testing.B) {
	f := finder(b, &mx.Finder{})
	_, err := f.Route(b.Context(), "example.org")
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f.Cached("example.org")
		}
	})
}
