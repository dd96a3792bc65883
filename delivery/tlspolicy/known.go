package tlspolicy

import (
	"cmp"
	"slices"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/human"
)

// Known is what is known of a domain, for people.
type Known struct {
	Domain string
	// Policy is what the last connection went by: "dane", "sts" or "none". Before the first one it is what the domain
	// publishes by itself: "sts" or "none".
	Policy string
	// Mode is "enforce" or "testing"; of an MTA-STS policy that was withdrawn "none"; "": there is no policy.
	Mode string
	// MX are the patterns of the MTA-STS policy; without one, hosts whose TLSA records were obeyed.
	MX      []string
	ID      string    // of the MTA-STS policy; "": there is none
	Fetched time.Time // zero: there is none
	Expires time.Time
	// Failure is the last thing that went wrong with the domain's policy or with a connection, and when. Nil: nothing
	// did since the program began.
	Failure  *delivery.TLSViolation
	FailedAt time.Time
	// Good and Failed count connections of the present day (UTC).
	Good, Failed int64
}

// sessions are how connections to the hosts of a domain turned out.
type sessions struct {
	day          string // of the counts, as in Known
	good, failed int64
	policy, mode string   // of the last connection; "": there was none
	hosts        []string // whose TLSA records were obeyed
	failure      *delivery.TLSViolation
	failedAt     time.Time
}

const (
	maxHosts  = 10  // whose TLSA records are told, of one domain
	maxReason = 300 // bytes of what went wrong: certificates may say anything
)

// add notes a connection to a host.
func (s *sessions) add(host string, policy *delivery.TLSPolicy, v *delivery.TLSViolation, now time.Time) {
	if today := dayOf(now); s.day != today {
		s.day, s.good, s.failed = today, 0, 0
	}
	s.policy, s.mode = cmp.Or(policy.Type, "none"), ""
	switch {
	case policy.Testing:
		s.mode = "testing"
	case policy.Type != "":
		s.mode = "enforce"
	}
	undecided := v != nil && v.Type == "dnssec-invalid"
	if policy.Type == "dane" && !undecided && !slices.Contains(s.hosts, host) && len(s.hosts) < maxHosts {
		s.hosts = append(s.hosts, host)
	}
	if v == nil {
		s.good++
		return
	}
	s.failed++
	s.fail(v, now)
}

// fail notes what went wrong.
func (s *sessions) fail(v *delivery.TLSViolation, now time.Time) {
	s.failure, s.failedAt = violation(v.Type, human.Cut(v.Reason, maxReason)), now
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// note notes a connection to a host of a domain, if the domain is remembered.
func (p *Policies) note(domain, host string, policy *delivery.TLSPolicy, v *delivery.TLSViolation) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if k, ok := p.domains.Peek(domain, now); ok {
		k.sessions.add(host, policy, v, now)
	}
}

// Known returns what is known of all domains that are remembered, in their order. Mail waits for a few of them at most.
func (p *Policies) Known() []Known {
	now := p.now()
	today := dayOf(now)
	p.mu.Lock()
	domains := p.domains.Keys()
	p.mu.Unlock()
	slices.Sort(domains)
	all := make([]Known, 0, len(domains))
	for few := range slices.Chunk(domains, 500) {
		p.mu.Lock()
		for _, domain := range few {
			if k, ok := p.domains.Peek(domain, now); ok {
				all = append(all, k.tell(domain, today, now))
			}
		}
		p.mu.Unlock()
	}
	return all
}

func (k *knowledge) tell(domain, today string, now time.Time) Known {
	s := &k.sessions
	known := Known{Domain: domain, Policy: s.policy, Mode: s.mode, MX: slices.Clone(s.hosts), Failure: s.failure,
		FailedAt: s.failedAt}
	if s.day == today {
		known.Good, known.Failed = s.good, s.failed
	}
	if r := k.record; r != nil && now.Before(r.until()) {
		known.ID, known.Fetched, known.Expires, known.MX = r.ID, r.Fetched, r.until(), r.Policy.Patterns
		switch {
		case r.Policy.Mode == modeNone:
			known.Mode = cmp.Or(known.Mode, string(modeNone))
		case known.Policy == "":
			known.Policy, known.Mode = "sts", k.mode()
		}
	}
	known.Policy = cmp.Or(known.Policy, "none")
	return known
}

// mode is that of the policy in force, as it is obeyed.
func (k *knowledge) mode() string {
	if k.public != nil && k.public.Testing {
		return string(modeTesting)
	}
	return string(modeEnforce)
}
