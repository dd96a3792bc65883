package mx_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/resolver"
)

const routesFile = `
# by domain
example.org:relay.example.net:2525
Bücher.example:192.0.2.1
.example.org:[2001:db8::1]:26
.deep.example.org:[2001:db8::2]
mx.example.org:
*.wild.*:wild.example.net
a?c.example:one.example.net:1
:all.example.net
`

func TestRoutes(t *testing.T) {
	routes, err := mx.ParseRoutes(strings.NewReader(routesFile), "routes")
	require.NoError(t, err)
	for domain, want := range map[string]mx.Relay{
		"example.org":             {Host: "relay.example.net", Port: 2525},
		"xn--bcher-kva.example":   {Host: "192.0.2.1"},
		"sub.example.org":         {Host: "2001:db8::1", Port: 26},
		"a.b.example.org":         {Host: "2001:db8::1", Port: 26},
		"deep.example.org":        {Host: "2001:db8::1", Port: 26},
		"x.deep.example.org":      {Host: "2001:db8::2"},
		"mx.example.org":          {},
		"a.wild.b":                {Host: "wild.example.net"},
		"abc.example":             {Host: "one.example.net", Port: 1},
		"abbc.example":            {Host: "all.example.net"},
		"elsewhere":               {Host: "all.example.net"},
		"notexample.org":          {Host: "all.example.net"},
		"example.org.example.com": {Host: "all.example.net"},
	} {
		relay, ok := routes.Find(domain)
		require.True(t, ok)
		require.Equal(t, want, relay, domain)
	}
	var none *mx.Routes
	_, ok := none.Find("example.org")
	require.False(t, ok)

	path := filepath.Join(t.TempDir(), "routes")
	require.NoError(t, os.WriteFile(path, []byte("a.example:b.example\na.example:c.example\n*.x:a\n*.x:b\n"), 0o600))
	routes, err = mx.ReadRoutes(path)
	require.NoError(t, err)
	relay, _ := routes.Find("a.example")
	require.Equal(t, "c.example", relay.Host, "the later one counts")
	relay, _ = routes.Find("a.x")
	require.Equal(t, "b", relay.Host)
	_, ok = routes.Find("d.example")
	require.False(t, ok)
	_, err = mx.ReadRoutes(path + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRoutesErrors(t *testing.T) {
	for line, want := range map[string]string{
		"example.org":                        `routes:2: "example.org": expected domain:relay:port`,
		"example.org:relay:0":                `routes:2: port "0" of relay "relay:0": expected a number from 1 to 65535`,
		"example.org:relay:70000":            `routes:2: port "70000" of relay "relay:70000"`,
		"example.org:relay:25:26":            `routes:2: port "25:26"`,
		"example.org::25":                    `routes:2: relay ":25": a port without a host`,
		"example.org:[2001:db8::1:25":        `routes:2: relay "[2001:db8::1:25": expected an address in the brackets`,
		"example.org:[relay]:25":             `routes:2: relay "[relay]:25": expected an address in the brackets`,
		"example.org:[::1]25":                `routes:2: relay "[::1]25": expected an address in the brackets`,
		"example.org:a host":                 `routes:2: relay "a host": expected a host name or address`,
		"exa mple.org:relay":                 `routes:2: domain "exa mple.org": expected a domain`,
		"..example.org:relay":                `routes:2: domain "..example.org": expected a domain`,
		".:relay":                            `routes:2: domain ".": expected a domain`,
		strings.Repeat("a", 5000) + ":relay": `routes:2: bufio.Scanner: token too long`,
	} {
		_, err := mx.ParseRoutes(strings.NewReader("# first\n"+line+"\n"), "routes")
		require.ErrorContains(t, err, want)
	}
}

func TestRelays(t *testing.T) {
	login := &delivery.Credentials{Username: "u", Password: "p"}
	smart := mx.Relay{Host: "Smart.example.net", Port: 587, Credentials: login}
	routes, err := mx.ParseRoutes(strings.NewReader("r.example:relay.example.net\n.mx.example:\nexample.org:\n"), "routes")
	require.NoError(t, err)
	dead := &fakeDNS{
		mx:    func(string) ([]resolver.MX, error) { return []resolver.MX{{Host: "mx.example.net"}}, nil },
		addrs: func(string) ([]netip.Addr, error) { return nil, &resolver.Error{Kind: resolver.Timeout} },
		ttl:   time.Minute,
	}
	for _, c := range []struct {
		name               string
		finder             *mx.Finder
		domain             string
		site, hosts        string
		relay, credentials bool
	}{
		{"smarthost", &mx.Finder{Smarthost: smart}, "a.example", "smart.example.net:587", "0 smart.example.net:587", true,
			true},
		{"smarthost on port 25", &mx.Finder{Smarthost: mx.Relay{Host: "s.example", Port: 25}}, "a.example", "s.example",
			"0 s.example:25", true, false},
		{"sink", &mx.Finder{Sink: mx.Relay{Host: "127.0.0.1", Port: 2626}}, "A.example", "a.example", "0 127.0.0.1:2626",
			true, false},
		{"sink and smarthost", &mx.Finder{Sink: mx.Relay{Host: "127.0.0.1", Port: 2626}, Smarthost: smart}, "a.example",
			"smart.example.net:587", "0 127.0.0.1:2626", true, false},
		{"sink that is off", &mx.Finder{Sink: mx.Relay{Host: "0.0.0.0", Port: 2626}}, "a.example", "a.example",
			"0 mx.example.net", false, false},
		{"route", &mx.Finder{Routes: func() *mx.Routes { return routes }, Smarthost: smart}, "r.example",
			"relay.example.net", "0 relay.example.net", true, false},
		{"route by MX", &mx.Finder{Routes: func() *mx.Routes { return routes }, Smarthost: smart}, "example.org",
			"example.org", "0 mx.example.net", false, false},
		{"no route", &mx.Finder{Routes: func() *mx.Routes { return routes }, Smarthost: smart}, "other.example",
			"smart.example.net:587", "0 smart.example.net:587", true, true},
		{"bracketed", &mx.Finder{Smarthost: mx.Relay{Host: "[2001:db8::1]"}}, "a.example", "2001:db8::1", "0 2001:db8::1",
			true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.finder
			f.Resolver = dead
			route, err := f.Route(t.Context(), c.domain)
			require.NoError(t, err)
			require.Equal(t, c.site, route.Site)
			require.Equal(t, c.hosts, describe(route))
			require.Equal(t, c.relay, route.Relay)
			require.Equal(t, c.relay, route.Hosts[0].AllowPrivate)
			if c.credentials {
				require.Same(t, login, route.Credentials)
			} else {
				require.Nil(t, route.Credentials)
			}
		})
	}
	require.Equal(t, 2, dead.asked, "relays are found without the DNS")
}

func TestRelayAndDomainOfTheSameName(t *testing.T) {
	routes, err := mx.ParseRoutes(strings.NewReader("relay.example:\n"), "routes")
	require.NoError(t, err)
	d := &fakeDNS{mx: func(string) ([]resolver.MX, error) { return []resolver.MX{{Host: "mx.example"}}, nil },
		ttl: time.Minute}
	f := &mx.Finder{Resolver: d, Smarthost: mx.Relay{Host: "relay.example"}, Routes: func() *mx.Routes { return routes }}
	relayed, err := f.Route(t.Context(), "a.example")
	require.NoError(t, err)
	direct, err := f.Route(t.Context(), "relay.example")
	require.NoError(t, err)
	require.NotEqual(t, relayed.Site, direct.Site, "two destinations never share a site by accident")
}

// TestDivert keeps mail that names its own relay from leaving where there is a sink.
func TestDivert(t *testing.T) {
	own := func() *delivery.Route {
		return &delivery.Route{Site: "own.example:2525", Hosts: []delivery.Host{{Name: "own.example", Port: 2525}},
			Relay: true, Credentials: &delivery.Credentials{Username: "u"}}
	}
	route := own()
	(&mx.Finder{}).Divert(route)
	require.Equal(t, own(), route)

	(&mx.Finder{Sink: mx.Relay{Host: "127.0.0.1", Port: 2626}}).Divert(route)
	require.Equal(t, "own.example:2525", route.Site, "its path stays real")
	require.Equal(t, "0 127.0.0.1:2626", describe(route), "but nothing leaves")
	require.Nil(t, route.Credentials, "least of all a password")
}

func TestSinkIsLookedUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDNS{addrs: func(string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")},
				nil
		}, ttl: time.Second}
		f := &mx.Finder{Resolver: d, Sink: mx.Relay{Host: "sink", Port: 26}}
		require.NoError(t, f.Start(t.Context()))
		for range 3 {
			time.Sleep(time.Hour)
			route, err := f.Route(t.Context(), "a.example")
			require.NoError(t, err)
			addrs, err := f.Addresses(t.Context(), route.Hosts[0])
			require.NoError(t, err)
			require.Equal(t, "127.0.0.1", addrs[0].String())
		}
		require.Equal(t, 1, d.asked)
		d.addrs = func(string) ([]netip.Addr, error) { return nil, &resolver.Error{Kind: resolver.NXDomain} }
		require.Error(t, (&mx.Finder{Resolver: d, Sink: mx.Relay{Host: "nowhere"}}).Start(t.Context()), "said at start")
	})
}

func TestLocalhostRelay(t *testing.T) {
	f := &mx.Finder{Smarthost: mx.Relay{Host: "localhost"}}
	defer f.Close()
	route, err := f.Route(t.Context(), "a.example")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	addrs, err := f.Addresses(ctx, route.Hosts[0])
	require.NoError(t, err)
	for _, a := range addrs {
		require.True(t, a.IsLoopback())
	}
}

func FuzzRoutes(f *testing.F) {
	f.Add(routesFile, "example.org")
	f.Add("*:[::1]:1\n", "a")
	f.Add("?*?*?:x", "aaaa")
	f.Add(mailboxRoutes, "a.example")
	f.Fuzz(func(t *testing.T, file, domain string) {
		routes, err := mx.ParseRoutes(strings.NewReader(file), "routes")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "routes:") {
				t.Errorf("no line in %v", err)
			}
			return
		}
		relay, ok := routes.Find(domain)
		if !ok && relay != (mx.Relay{}) || relay.Port < 0 || relay.Port > 65535 {
			t.Errorf("%q: %+v %v", domain, relay, ok)
		}
	})
}

func ExampleFinder() {
	f := &mx.Finder{Smarthost: mx.Relay{Host: "192.0.2.25", Port: 587}}
	defer f.Close()
	route, err := f.Route(context.Background(), "example.org")
	if err != nil {
		return
	}
	for _, host := range route.Hosts {
		addrs, err := f.Addresses(context.Background(), host)
		_, _ = addrs, err // connect to each of them in turn
	}
}
