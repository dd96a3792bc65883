package resolver_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/internal/testserver"
)

const zone = `
example.org. SOA ns.example.org. host.example.org. 1 2 3 4 300
example.org. MX 20 MX2.example.org.
example.org. MX 10 mx1.example.org.
mx1.example.org. A 192.0.2.1
mx1.example.org. AAAA 2001:db8::1
mx2.example.org. A 192.0.2.2
alias.example.org. CNAME mx1.example.org.
null.example.org. MX 0 .
example.org. TXT "v=spf1 " "-all"
odd.example.org. TXT "a \"quoted\" \\ \200\010"
strange\@name.example.org. TXT "found"
1.2.0.192.in-addr.arpa. PTR mx1.example.org.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mx1.example.org.
_25._tcp.mx1.example.org. TLSA 3 1 1 00010203
xn--bcher-kva.example.org. A 192.0.2.7
`

func zoneResolver(t *testing.T, opts resolver.Options) *resolver.Resolver {
	t.Helper()
	opts.Servers = []string{testserver.DNS(t, testserver.Zone(t, zone))}
	if opts.HostsFile == "" {
		opts.HostsFile = "-"
	}
	r, err := resolver.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func TestRecords(t *testing.T) {
	r, ctx := zoneResolver(t, resolver.Options{}), t.Context()

	mx, err := r.MX(ctx, "Example.ORG.")
	require.NoError(t, err)
	require.ElementsMatch(t, []resolver.MX{{Host: "mx1.example.org", Preference: 10},
		{Host: "mx2.example.org", Preference: 20}}, mx.Records)
	null, err := r.MX(ctx, "null.example.org")
	require.NoError(t, err)
	require.Equal(t, []resolver.MX{{}}, null.Records)

	txt, err := r.TXT(ctx, "example.org")
	require.NoError(t, err)
	require.Equal(t, []string{"v=spf1 -all"}, txt.Records, "character strings are joined")
	txt, err = r.TXT(ctx, "odd.example.org")
	require.NoError(t, err)
	require.Equal(t, []string{"a \"quoted\" \\ \xc8\n"}, txt.Records, "octets come as they are")
	txt, err = r.TXT(ctx, "strange@name.example.org")
	require.NoError(t, err)
	require.Equal(t, []string{"found"}, txt.Records)

	for _, addr := range []string{"192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"} {
		ptr, err := r.PTR(ctx, netip.MustParseAddr(addr))
		require.NoError(t, err)
		require.Equal(t, []string{"mx1.example.org"}, ptr.Records)
	}
	_, err = r.PTR(ctx, netip.Addr{})
	require.Equal(t, resolver.BadName, kindOf(t, err))

	tlsa, err := r.TLSA(ctx, "_25._tcp.mx1.example.org")
	require.NoError(t, err)
	require.Equal(t, []resolver.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: []byte{0, 1, 2, 3}}}, tlsa.Records)

	alias, err := r.CNAME(ctx, "alias.example.org")
	require.NoError(t, err)
	require.Equal(t, []string{"mx1.example.org"}, alias.Records)

	addrs, err := r.Addrs(ctx, "ip", "alias.example.org")
	require.NoError(t, err)
	require.Equal(t, "mx1.example.org", addrs.Name)
	require.Equal(t, "[192.0.2.1 2001:db8::1]", fmt.Sprint(addrs.Records))
	addrs, err = r.Addrs(ctx, "ip", "mx2.example.org")
	require.NoError(t, err)
	require.Equal(t, "[192.0.2.2]", fmt.Sprint(addrs.Records), "one family is enough")
	_, err = r.Addrs(ctx, "ip6", "mx2.example.org")
	require.Equal(t, resolver.NoData, kindOf(t, err))
	_, err = r.Addrs(ctx, "ip", "nobody.example.org")
	require.Equal(t, resolver.NXDomain, kindOf(t, err))
	addrs, err = r.Addrs(ctx, "ip", "192.0.2.77")
	require.NoError(t, err)
	require.Equal(t, "[192.0.2.77]", fmt.Sprint(addrs.Records))
	addrs, err = r.Addrs(ctx, "ip4", "bücher.example.org")
	require.NoError(t, err)
	require.Equal(t, "[192.0.2.7]", fmt.Sprint(addrs.Records))
}

func TestBadNames(t *testing.T) {
	r := zoneResolver(t, resolver.Options{})
	for _, name := range []string{"", ".", "..", "a..b", ".a", "a b.example.org", "a\x00b", "a\\b.example.org",
		strings.Repeat("a", 64) + ".example.org", strings.Repeat("a.", 127) + "org", "\xff\xfe",
		strings.Repeat("x", 100000)} {
		_, err := r.MX(t.Context(), name)
		require.Equal(t, resolver.BadName, kindOf(t, err), "%.30q", name)
		require.Less(t, len(err.Error()), 1200)
		_, _, ok := r.Cached(name, dns.TypeMX)
		require.False(t, ok)
	}
}

func TestFailureOfOneFamily(t *testing.T) {
	failing := func(fail uint16, other string) *memServer {
		return &memServer{script: func(_ string, q *dns.Msg) []delayed {
			if q.Question[0].Qtype == fail {
				return now(coded(q, dns.RcodeServerFailure))
			}
			return now(reply(q, strings.Fields(other + "\x00")[:0]...))
		}}
	}
	bubble(t, func(t *testing.T) {
		r := memResolver(t, resolver.Options{}, failing(dns.TypeAAAA, ""))
		defer r.Close()
		_, err := r.Addrs(t.Context(), "ip", "a.example.org")
		require.Equal(t, resolver.ServFail, kindOf(t, err), "no A and AAAA unknown: that is no 'no'")
	})
	bubble(t, func(t *testing.T) {
		s := &memServer{script: func(_ string, q *dns.Msg) []delayed {
			if q.Question[0].Qtype == dns.TypeAAAA {
				return now(coded(q, dns.RcodeServerFailure))
			}
			return now(reply(q, "a.example.org. A 192.0.2.9"))
		}}
		r := memResolver(t, resolver.Options{}, s)
		defer r.Close()
		addrs, err := r.Addrs(t.Context(), "ip", "a.example.org")
		require.NoError(t, err)
		require.Len(t, addrs.Records, 1)
	})
}

func TestLikeNetResolver(t *testing.T) {
	r, ctx := zoneResolver(t, resolver.Options{}), t.Context()
	// What packages ask of a resolver that may be net.DefaultResolver.
	var _ = []interface {
		LookupMX(ctx ctxType, name string) ([]*net.MX, error)
		LookupTXT(ctx ctxType, name string) ([]string, error)
		LookupAddr(ctx ctxType, addr string) ([]string, error)
		LookupIPAddr(ctx ctxType, host string) ([]net.IPAddr, error)
		LookupNetIP(ctx ctxType, network, host string) ([]netip.Addr, error)
	}{r, net.DefaultResolver}

	mx, err := r.LookupMX(ctx, "example.org")
	require.NoError(t, err)
	require.Equal(t, []*net.MX{{Host: "mx1.example.org.", Pref: 10}, {Host: "mx2.example.org.", Pref: 20}}, mx)
	txt, err := r.LookupTXT(ctx, "example.org")
	require.NoError(t, err)
	require.Equal(t, []string{"v=spf1 -all"}, txt)
	names, err := r.LookupAddr(ctx, "192.0.2.1")
	require.NoError(t, err)
	require.Equal(t, []string{"mx1.example.org."}, names)
	hosts, err := r.LookupNetIP(ctx, "ip", "mx1.example.org")
	require.NoError(t, err)
	require.Equal(t, addresses("192.0.2.1", "2001:db8::1"), hosts)
	four, err := r.LookupNetIP(ctx, "ip4", "alias.example.org")
	require.NoError(t, err)
	require.Equal(t, addresses("192.0.2.1"), four)
	ips, err := r.LookupIPAddr(ctx, "mx2.example.org")
	require.NoError(t, err)
	require.Equal(t, "192.0.2.2", ips[0].String())

	for _, look := range []func() error{
		func() error { _, err := r.LookupMX(ctx, "nobody.example.org"); return err },
		func() error { _, err := r.LookupTXT(ctx, "mx1.example.org"); return err },
		func() error { _, err := r.LookupAddr(ctx, "192.0.2.99"); return err },
		func() error { _, err := r.LookupAddr(ctx, "nonsense"); return err },
		func() error { _, err := r.LookupIPAddr(ctx, "nobody.example.org"); return err },
		func() error { _, err := r.LookupNetIP(ctx, "ip6", "mx2.example.org"); return err },
	} {
		err := look()
		dnsErr, ok := err.(*net.DNSError) //nolint:errorlint // some callers assert the type
		require.True(t, ok, "%T", err)
		require.True(t, dnsErr.IsNotFound)
		require.False(t, dnsErr.Temporary())
		require.True(t, resolver.IsNotFound(err))
	}
	failing := memlessFailing(t)
	_, err = failing.LookupTXT(ctx, "example.org")
	var dnsErr *net.DNSError
	require.True(t, errors.As(err, &dnsErr))
	require.True(t, dnsErr.Temporary())
	require.False(t, dnsErr.IsNotFound)
	require.Contains(t, err.Error(), "server failure")
}

func memlessFailing(t *testing.T) *resolver.Resolver {
	address := testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
	})
	r, err := resolver.New(resolver.Options{Servers: []string{address}})
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func addresses(texts ...string) []netip.Addr {
	list := make([]netip.Addr, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParseAddr(text)
	}
	return list
}

func TestHostsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	write := func(text string, at time.Time) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chtimes(path, at, at))
	}
	write("# a comment\n192.0.2.50 Relay.example.org relay # more\n2001:db8::50\trelay\nnonsense here\n192.0.2.51\n\xff\n",
		time.Unix(1e9, 0))
	r, ctx := zoneResolver(t, resolver.Options{HostsFile: path}), t.Context()
	addrs, err := r.LookupNetIP(ctx, "ip", "relay")
	require.NoError(t, err)
	require.Equal(t, addresses("192.0.2.50", "2001:db8::50"), addrs)
	addrs, err = r.LookupNetIP(ctx, "ip", "relay.EXAMPLE.org.")
	require.NoError(t, err)
	require.Equal(t, addresses("192.0.2.50"), addrs)
	_, err = r.LookupNetIP(ctx, "ip6", "relay.example.org")
	require.True(t, resolver.IsNotFound(err))
	addrs, err = r.LookupNetIP(ctx, "ip", "localhost")
	require.NoError(t, err)
	require.Equal(t, addresses("::1", "127.0.0.1"), addrs, "known without a line")
	addrs, err = r.LookupNetIP(ctx, "ip", "mx2.example.org")
	require.NoError(t, err)
	require.Equal(t, addresses("192.0.2.2"), addrs, "other names come from the DNS")

	none := zoneResolver(t, resolver.Options{HostsFile: filepath.Join(t.TempDir(), "none")})
	_, err = none.LookupNetIP(ctx, "ip", "mx2.example.org")
	require.NoError(t, err, "without a file the DNS answers")
}

func TestServersFromFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		write := func(text string, at time.Time) {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			require.NoError(t, os.Chtimes(path, at, at))
		}
		var mu sync.Mutex
		dialled := map[string]bool{}
		first := func() string {
			mu.Lock()
			defer mu.Unlock()
			for address := range dialled {
				clear(dialled)
				return address
			}
			return ""
		}
		write("nameserver 192.0.2.1\noptions rotate\nnameserver nonsense\n", time.Unix(1e9, 0))
		r, err := resolver.New(resolver.Options{ResolvConf: path, HostsFile: "-",
			Dial: func(_ ctxType, network, address string) (net.Conn, error) {
				mu.Lock()
				dialled[address] = true
				mu.Unlock()
				ours, theirs := net.Pipe()
				go refusing(dns.RcodeNameError).serve(network, theirs)
				return ours, nil
			}})
		require.NoError(t, err)
		defer r.Close()
		ask := func(name string) string {
			time.Sleep(10 * time.Second)
			_, err := r.MX(t.Context(), name)
			require.Equal(t, resolver.NXDomain, kindOf(t, err))
			return first()
		}
		require.Equal(t, "192.0.2.1:53", ask("a.example.org"))
		write("nameserver 2001:db8::53\n", time.Unix(1e9+1, 0))
		require.Equal(t, "[2001:db8::53]:53", ask("b.example.org"), "a changed file is read again")
		write("", time.Unix(1e9+2, 0))
		require.Equal(t, "127.0.0.1:53", ask("c.example.org"), "no servers: the local one")
	})
}

func TestServerAddresses(t *testing.T) {
	for _, bad := range []string{"", "dns.example.org", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:99999", "[::1",
		"udp://1.2.3.4"} {
		_, err := resolver.New(resolver.Options{Servers: []string{"192.0.2.1", bad}})
		require.ErrorContains(t, err, fmt.Sprintf("DNS server %q: expected an address", bad))
	}
	for _, good := range []string{"192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:5353",
		" 192.0.2.1 "} {
		r, err := resolver.New(resolver.Options{Servers: []string{good, good}})
		require.NoError(t, err)
		require.NoError(t, r.Close())
	}
	_, err := resolver.New(resolver.Options{ResolvConf: t.TempDir()})
	require.Error(t, err, "a directory is no resolv.conf")
	r, err := resolver.New(resolver.Options{ResolvConf: filepath.Join(t.TempDir(), "none")})
	require.NoError(t, err, "a missing one means the local server")
	require.NoError(t, r.Close())
}

func TestErrorText(t *testing.T) {
	r := memlessFailing(t)
	_, err := r.MX(t.Context(), "Example.org")
	require.Regexp(t, `^MX example.org: server failure \(SERVFAIL\) from 127\.0\.0\.1:\d+$`, err.Error())
	require.NotEqual(t, "unknown", resolver.Stopped.String())
}
