package tlspolicy

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/mx"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/delivery/tlsreport"
	"github.com/sluicemail/sluice/internal/lru"
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
	// Count hears of each connection how it was secured, and of those that could not be made because of a policy. It is
	// called by many goroutines. Nil: nobody counts.
	Count func(domain, host string, p tlsreport.Policy, s delivery.TLSSession)
	// Overridden reports whether the settings give a host its address: such hosts have no policy. Nil: none has.
	Overridden func(host string) bool
	// Report has violations told in results, and mail go as if there were no policy.
	Report bool
	// AllowPrivate lets policy hosts have private addresses.
	AllowPrivate bool
	// Dial connects to policy hosts. Nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxDomains bounds the domains of which something is remembered; one with a long policy counts for several. Zero:
	// 50,000.
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
		dial = mx.DialPublic(p.Resolver, p.AllowPrivate)
	}
	p.fetcher = newFetcher(dial, p.Roots, p.Now)
	p.running.Go(p.renew)
	if p.Directory == "" {
		return nil
	}
	if err := os.MkdirAll(p.Directory, 0o700); err != nil {
		return fmt.Errorf("directory of MTA-STS policies: %w", err)
	}
	p.shelf = shelf(p.Directory)
	kept, err := p.shelf.sweep(p.now())
	p.running.Go(func() { p.preload(kept) })
	return err
}

// preload remembers what the disk has, before mail asks for it: so [Policies.Known] tells after a restart what holds.
func (p *Policies) preload(domains []string) {
	for _, domain := range domains[:min(int64(len(domains)), p.domains.Limit)] {
		if p.ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		p.remember(domain, p.now())
		p.mu.Unlock()
	}
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
// known so far, or what was known is over.
func (p *Policies) know(domain string) (k *knowledge, asking <-chan struct{}) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	k = p.remember(domain, now)
	if k.asking == nil && k.isDue(now) && p.ctx.Err() == nil {
		p.begin(domain, k)
	}
	if k.isUnknown(now) {
		asking = k.asking
	}
	return k, asking
}

// remember returns what memory, else the disk, has of a domain. p.mu is held, but not while the disk is read: all
// domains share it.
func (p *Policies) remember(domain string, now time.Time) *knowledge {
	k, known := p.domains.Get(domain, now)
	if !known {
		p.mu.Unlock()
		kept := p.kept(domain, now)
		p.mu.Lock()
		if k, known = p.domains.Get(domain, now); !known { // nobody was quicker
			k = kept
			p.domains.Put(domain, k, k.weight(), time.Time{})
		}
	}
	return k
}

// begin has a domain asked. p.mu is held.
func (p *Policies) begin(domain string, k *knowledge) {
	k.asking = make(chan struct{})
	before := k.record
	p.running.Go(func() { p.refresh(domain, k, before) })
}

// kept returns what the disk has of a domain.
func (p *Policies) kept(domain string, now time.Time) *knowledge {
	kept, err := p.shelf.read(domain, now)
	switch {
	case err != nil:
		p.logger().Warn("MTA-STS policy on disk is passed over", "domain", domain, "error", err)
	case kept != nil:
		return &knowledge{record: kept, public: p.describe(kept)}
	}
	return &knowledge{}
}

// renew fetches policies anew before they run out, though no mail asks for them: who waits for a domain without mail to
// keep its policy from being fetched must not gain by that (RFC 8461 §10.2). Once a day it clears the disk.
func (p *Policies) renew() {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	swept := p.now()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
		p.renewDue()
		if now := p.now(); now.Sub(swept).Abs() >= sweepEvery {
			swept = now
			if _, err := p.shelf.sweep(now); err != nil {
				p.logger().Warn("MTA-STS policies that are over cannot be removed from disk", "error", err)
			}
		}
	}
}

// renewDue has domains asked, one at a time, whose policies are in force and old.
func (p *Policies) renewDue() {
	p.mu.Lock()
	domains := p.domains.Keys()
	p.mu.Unlock()
	for _, domain := range domains {
		now, asking := p.now(), (<-chan struct{})(nil)
		p.mu.Lock()
		k, known := p.domains.Peek(domain, now)
		if known && k.asking == nil && k.isDue(now) && k.record != nil && now.Before(k.record.until()) &&
			!k.record.fresh(now) && p.ctx.Err() == nil {
			p.begin(domain, k)
			asking = k.asking
		}
		p.mu.Unlock()
		if asking != nil {
			<-asking
		}
	}
}

// refresh asks, and notes what came of it.
func (p *Policies) refresh(domain string, k *knowledge, before *record) {
	a := p.ask(p.ctx, domain, before)
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.record != before {
		k.record, k.public = a.record, p.describe(a.record)
		p.domains.Put(domain, k, k.weight(), time.Time{})
	}
	k.due, k.failure = a.due, a.failure
	if a.failure != nil {
		k.sessions.fail(a.failure, p.now())
	}
	close(k.asking)
	k.asking = nil
}
