package tlspolicy

import (
	"context"
	"crypto/tls"
	"errors"
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
	// renewEvery is how often policies are looked at that no mail asks for.
	renewEvery = 10 * time.Minute
	// sweepEvery is how often the disk is cleared of policies that are over.
	sweepEvery = 24 * time.Hour
)

// knowledge is what is known of a domain. Its fields change under the lock of Policies.
type knowledge struct {
	record *record             // nil: there is no policy
	public *delivery.STSPolicy // of record; nil: nothing that concerns routes
	due    time.Time           // when to ask again
	asking chan struct{}       // closed when who asks has done; nil: nobody asks

	failure  *delivery.TLSViolation // why a policy that was announced could not be had
	sessions sessions
}

// holds returns the policy that is in force.
func (k *knowledge) holds(now time.Time) *delivery.STSPolicy {
	if k.record == nil || !now.Before(k.record.until()) {
		return nil
	}
	return k.public
}

// weight is 1, and more by 1 for each KiB of the policy: nobody fills the memory with long ones.
func (k *knowledge) weight() int64 {
	bytes := 0
	if k.record != nil {
		for _, pattern := range k.record.Policy.Patterns {
			bytes += len(pattern)
		}
	}
	return 1 + int64(bytes>>10)
}

// isUnknown reports whether nothing says yet what the domain publishes, or what did is over.
func (k *knowledge) isUnknown(now time.Time) bool {
	if k.record == nil {
		return k.due.IsZero()
	}
	return !now.Before(k.record.until())
}

// isDue reports whether the domain is to be asked again. A clock that jumped back must not put that off.
func (k *knowledge) isDue(now time.Time) bool {
	return !now.Before(k.due) || k.due.Sub(now) > recheck
}

// describe makes of a policy what routes have to know.
func (p *Policies) describe(r *record) *delivery.STSPolicy {
	if r.Policy.Mode == modeNone {
		return nil
	}
	public := &delivery.STSPolicy{Domain: r.Domain, Testing: p.Report || r.Policy.Mode == modeTesting,
		Patterns: r.Policy.Patterns, Lines: r.Policy.lines()}
	if !public.Testing {
		public.Key = r.Policy.key()
	}
	return public
}

// answer is what came of asking for a domain's policy.
type answer struct {
	record  *record                // nil: there is no policy
	due     time.Time              // when to ask again
	failure *delivery.TLSViolation // why there is none though one was announced
}

// ask finds out what a domain publishes now. before is what was known so far; a policy that cannot be had leaves that
// in force.
func (p *Policies) ask(ctx context.Context, domain string, before *record) answer {
	at := p.now()
	found, err := p.Resolver.TXT(ctx, "_mta-sts."+domain)
	if err != nil {
		if !resolver.IsNotFound(err) {
			return answer{record: before, due: at.Add(again)}
		}
		return answer{record: before, due: at.Add(recheck)}
	}
	due := at.Add(recheck)
	if found.Expires.After(at) && found.Expires.Before(due) {
		due = found.Expires
	}
	id := parseRecord(found.Records)
	if id == "" || before != nil && before.ID == id && before.fresh(at) {
		return answer{record: before, due: due}
	}
	text, err := p.fetcher.policy(ctx, domain)
	if err != nil {
		p.logger().Info("MTA-STS policy cannot be had", "domain", domain, "id", id, "error", err, "kept", before != nil)
		return answer{record: before, due: at.Add(again), failure: unfetched(err)}
	}
	now := &record{Domain: domain, ID: id, Fetched: at, Policy: *text}
	if err := p.shelf.write(now); err != nil {
		p.logger().Warn("MTA-STS policy cannot be kept on disk", "domain", domain, "error", err)
	}
	return answer{record: now, due: due}
}

// unfetched names why the text of a policy could not be had (RFC 8460 §4.3.2.2).
func unfetched(err error) *delivery.TLSViolation {
	kind := "sts-policy-fetch-error"
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		kind = "sts-webpki-invalid"
	} else if _, ok := errors.AsType[*syntaxError](err); ok {
		kind = "sts-policy-invalid"
	}
	return violation(kind, err.Error())
}

// missing returns why a domain has no policy that it announced; nil: it announced none, or is not known.
func (p *Policies) missing(domain string) *delivery.TLSViolation {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k, ok := p.domains.Peek(domain, p.now()); ok {
		return k.failure
	}
	return nil
}
