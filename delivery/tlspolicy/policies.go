package tlspolicy

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/internal/lru"
	"github.com/sluicemail/sluice/queue"
)

// Resolver is what Policies ask of the DNS; *resolver.Resolver is one. Errors are *resolver.Error, and what they return
// is Authentic only when it was validated.
type Resolver interface {
	TXT(ctx context.Context, name string) (*resolver.Result[string], error)
	Addrs(ctx context.Context, network, host string) (*resolver.Result[netip.Addr], error)
	CNAME(ctx context.Context, name string) (*resolver.Result[string], error)
	TLSA(ctx context.Context, name string) (*resolver.Result[resolver.TLSA], error)
}

// Policies finds out how connections have to be secured. Its fields are not to be changed once it is in use; its
// methods are safe for concurrent use.
type Policies struct {
	Resolver Resolver
	// Directory keeps the policies of domains over restarts; it is made. Empty: nothing is kept.
	Directory string
	// Roots are what certificates must lead to, of policy hosts and of MX hosts under MTA-STS. Nil: those of the
	// system.
	Roots *x509.CertPool
	// Overridden reports whether the settings give a host its address: such hosts have no policy. Nil: none has.
	Overridden func(host string) bool
	// Report has violations told in results, and mail go as if there were no policy.
	Report bool
	// AllowPrivate lets policy hosts have private addresses.
	AllowPrivate bool
	// Dial connects to policy hosts. Nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxDomains bounds the domains of which something is remembered. Zero: 50,000.
	MaxDomains int
	Logger     *slog.Logger     // nil: slog.Default
	Now        func() time.Time // nil: time.Now

	fetcher *fetcher
	shelf   shelf
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	domains lru.Cache[string, *knowledge]
}

var _ delivery.TLSPolicies = (*Policies)(nil)

// Start makes the directory and clears it of policies that are over. It is called before anything else.
func (p *Policies) Start() error {
	p.domains.Limit = 50000
	if p.MaxDomains > 0 {
		p.domains.Limit = int64(p.MaxDomains)
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	dial := p.Dial
	if dial == nil {
		dial = dialPublic(p.Resolver, p.AllowPrivate)
	}
	p.fetcher = newFetcher(dial, p.Roots, p.Now)
	if p.Directory == "" {
		return nil
	}
	if err := os.MkdirAll(p.Directory, 0o700); err != nil {
		return fmt.Errorf("directory of MTA-STS policies: %w", err)
	}
	p.shelf = shelf(p.Directory)
	return p.shelf.sweep(p.now())
}

// Close ends what asks beside, and waits for it.
func (p *Policies) Close() error {
	p.cancel()
	p.running.Wait()
	return nil
}

func (p *Policies) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *Policies) logger() *slog.Logger {
	if p.Logger != nil {
		return p.Logger
	}
	return slog.Default()
}

// Domain returns the MTA-STS policy of a domain (lower case, A-labels, no trailing dot), and nil when it has none that
// asks for something. It waits when nothing is known of the domain, until that was asked or ctx ends.
func (p *Policies) Domain(ctx context.Context, domain string) *delivery.STSPolicy {
	k, asking := p.know(domain)
	if asking != nil {
		select {
		case <-asking:
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return k.holds(p.now())
}

// know returns what is known of a domain, and has it asked for where that is due. asking is not nil when nothing is
// known so far.
func (p *Policies) know(domain string) (k *knowledge, asking <-chan struct{}) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	k, known := p.domains.Get(domain, now)
	if !known {
		k = &knowledge{}
		if kept, err := p.shelf.read(domain, now); err != nil {
			p.logger().Warn("MTA-STS policy on disk is passed over", "domain", domain, "error", err)
		} else if kept != nil {
			k.record, k.public = kept, p.describe(kept)
		}
		p.domains.Put(domain, k, 1, time.Time{})
	}
	if k.asking == nil && !now.Before(k.due) && p.ctx.Err() == nil {
		k.asking = make(chan struct{})
		before := k.record
		p.running.Go(func() { p.refresh(domain, k, before) })
	}
	if k.due.IsZero() && k.record == nil {
		asking = k.asking
	}
	return k, asking
}

// refresh asks, and notes what came of it.
func (p *Policies) refresh(domain string, k *knowledge, before *record) {
	record, due := p.ask(p.ctx, domain, before)
	p.mu.Lock()
	defer p.mu.Unlock()
	if record != before {
		k.record, k.public = record, p.describe(record)
	}
	k.due = due
	close(k.asking)
	k.asking = nil
}

// Host says how a connection to a host of a route has to be secured; see delivery.TLSPolicies.
func (p *Policies) Host(ctx context.Context, route *delivery.Route, host delivery.Host) (delivery.TLSPolicy, error) {
	if route.Relay || host.Local != "" || p.Overridden != nil && p.Overridden(host.Name) {
		return delivery.TLSPolicy{}, nil
	}
	if route.Secure {
		base, records, err := p.tlsa(ctx, host)
		switch {
		case err != nil && p.Report:
			v := undecided(host, err)
			return delivery.TLSPolicy{Type: "dane", Testing: true, Verify: func([]*x509.Certificate) error { return v }}, nil
		case err != nil:
			return delivery.TLSPolicy{}, refusal("dane", undecided(host, err))
		case len(records) > 0:
			return p.dane(host, base, records), nil
		}
	}
	if route.STS == nil {
		return delivery.TLSPolicy{}, nil
	}
	return p.sts(route.STS, host)
}

// tlsa returns the TLSA records of a host, and the name under which they stand without its first two labels
// (RFC 7672 §2.2.3). None: there is nothing that could be trusted.
func (p *Policies) tlsa(ctx context.Context, host delivery.Host) (base string, records []resolver.TLSA, err error) {
	if _, err := netip.ParseAddr(host.Name); err == nil {
		return "", nil, nil
	}
	addrs, err := p.Resolver.Addrs(ctx, "ip", host.Name)
	if err != nil {
		return "", nil, err
	}
	var bases []string
	if addrs.Authentic {
		bases = append(bases, addrs.Name)
	}
	if addrs.Name != host.Name { // an alias, whose own records count where those of its target cannot be trusted
		alias, err := p.Resolver.CNAME(ctx, host.Name)
		if err != nil {
			return "", nil, err
		}
		if alias.Authentic {
			bases = append(bases, host.Name)
		}
	}
	port := host.Port
	if port == 0 {
		port = 25
	}
	for _, base := range bases {
		found, err := p.Resolver.TLSA(ctx, "_"+strconv.Itoa(port)+"._tcp."+base)
		switch {
		case err == nil && found.Authentic:
			return base, found.Records, nil
		case err != nil && !resolver.IsNotFound(err):
			return "", nil, err
		}
	}
	return "", nil, nil
}

// undecided is what is wrong with a host of which the DNS gives no answer that can be trusted: going on without would
// be what an attacker wants (RFC 7672 §2.1.2).
func undecided(host delivery.Host, err error) *delivery.TLSViolation {
	return violation("dnssec-invalid", "whether "+host.Name+" has TLSA records cannot be found out: "+err.Error())
}

// refusal has mail wait where a policy says that a host must not get it.
func refusal(policy string, v *delivery.TLSViolation) error {
	return &delivery.Failure{Temporary: true, Cause: v, Result: queue.Result{State: queue.StateDNS, Result: queue.Error,
		Code: 451, Status: "4.7.5", Description: v.Error(),
		TLSPolicy: &queue.TLSPolicy{Type: policy, Mode: "enforce", Failure: v.Type, Reason: v.Reason}}}
}

func (p *Policies) dane(host delivery.Host, base string,
	records []resolver.TLSA) delivery.TLSPolicy {
	policy := delivery.TLSPolicy{Type: "dane", Testing: p.Report, ServerName: base}
	if records = usable(records); len(records) > 0 {
		names := []string{base, host.Name}
		policy.Verify = func(chain []*x509.Certificate) error { return verifyDANE(records, names, chain, p.now()) }
	}
	return policy
}

// sts is what a domain's policy means for one of its hosts.
func (p *Policies) sts(domain *delivery.STSPolicy, host delivery.Host) (delivery.TLSPolicy, error) {
	policy := delivery.TLSPolicy{Type: "sts", Testing: domain.Testing}
	if allows(domain.Patterns, host.Name) {
		policy.Verify = func(chain []*x509.Certificate) error {
			return verifyChain(chain, p.Roots, []string{host.Name}, p.now())
		}
		return policy, nil
	}
	stranger := violation("validation-failure", host.Name+" is none of the hosts in the MTA-STS policy of "+domain.Domain)
	if domain.Testing {
		policy.Verify = func([]*x509.Certificate) error { return stranger }
		return policy, nil
	}
	return delivery.TLSPolicy{}, refusal("sts", stranger)
}
