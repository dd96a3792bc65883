package tlspolicy

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/delivery/tlsreport"
	"github.com/sluicemail/sluice/queue"
)

// finding is what applies to a host of a domain.
type finding struct {
	policy  delivery.TLSPolicy
	text    tlsreport.Policy       // what was published
	barred  *delivery.TLSViolation // nothing may go to the host, whatever it shows
	missing *delivery.TLSViolation // why there is no policy though one was announced
}

// Host says how a connection to a host of a route has to be secured; see delivery.TLSPolicies.
func (p *Policies) Host(ctx context.Context, route *delivery.Route, host delivery.Host) (delivery.TLSPolicy, error) {
	if route.Relay || host.Local != "" || p.Overridden != nil && p.Overridden(host.Name) {
		return delivery.TLSPolicy{}, nil
	}
	f := p.find(ctx, route, host)
	if route.Domain != "" {
		f.policy.Tell = func(s delivery.TLSSession) {
			s.Violation = cmp.Or(s.Violation, f.barred, f.missing)
			p.note(route.Domain, host.Name, &f.policy, s.Violation)
			if p.Count != nil {
				p.Count(route.Domain, host.Name, f.text, s)
			}
		}
	}
	switch {
	case f.barred == nil:
		return f.policy, nil
	case f.policy.Testing:
		f.policy.Verify = func([]*x509.Certificate) error { return f.barred }
		return f.policy, nil
	}
	return delivery.TLSPolicy{Tell: f.policy.Tell}, refusal(f.policy.Type, f.barred)
}

// find finds out what applies to a host: DANE, else MTA-STS, else nothing.
func (p *Policies) find(ctx context.Context, route *delivery.Route, host delivery.Host) finding {
	if route.Secure {
		base, records, err := p.tlsa(ctx, host)
		if err != nil {
			return finding{policy: delivery.TLSPolicy{Type: "dane", Testing: p.Report},
				text: tlsreport.Policy{Type: "tlsa"}, barred: undecided(host, err)}
		}
		if len(records) > 0 {
			return p.dane(host, base, records)
		}
	}
	if route.STS != nil {
		return p.sts(route.STS, host)
	}
	if missing := p.missing(route.Domain); missing != nil {
		return finding{text: tlsreport.Policy{Type: "sts"}, missing: missing}
	}
	return finding{text: tlsreport.Policy{Type: "no-policy-found"}}
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
	for _, base := range bases {
		found, err := p.Resolver.TLSA(ctx, "_"+strconv.Itoa(cmp.Or(host.Port, 25))+"._tcp."+base)
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

// dane is what the TLSA records of a host mean. Those that nobody can use mean TLS and no more (§2.1.1).
func (p *Policies) dane(host delivery.Host, base string, records []resolver.TLSA) finding {
	f := finding{policy: delivery.TLSPolicy{Type: "dane", Testing: p.Report, ServerName: base},
		text: tlsreport.Policy{Type: "tlsa"}}
	for _, r := range records {
		f.text.Lines = append(f.text.Lines,
			fmt.Sprintf("%d %d %d %s", r.Usage, r.Selector, r.Matching, hex.EncodeToString(r.Data)))
	}
	if records = usable(records); len(records) > 0 {
		names := []string{base, host.Name}
		f.policy.Verify = func(chain []*x509.Certificate) error { return verifyDANE(records, names, chain, p.now()) }
	}
	return f
}

// sts is what a domain's policy means for one of its hosts.
func (p *Policies) sts(domain *delivery.STSPolicy, host delivery.Host) finding {
	f := finding{policy: delivery.TLSPolicy{Type: "sts", Testing: domain.Testing},
		text: tlsreport.Policy{Type: "sts", Lines: domain.Lines, MX: domain.Patterns}}
	if !allows(domain.Patterns, host.Name) {
		f.barred = violation("validation-failure",
			host.Name+" is none of the hosts in the MTA-STS policy of "+domain.Domain)
		return f
	}
	f.policy.NamesHost = true
	f.policy.Verify = func(chain []*x509.Certificate) error {
		return verifyChain(chain, p.Roots, []string{host.Name}, p.now())
	}
	return f
}
