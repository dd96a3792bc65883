package mx

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
)

// Resolver is what a Finder asks of the DNS; *resolver.Resolver is one. Errors are *resolver.Error.
type Resolver interface {
	MX(ctx context.Context, domain string) (*resolver.Result[resolver.MX], error)
	Addrs(ctx context.Context, network, host string) (*resolver.Result[netip.Addr], error)
}

// Finder finds routes. The zero Finder asks the servers of resolv.conf and delivers to hosts with public addresses. Its
// fields are not to be changed once it is in use; its methods are safe for concurrent use.
type Finder struct {
	// Resolver asks the DNS. Nil: a resolver with zero options, made at first use.
	Resolver Resolver
	// AllowPrivate lets MX hosts have private, loopback and link-local addresses.
	AllowPrivate bool
	// Network is "ip4" or "ip6" to use one family of addresses only. Empty: those that the machine has.
	Network string
	// OwnAddrs are addresses at which this MTA takes mail on port 25, and OwnNames its host names: mail must not go in
	// circles through them. Nil: no check.
	OwnAddrs []netip.Addr
	OwnNames []string
	// Overrides returns the addresses that the settings give a host (lower case) instead of those of the DNS, nil for
	// none. Such addresses may be private. Nil: no overrides.
	Overrides func(host string) []netip.Addr
	// Sink takes all mail. Zero: none.
	Sink Relay
	// Routes returns the routes in force: one pointer load. Nil, or a nil result: no routes. Call Forget when they
	// change.
	Routes func() *Routes
	// Smarthost takes all mail that no route concerns. Zero: none.
	Smarthost Relay
	// Policy returns the MTA-STS policy of a domain, nil for none. It is asked beside the DNS, and may wait until ctx
	// ends. Nil: there are none.
	Policy func(ctx context.Context, domain string) *delivery.STSPolicy
	// FailTTL is for how long a temporary failure is remembered. Zero: ten seconds.
	FailTTL time.Duration
	// MaxDomains bounds the domains remembered. Zero: 50,000.
	MaxDomains int

	once     sync.Once
	started  error // from making a resolver
	resolver Resolver
	own      *resolver.Resolver // the one made here, for Close
	networks string             // "ip", "ip4", "ip6"
	domains  domainCache
	sites    siteBook
	sink     pinned
}

const (
	defaultFailTTL    = 10 * time.Second
	defaultMaxDomains = 50000
	// relayTTL is how long a route that no DNS record limits is remembered.
	relayTTL = time.Hour
	// policyTTL is after how long a domain's policy is asked for again, where the DNS lets the route stand for longer.
	policyTTL = time.Hour
)

var (
	_ delivery.Router   = (*Finder)(nil)
	_ delivery.Diverter = (*Finder)(nil)
)

func (f *Finder) init() {
	f.once.Do(func() {
		f.resolver = f.Resolver
		if f.resolver == nil {
			f.own, f.started = resolver.New(resolver.Options{})
			f.resolver = f.own
		}
		if f.networks = f.Network; f.networks == "" {
			f.networks = machineNetworks()
		}
		maxDomains := f.MaxDomains
		if maxDomains <= 0 {
			maxDomains = defaultMaxDomains
		}
		f.domains.init(maxDomains)
		f.sites.init(maxDomains)
	})
}

// Start does at once what is otherwise done at first use, and looks up the sink's host name, if it has one: its
// addresses are kept from then on.
func (f *Finder) Start(ctx context.Context) error {
	f.init()
	if f.started != nil {
		return f.started
	}
	if !f.Sink.off() {
		_, err := f.Addresses(ctx, f.Sink.host())
		return err
	}
	return nil
}

// Close ends what the Finder started itself.
func (f *Finder) Close() error {
	f.init()
	if f.own != nil {
		return f.own.Close()
	}
	return nil
}

// Forget drops all routes, so that changed settings take effect. Sites keep their names.
func (f *Finder) Forget() {
	f.init()
	f.domains.clear(&f.sites)
}

// Size returns how many domains and sites are remembered.
func (f *Finder) Size() (domains, sites int) {
	f.init()
	return f.domains.length(), f.sites.length()
}

// Cached returns what is known about a domain; see delivery.Router. It costs about a hundred nanoseconds.
func (f *Finder) Cached(domain string) (route *delivery.Route, err error, ok bool) {
	f.init()
	now := time.Now()
	if e := f.domains.get(domain, now); e != nil {
		return e.route, e.failure(), true
	}
	// Relays need nobody's answer.
	name, valid := normalDomain(domain)
	if !valid {
		return nil, nil, false
	}
	if name != domain {
		if e := f.domains.get(name, now); e != nil {
			return e.route, e.failure(), true
		}
	}
	if route = f.relayed(name); route != nil {
		return f.keep(name, route, nil, now.Add(relayTTL)), nil, true
	}
	return nil, nil, false
}

// Route finds the hosts for a domain, from memory or by asking; see delivery.Router.
func (f *Finder) Route(ctx context.Context, domain string) (*delivery.Route, error) {
	if route, err, ok := f.Cached(domain); ok {
		return route, err
	}
	name, ok := normalDomain(domain)
	if !ok {
		return nil, badDomain(domain)
	}
	if f.started != nil {
		return nil, temporary(name, "the DNS cannot be asked", f.started)
	}
	if strings.HasPrefix(name, "[") {
		addr, ok := parseLiteral(name)
		if !ok {
			return nil, badDomain(domain)
		}
		route := &delivery.Route{Site: name, Hosts: []delivery.Host{{Name: addr.String()}}}
		return f.keep(name, route, nil, time.Now().Add(relayTTL)), nil
	}
	policy := f.policy(ctx, name)
	found, err := f.lookup(ctx, name)
	if err != nil {
		if err.cacheable {
			f.keep(name, nil, err.RouteError, f.failUntil(err))
		}
		return nil, err.RouteError
	}
	if found.route.STS = policy(); f.Policy != nil {
		found.expires = earlier(found.expires, time.Now().Add(policyTTL))
	}
	return f.keep(name, found.route, nil, found.expires), nil
}

// policy begins to ask for the policy of a domain, and returns what waits for the answer.
func (f *Finder) policy(ctx context.Context, domain string) func() *delivery.STSPolicy {
	if f.Policy == nil {
		return func() *delivery.STSPolicy { return nil }
	}
	answer := make(chan *delivery.STSPolicy, 1)
	go func() { answer <- f.Policy(ctx, domain) }()
	return func() *delivery.STSPolicy { return <-answer }
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// relayed returns the route of a domain that a sink, a route or the smarthost takes; nil: it goes by MX.
func (f *Finder) relayed(domain string) *delivery.Route {
	if !f.Sink.off() {
		if !f.Smarthost.off() {
			domain = f.Smarthost.site()
		}
		return &delivery.Route{Site: domain, Hosts: []delivery.Host{f.Sink.host()}, Relay: true,
			Credentials: f.Sink.Credentials}
	}
	if f.Routes != nil {
		if relay, ok := f.Routes().Find(domain); ok {
			if relay.off() {
				return nil
			}
			return relay.route()
		}
	}
	if !f.Smarthost.off() {
		return f.Smarthost.route()
	}
	return nil
}

// Divert has mail that names its own smarthost go to the sink all the same, where there is one; see delivery.Diverter.
func (f *Finder) Divert(route *delivery.Route) {
	if !f.Sink.off() {
		route.Hosts, route.Credentials = []delivery.Host{f.Sink.host()}, f.Sink.Credentials
	}
}

// keep remembers what was found and returns the route as it is remembered.
func (f *Finder) keep(domain string, route *delivery.Route, failure *delivery.RouteError,
	expires time.Time) *delivery.Route {
	e := &domainEntry{route: route, err: failure, expires: expires.UnixNano()}
	if route != nil && f.Sink.off() {
		var before *site
		if old := f.domains.peek(domain); old != nil {
			before = old.site
		}
		e.site = f.sites.assign(route.Site, route, before)
	}
	f.domains.put(domain, e, &f.sites)
	return route
}

func (f *Finder) failUntil(err *failure) time.Time {
	ttl := f.FailTTL
	if ttl <= 0 {
		ttl = defaultFailTTL
	}
	soon := time.Now().Add(ttl)
	if err.Permanent && err.expires.After(soon) {
		return err.expires
	}
	return soon
}

// normalDomain brings a domain into the form in which it is looked up: lower case, A-labels, no trailing dot. Literals
// keep their brackets.
func normalDomain(domain string) (string, bool) {
	domain = strings.TrimSuffix(domain, ".")
	if domain == "" || len(domain) > 1024 {
		return "", false
	}
	plain := true
	for i := range len(domain) {
		c := domain[i]
		switch {
		case c >= 0x80 || 'A' <= c && c <= 'Z':
			plain = false
		case c <= ' ' || c == 0x7f || c == '\\' || c == '@':
			return "", false
		}
	}
	if plain {
		return domain, len(domain) <= 253
	}
	name, err := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)).ToASCII(domain)
	if domain[0] == '[' {
		name, err = strings.ToLower(domain), nil
	}
	return name, err == nil && len(name) <= 253
}

// parseLiteral reads a domain literal in lower case (RFC 5321 §4.1.3).
func parseLiteral(domain string) (netip.Addr, bool) {
	text, ok := strings.CutSuffix(strings.TrimPrefix(domain, "["), "]")
	if !ok {
		return netip.Addr{}, false
	}
	six, isSix := strings.CutPrefix(text, "ipv6:")
	addr, err := netip.ParseAddr(six)
	if err != nil || addr.Zone() != "" || addr.Is6() != isSix {
		return netip.Addr{}, false
	}
	return addr, true
}
