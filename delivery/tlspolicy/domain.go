package tlspolicy

import (
	"context"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/resolver"
)

const (
	// recheck is how long what the DNS said of a domain is good, when it gives no shorter time.
	recheck = time.Hour
	// again is how long a policy that could not be fetched is not asked for again.
	again = 5 * time.Minute
	// renewal is the age at which a policy is fetched anew though its id is the same, so that it does not run out
	// (RFC 8461 §10.2 wants senders to look once a day).
	renewal = 24 * time.Hour
)

// knowledge is what is known of a domain. Its fields change under the lock of Policies.
type knowledge struct {
	record *record             // nil: there is no policy
	public *delivery.STSPolicy // of record; nil: nothing that concerns routes
	due    time.Time           // when to ask again
	asking chan struct{}       // closed when who asks has done; nil: nobody asks
}

// holds returns the policy that is in force.
func (k *knowledge) holds(now time.Time) *delivery.STSPolicy {
	if k.record == nil || !now.Before(k.record.until()) {
		return nil
	}
	return k.public
}

// describe makes of a policy what routes have to know.
func (p *Policies) describe(r *record) *delivery.STSPolicy {
	if r.Policy.Mode == modeNone {
		return nil
	}
	public := &delivery.STSPolicy{Domain: r.Domain, Testing: p.Report || r.Policy.Mode == modeTesting,
		Patterns: r.Policy.Patterns}
	if !public.Testing {
		public.Key = r.Policy.key()
	}
	return public
}

// ask finds out what a domain publishes now. before is what was known so far; a policy that cannot be had leaves that
// in force.
func (p *Policies) ask(ctx context.Context, domain string, before *record) (now *record, due time.Time) {
	at := p.now()
	found, err := p.Resolver.TXT(ctx, "_mta-sts."+domain)
	if err != nil {
		if !resolver.IsNotFound(err) {
			return before, at.Add(again)
		}
		return before, at.Add(recheck)
	}
	due = at.Add(recheck)
	if found.Expires.After(at) && found.Expires.Before(due) {
		due = found.Expires
	}
	id := parseRecord(found.Records)
	if id == "" || before != nil && before.ID == id && at.Sub(before.Fetched) < min(renewal, before.Policy.MaxAge/2) {
		return before, due
	}
	text, err := p.fetcher.policy(ctx, domain)
	if err != nil {
		p.logger().Info("MTA-STS policy cannot be had", "domain", domain, "id", id, "error", err, "kept", before != nil)
		return before, at.Add(again)
	}
	now = &record{Domain: domain, ID: id, Fetched: at, Policy: *text}
	if err := p.shelf.write(now); err != nil {
		p.logger().Warn("MTA-STS policy cannot be kept on disk", "domain", domain, "error", err)
	}
	return now, due
}
