package tlspolicy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/delivery/tlspolicy"
)

// names answers as a resolver does. What it has no record of does not exist.
type names struct {
	mu      sync.Mutex
	records map[string]any // by "TYPE name": a *resolver.Result, or a resolver.Kind
	asked   map[string]int
}

func (n *names) set(question string, answer any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.records == nil {
		n.records = map[string]any{}
	}
	n.records[question] = answer
}

func (n *names) count(question string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[question]
}

func lookUp[T any](n *names, kind uint16, name string) (*resolver.Result[T], error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	question := dns.TypeToString[kind] + " " + name
	if n.asked == nil {
		n.asked = map[string]int{}
	}
	n.asked[question]++
	switch answer := n.records[question].(type) {
	case *resolver.Result[T]:
		return answer, nil
	case resolver.Kind:
		return nil, &resolver.Error{Name: name, Type: kind, Kind: answer}
	}
	return nil, &resolver.Error{Name: name, Type: kind, Kind: resolver.NXDomain}
}

func (n *names) TXT(_ context.Context, name string) (*resolver.Result[string], error) {
	return lookUp[string](n, dns.TypeTXT, name)
}

func (n *names) CNAME(_ context.Context, name string) (*resolver.Result[string], error) {
	return lookUp[string](n, dns.TypeCNAME, name)
}

func (n *names) TLSA(_ context.Context, name string) (*resolver.Result[resolver.TLSA], error) {
	return lookUp[resolver.TLSA](n, dns.TypeTLSA, name)
}

func (n *names) Addrs(_ context.Context, _, host string) (*resolver.Result[netip.Addr], error) {
	return lookUp[netip.Addr](n, dns.TypeA, host)
}

// publishes has a domain publish the id of a policy.
func (n *names) publishes(domain, id string) {
	n.set("TXT _mta-sts."+domain, &resolver.Result[string]{Records: []string{"v=STSv1; id=" + id}})
}

// clock is a time that a test sets.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.at.Store(t0.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// records collects what is logged.
type records struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// house is a set of policies with the outside world that a test gives it.
type house struct {
	names *names
	clock *clock
	log   *records
	dir   string
	ca    *authority
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
}

func newHouse(t *testing.T) *house {
	h := &house{names: new(names), clock: newClock(), log: new(records), dir: filepath.Join(t.TempDir(), "sts"),
		ca: newAuthority(t)}
	h.dial = h.ca.servePolicies(t)
	return h
}

// open starts policies; stop ends them before the test does.
func (h *house) open(t *testing.T, change ...func(*tlspolicy.Policies)) (p *tlspolicy.Policies, stop func()) {
	p = &tlspolicy.Policies{Resolver: h.names, Roots: h.ca.pool, Directory: h.dir, Now: h.clock.now, Dial: h.dial,
		Logger: slog.New(slog.NewTextHandler(h.log, nil))}
	for _, f := range change {
		f(p)
	}
	require.NoError(t, p.Start())
	stop = sync.OnceFunc(func() { require.NoError(t, p.Close()) })
	t.Cleanup(stop)
	return p, stop
}

const enforced = "sts-enforce.unsigned.test"

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, time.Millisecond, what)
}

// TestPolicyStands keeps a policy in force until its max_age is over, however the domain fares, and over a restart.
func TestPolicyStands(t *testing.T) {
	h := newHouse(t)
	h.names.publishes(enforced, "1")
	p, stop := h.open(t)
	require.NotNil(t, p.Domain(t.Context(), enforced))
	stop()

	down := func(p *tlspolicy.Policies) {
		p.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("down") }
	}
	for name, answer := range map[string]any{"the DNS is down": resolver.Timeout, "the record is gone": resolver.NXDomain,
		"another policy is announced": &resolver.Result[string]{Records: []string{"v=STSv1; id=2"}}} {
		h.names.set("TXT _mta-sts."+enforced, answer)
		p, stop = h.open(t, down)
		found := p.Domain(t.Context(), enforced)
		require.NotNil(t, found, name)
		require.Equal(t, []string{"mx." + enforced}, found.Patterns)
		stop()
	}
	h.clock.advance(7 * 24 * time.Hour)
	p, _ = h.open(t, down)
	require.Nil(t, p.Domain(t.Context(), enforced), "its max_age is over")
}

// TestPolicyChanges fetches a policy anew when its id changes, and before it runs out when that does not.
func TestPolicyChanges(t *testing.T) {
	h := newHouse(t)
	h.names.publishes(enforced, "1")
	var fetched atomic.Int64
	p, _ := h.open(t, func(p *tlspolicy.Policies) {
		p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			fetched.Add(1)
			return h.dial(ctx, network, address)
		}
	})
	question := "TXT _mta-sts." + enforced
	look := func() {
		asked := h.names.count(question)
		eventually(t, "the DNS is asked", func() bool {
			p.Domain(t.Context(), enforced) // again while who asked before has not done
			return h.names.count(question) > asked
		})
	}
	look()
	require.EqualValues(t, 1, fetched.Load())
	p.Domain(t.Context(), enforced)
	require.Equal(t, 1, h.names.count(question), "it was asked a moment ago")
	h.clock.advance(2 * time.Hour)
	look()
	h.names.publishes(enforced, "2")
	h.clock.advance(2 * time.Hour)
	look()
	eventually(t, "the policy of another id is fetched", func() bool { return fetched.Load() == 2 })
	h.clock.advance(25 * time.Hour)
	eventually(t, "a policy of a day ago is fetched", func() bool {
		p.Domain(t.Context(), enforced)
		return fetched.Load() == 3
	})
}

// TestRenewed fetches a policy anew before it is over, though no mail asks for it, and no other.
func TestRenewed(t *testing.T) {
	h := newHouse(t)
	h.names.publishes(enforced, "1")
	h.names.publishes("sts-shared-a.unsigned.test", "1")
	p, _ := h.open(t)
	require.NotNil(t, p.Domain(t.Context(), enforced))
	p.Domain(t.Context(), "none.test")
	question := "TXT _mta-sts." + enforced
	p.RenewDue()
	require.Equal(t, 1, h.names.count(question), "it is fresh")
	h.clock.advance(6 * 24 * time.Hour)
	require.NotNil(t, p.Domain(t.Context(), "sts-shared-a.unsigned.test"))
	p.RenewDue()
	require.Equal(t, 2, h.names.count(question))
	require.Equal(t, 1, h.names.count("TXT _mta-sts.sts-shared-a.unsigned.test"))
	require.Equal(t, 1, h.names.count("TXT _mta-sts.none.test"))
	h.names.set(question, resolver.Timeout)
	h.clock.advance(6 * 24 * time.Hour)
	require.NotNil(t, p.Domain(t.Context(), enforced), "its new max_age is not over")
	h.clock.advance(7 * 24 * time.Hour)
	require.NotNil(t, p.Domain(t.Context(), "sts-shared-a.unsigned.test"), "who asks first waits for what replaces it")
	require.Nil(t, p.Domain(t.Context(), enforced))
}

// TestNobodyWaitsTwice has the first mail of a domain wait for its policy, later ones for nothing, and mail of other
// domains never.
func TestNobodyWaitsTwice(t *testing.T) {
	h := newHouse(t)
	h.names.publishes(enforced, "1")
	h.names.publishes("slow.test", "1")
	begun := make(chan struct{}, 10)
	p, _ := h.open(t, func(p *tlspolicy.Policies) {
		p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "mta-sts.slow.test") {
				begun <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return h.dial(ctx, network, address)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan *delivery.STSPolicy)
	go func() { first <- p.Domain(ctx, "slow.test") }()
	<-begun
	require.NotNil(t, p.Domain(t.Context(), enforced), "another domain")
	cancel()
	require.Nil(t, <-first)
}

// TestSlowDisk has a domain wait for a disk that is slow, and no other.
func TestSlowDisk(t *testing.T) {
	h := newHouse(t)
	h.names.publishes(enforced, "1")
	p, _ := h.open(t)
	slow := filepath.Join(h.dir, "slow.test.sts")
	require.NoError(t, syscall.Mkfifo(slow, 0o600)) // who reads it waits for who writes
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Domain(t.Context(), "slow.test")
	}()
	require.NotNil(t, p.Domain(t.Context(), enforced), "another domain")
	w, err := os.OpenFile(slow, os.O_WRONLY, 0) // it is being read by now
	require.NoError(t, err)
	require.NoError(t, w.Close())
	<-ended
	require.Contains(t, h.log.String(), "slow.test")
}

// TestClockJumps has the clock go years ahead and back: a policy that stood stands again, and the domain is asked again
// soon.
func TestClockJumps(t *testing.T) {
	h := newHouse(t)
	h.names.publishes(enforced, "1")
	p, _ := h.open(t)
	question := "TXT _mta-sts." + enforced
	asks := func(what string) {
		asked := h.names.count(question)
		eventually(t, what, func() bool { p.Domain(t.Context(), enforced); return h.names.count(question) > asked })
	}
	require.NotNil(t, p.Domain(t.Context(), enforced))
	const years = 20 * 365 * 24 * time.Hour
	h.clock.advance(years)
	asks("ahead: the policy is over, and the policy host has no certificate that is valid")
	eventually(t, "the answer is noted", func() bool { return strings.Contains(h.log.String(), "cannot be had") })
	require.Nil(t, p.Domain(t.Context(), enforced))
	h.clock.advance(-years)
	asks("back: not in twenty years")
	require.NotNil(t, p.Domain(t.Context(), enforced))
}

// TestNoDowngrade has a host wait whose TLSA records cannot be had, though its addresses can: that is how DANE would be
// got out of the way.
func TestNoDowngrade(t *testing.T) {
	const host = "mx.signed.test"
	route := &delivery.Route{Secure: true, Hosts: []delivery.Host{{Name: host}},
		STS: &delivery.STSPolicy{Patterns: []string{host}, Key: host}}
	addrs := &resolver.Result[netip.Addr]{Name: host, Authentic: true,
		Records: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
	for _, kind := range []resolver.Kind{resolver.ServFail, resolver.Timeout, resolver.Malformed, resolver.Loop} {
		t.Run(kind.String(), func(t *testing.T) {
			h := newHouse(t)
			h.names.set("A "+host, addrs)
			h.names.set("TLSA _25._tcp."+host, kind)
			p, _ := h.open(t)
			_, err := p.Host(t.Context(), route, route.Hosts[0])
			var failure *delivery.Failure
			require.ErrorAs(t, err, &failure)
			require.True(t, failure.Temporary)
			require.Equal(t, "dnssec-invalid", failure.Result.TLSPolicy.Failure)
			require.Contains(t, failure.Result.Description, host)

			report, _ := h.open(t, func(p *tlspolicy.Policies) { p.Report = true })
			policy, err := report.Host(t.Context(), route, route.Hosts[0])
			require.NoError(t, err)
			require.False(t, policy.Enforced())
			require.ErrorContains(t, policy.Verify(nil), "dnssec-invalid")
		})
	}
	h := newHouse(t)
	h.names.set("A "+host, addrs)
	p, _ := h.open(t)
	policy, err := p.Host(t.Context(), route, route.Hosts[0])
	require.NoError(t, err)
	require.Equal(t, "sts", policy.Type, "no TLSA records: MTA-STS has its say")
}

// TestReport tells of policies and enforces none.
func TestReport(t *testing.T) {
	h := newHouse(t)
	h.names.publishes(enforced, "1")
	p, _ := h.open(t, func(p *tlspolicy.Policies) { p.Report = true })
	found := p.Domain(t.Context(), enforced)
	require.NotNil(t, found)
	require.True(t, found.Testing)
	require.Empty(t, found.Key)
	policy, err := p.Host(t.Context(), &delivery.Route{STS: found}, delivery.Host{Name: "mx.elsewhere.test"})
	require.NoError(t, err)
	require.False(t, policy.Enforced())
	require.ErrorContains(t, policy.Verify(nil), "validation-failure")
}

// TestDamagedPolicies passes over files that are no policies, and says so.
func TestDamagedPolicies(t *testing.T) {
	const good = `{"domain":"%s","id":"1","fetched":"%s","policy":{"mode":"enforce","mx":["mx.old.test"],"max_age":%d}}`
	week := int64(7 * 24 * time.Hour)
	for name, text := range map[string]string{
		"empty":          "",
		"half":           fmt.Sprintf(good, enforced, t0.UTC().Format(time.RFC3339), week)[:60],
		"another domain": fmt.Sprintf(good, "other.test", t0.UTC().Format(time.RFC3339), week),
		"of tomorrow":    fmt.Sprintf(good, enforced, t0.Add(24*time.Hour).UTC().Format(time.RFC3339), week),
		"too long":       fmt.Sprintf(good, enforced, t0.UTC().Format(time.RFC3339), 60*week),
		"no mode":        `{"domain":"` + enforced + `","id":"1","fetched":"` + t0.UTC().Format(time.RFC3339) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.names.publishes(enforced, "1")
			require.NoError(t, os.MkdirAll(h.dir, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(h.dir, enforced+".sts"), []byte(text), 0o600))
			p, _ := h.open(t)
			found := p.Domain(t.Context(), enforced)
			require.NotNil(t, found)
			require.Equal(t, []string{"mx." + enforced}, found.Patterns, "it was fetched anew")
			require.Contains(t, h.log.String(), enforced)
		})
	}
}

// TestSwept removes policies that are over at the start, and nothing else.
func TestSwept(t *testing.T) {
	h := newHouse(t)
	h.names.publishes(enforced, "1")
	p, stop := h.open(t)
	require.NotNil(t, p.Domain(t.Context(), enforced))
	stop()
	kept := filepath.Join(h.dir, enforced+".sts")
	require.FileExists(t, kept)
	other := filepath.Join(h.dir, "note")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	h.clock.advance(6 * 24 * time.Hour)
	h.open(t)
	require.FileExists(t, kept)
	h.clock.advance(2 * 24 * time.Hour)
	h.open(t)
	require.NoFileExists(t, kept)
	require.FileExists(t, other)
}

// TestHostileDomains keeps the files of domains in the directory.
func TestHostileDomains(t *testing.T) {
	h := newHouse(t)
	p, _ := h.open(t)
	for _, domain := range []string{"../../etc/passwd", "a/b", ".hidden", "", strings.Repeat("a.", 130), "a\x00b"} {
		h.names.publishes(domain, "1")
		require.NotPanics(t, func() { p.Domain(t.Context(), domain) })
	}
	entries, err := os.ReadDir(h.dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func BenchmarkDomain(b *testing.B) {
	p := &tlspolicy.Policies{Resolver: new(names), Logger: slog.New(slog.DiscardHandler)}
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	p.Domain(b.Context(), "example.org")
	b.ReportAllocs()
	for b.Loop() {
		p.Domain(b.Context(), "example.org")
	}
}

// TestKnown tells of each domain what holds, how connections turned out today, and what went wrong last; after a
// restart at once what the disk has.
func TestKnown(t *testing.T) {
	h := newHouse(t)
	h.names.publishes(enforced, "1")
	h.names.publishes("sts-testing.unsigned.test", "2")
	h.names.publishes("sts-down.unsigned.test", "3")
	h.names.publishes("sts-none.unsigned.test", "4")
	p, stop := h.open(t)
	for _, domain := range []string{enforced, "sts-testing.unsigned.test", "sts-down.unsigned.test",
		"sts-none.unsigned.test", "none.test"} {
		p.Domain(t.Context(), domain)
	}
	connect := func(domain, host string, v *delivery.TLSViolation) {
		t.Helper()
		route := &delivery.Route{Domain: domain, STS: p.Domain(t.Context(), domain)}
		policy, err := p.Host(t.Context(), route, delivery.Host{Name: host})
		if v != nil && v.Type == "refused" {
			require.Error(t, err)
			policy.Tell(delivery.TLSSession{})
			return
		}
		require.NoError(t, err)
		policy.Tell(delivery.TLSSession{Violation: v})
	}
	connect(enforced, "mx."+enforced, nil)
	connect(enforced, "mx."+enforced, &delivery.TLSViolation{Type: "certificate-expired", Reason: strings.Repeat("<b>", 1<<16)})
	connect(enforced, "mx.elsewhere.test", &delivery.TLSViolation{Type: "refused"})
	connect("none.test", "mx.none.test", nil)
	told := func() (all []string) {
		for _, k := range p.Known() {
			failure := ""
			if k.Failure != nil {
				failure = k.Failure.Type
				require.Less(t, len(k.Failure.Reason), 400)
				require.False(t, k.FailedAt.IsZero())
			}
			all = append(all, fmt.Sprintf("%s: %s %s %v id=%s %s %d/%d", k.Domain, k.Policy, k.Mode, k.MX, k.ID, failure,
				k.Good, k.Failed))
			if k.ID != "" && k.Mode != "none" {
				require.Equal(t, 7*24*time.Hour, k.Expires.Sub(k.Fetched))
			}
		}
		return all
	}
	rest := []string{
		"sts-none.unsigned.test: none none [] id=4  0/0",
		"sts-testing.unsigned.test: sts testing [mx.sts-testing.unsigned.test] id=2  0/0",
	}
	require.Equal(t, append([]string{
		"none.test: none  [] id=  1/0",
		"sts-down.unsigned.test: none  [] id= sts-policy-fetch-error 0/0",
		"sts-enforce.unsigned.test: sts enforce [mx.sts-enforce.unsigned.test] id=1 validation-failure 1/2",
	}, rest...), told())
	h.clock.advance(25 * time.Hour)
	require.Contains(t, told(), "sts-enforce.unsigned.test: sts enforce [mx.sts-enforce.unsigned.test] id=1 validation-failure 0/0", "another day")
	stop()

	p, _ = h.open(t)
	var now []string
	eventually(t, "the disk was read", func() bool { now = told(); return len(now) == 2 })
	require.Equal(t, []string{"sts-enforce.unsigned.test: sts enforce [mx.sts-enforce.unsigned.test] id=1  0/0", rest[1]}, now)
	h.clock.advance(7 * 24 * time.Hour)
	require.Equal(t, "sts-enforce.unsigned.test: none  [] id=  0/0", told()[0], "its max_age is over")
}

// TestLongPolicies has a policy of many long patterns count for many domains.
func TestLongPolicies(t *testing.T) {
	h := newHouse(t)
	const long = "sts-long.unsigned.test"
	h.names.publishes(long, "1")
	for limit, kept := range map[int]bool{100: true, 40: false} {
		p, _ := h.open(t, func(p *tlspolicy.Policies) { p.MaxDomains, p.Directory = limit, "" })
		require.Len(t, p.Domain(t.Context(), long).Patterns, 100)
		for i := range 30 {
			p.Domain(t.Context(), fmt.Sprintf("d%d.test", i))
		}
		all := p.Known()
		require.Equal(t, kept, slices.ContainsFunc(all, func(k tlspolicy.Known) bool { return k.Domain == long }), limit)
		require.GreaterOrEqual(t, len(all), 30)
	}
}

// TestKnownDANE tells the hosts whose TLSA records were obeyed.
func TestKnownDANE(t *testing.T) {
	h := newHouse(t)
	const host = "mx.signed.test"
	h.names.set("A "+host, &resolver.Result[netip.Addr]{Name: host, Authentic: true, Records: []netip.Addr{netip.MustParseAddr("192.0.2.1")}})
	h.names.set("TLSA _25._tcp."+host, &resolver.Result[resolver.TLSA]{Name: host, Authentic: true,
		Records: []resolver.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: make([]byte, 32)}}})
	p, _ := h.open(t)
	route := &delivery.Route{Domain: "signed.test", Secure: true}
	p.Domain(t.Context(), route.Domain)
	for range 3 {
		policy, err := p.Host(t.Context(), route, delivery.Host{Name: host})
		require.NoError(t, err)
		policy.Tell(delivery.TLSSession{})
	}
	k := p.Known()[0]
	require.Equal(t, "dane", k.Policy)
	require.Equal(t, "enforce", k.Mode)
	require.Equal(t, []string{host}, k.MX)
	require.EqualValues(t, 3, k.Good)
	h.names.set("A "+host, resolver.ServFail)
	policy, err := p.Host(t.Context(), route, delivery.Host{Name: host})
	require.Error(t, err)
	require.Zero(t, p.Known()[0].Failed, "only asked")
	policy.Tell(delivery.TLSSession{})
	k = p.Known()[0]
	require.Equal(t, "dnssec-invalid", k.Failure.Type)
	require.EqualValues(t, 1, k.Failed)
}

// BenchmarkHost decides on a connection to a host of a domain with an enforced MTA-STS policy.
func BenchmarkHost(b *testing.B) {
	p := &tlspolicy.Policies{Resolver: new(names), Logger: slog.New(slog.DiscardHandler)}
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	route := &delivery.Route{Domain: "example.org", STS: &delivery.STSPolicy{Domain: "example.org", Patterns: []string{"*.example.org"}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Host(b.Context(), route, delivery.Host{Name: "mx.example.org"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKnown(b *testing.B) {
	p := &tlspolicy.Policies{Resolver: new(names), Logger: slog.New(slog.DiscardHandler), MaxDomains: 100_000}
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for i := range 100_000 {
		p.Domain(b.Context(), fmt.Sprintf("domain%06d.example", i))
	}
	for b.Loop() {
		p.Known()
	}
}
