package dnsbl_test

import (
	"bufio"
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/checkstest"
	"github.com/sluicemail/sluice/checks/dnsbl"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func resolverAt(t testing.TB, address string) *resolver.Resolver {
	t.Helper()
	r, err := resolver.New(resolver.Options{Servers: []string{address}, HostsFile: "-"})
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// block is a part of the file of cases.
type block struct {
	name, zone string
	zones      []dnsbl.Zone
	fails      map[string]bool
	cases      [][]string // client and results
}

func readBlocks(t *testing.T) []block {
	file, err := os.Open("testdata/cases.txt")
	require.NoError(t, err)
	defer file.Close()
	var blocks []block
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		line := scanner.Text()
		word, rest, _ := strings.Cut(line, " ")
		if word == "==" {
			blocks = append(blocks, block{name: rest, fails: map[string]bool{}})
		}
		if word == "#" || word == "==" || line == "" {
			continue
		}
		b := &blocks[len(blocks)-1]
		switch word {
		case "zones":
			for _, text := range strings.Fields(rest) {
				z, err := dnsbl.ParseZone(text)
				require.NoError(t, err)
				b.zones = append(b.zones, z)
			}
		case "fails":
			b.fails[rest] = true
		case "?":
			b.cases = append(b.cases, strings.Fields(rest))
		default:
			b.zone += line + "\n"
		}
	}
	return blocks
}

func TestCases(t *testing.T) {
	blocks := readBlocks(t)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		t.Run(b.name, func(t *testing.T) {
			zone := testserver.Zone(t, b.zone)
			address := testserver.DNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
				if b.fails[q.Question[0].Name] {
					_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
					return
				}
				zone(w, q)
			})
			checker := &dnsbl.Checker{Zones: b.zones, Resolver: resolverAt(t, address)}
			for _, c := range b.cases {
				results, err := checker.CheckConnect(context.Background(), netip.MustParseAddr(c[0]))
				require.NoError(t, err)
				var got []string
				for _, r := range results {
					got = append(got, string(r.JSON))
				}
				require.Equal(t, c[1:], got)
			}
		})
	}
}

// TestDnsmasq asks a real server, and its explanation.
func TestDnsmasq(t *testing.T) {
	address := testserver.Dnsmasq(t, "bl.test", "--host-record=1.2.0.192.bl.test,127.0.0.2",
		"--txt-record=1.2.0.192.bl.test,see https://bl.test/?1")
	checker := &dnsbl.Checker{Zones: []dnsbl.Zone{{Name: "bl.test"}}, Resolver: resolverAt(t, address), Texts: true}
	results, err := checker.Check(context.Background(), &checks.Mail{Client: netip.MustParseAddr("192.0.2.1")})
	require.NoError(t, err)
	require.Len(t, results, 1)
	require.Equal(t, checks.Fail, results[0].Verdict)
	require.Equal(t, "see https://bl.test/?1", results[0].Reason)
	require.Equal(t, dnsbl.Listing{Zone: "bl.test", Codes: []netip.Addr{netip.MustParseAddr("127.0.0.2")}},
		results[0].Detail)
	results, err = checker.CheckConnect(context.Background(), netip.MustParseAddr("192.0.2.3"))
	require.NoError(t, err)
	require.Equal(t, checks.None, results[0].Verdict)
	checkstest.Run(t, func(*testing.T) checks.Checker { return checker })
}

// TestKnot asks an authoritative server with a signed zone.
func TestKnot(t *testing.T) {
	zone := "@ SOA ns hostmaster 1 3600 900 86400 60\n@ NS ns\nns A 127.0.0.1\n1.2.0.192 A 127.0.0.2\n"
	knot := testserver.Knot(t, map[string]string{"bl.test": zone}, "bl.test")
	checker := &dnsbl.Checker{Zones: []dnsbl.Zone{{Name: "bl.test"}}, Resolver: resolverAt(t, knot.Address)}
	for client, want := range map[string]checks.Verdict{"192.0.2.1": checks.Fail, "192.0.2.2": checks.None} {
		results, err := checker.CheckConnect(context.Background(), netip.MustParseAddr(client))
		require.NoError(t, err)
		require.Equal(t, want, results[0].Verdict)
	}
}

// TestMute asks a server that never answers: the caller's patience counts, and the client is not blamed.
func TestMute(t *testing.T) {
	address := testserver.DNS(t, func(dns.ResponseWriter, *dns.Msg) {})
	checker := &dnsbl.Checker{Zones: []dnsbl.Zone{{Name: "a.test"}, {Name: "b.test"}}, Resolver: resolverAt(t, address)}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	results, err := checker.CheckConnect(ctx, netip.MustParseAddr("192.0.2.1"))
	require.NoError(t, err)
	require.Len(t, results, 2)
	for _, r := range results {
		require.Equal(t, checks.TempError, r.Verdict)
	}
}

func TestBudget(t *testing.T) {
	checker := &dnsbl.Checker{Zones: []dnsbl.Zone{{Name: "a.test"}}}
	results, err := checker.CheckConnect(checks.WithLookups(context.Background(), 0), netip.MustParseAddr("192.0.2.1"))
	require.NoError(t, err)
	require.Equal(t, checks.TempError, results[0].Verdict)
	require.Equal(t, "too many DNS look-ups for one mail", results[0].Reason)
}

func TestParseZone(t *testing.T) {
	for _, bad := range []string{"", "=127.0.0.2", "a b", "a.test=", "a.test=128.0.0.1", "a.test=127.0.0.0/7",
		"a.test=::1", "a.test=x"} {
		_, err := dnsbl.ParseZone(bad)
		require.Error(t, err, bad)
	}
	z, err := dnsbl.ParseZone(" zen.test. = 127.0.0.2 , 127.0.0.9/30")
	require.NoError(t, err)
	require.Equal(t, dnsbl.Zone{Name: "zen.test",
		Codes: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32"), netip.MustParsePrefix("127.0.0.8/30")}}, z)
}

func FuzzParseZone(f *testing.F) {
	f.Add("zen.test=127.0.0.2,127.0.0.8/30")
	f.Fuzz(func(t *testing.T, text string) {
		z, err := dnsbl.ParseZone(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, z.Name)
		for _, code := range z.Codes {
			require.True(t, code.IsValid())
			require.True(t, code.Addr().Is4())
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	address := testserver.DNS(b, testserver.Zone(b, "1.2.0.192.a.test. A 127.0.0.2\n"))
	checker := &dnsbl.Checker{Zones: []dnsbl.Zone{{Name: "a.test"}, {Name: "b.test"}}, Resolver: resolverAt(b, address)}
	client := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		if results, err := checker.CheckConnect(b.Context(), client); err != nil || len(results) != 1 {
			b.Fatal(results, err)
		}
	}
}
