package dmarc

import (
	"context"
	"strings"

	"github.com/sluicemail/sluice/checks"
)

// identity is a domain that a check vouches for, or might have.
type identity struct {
	check  string // "spf", "dkim"
	domain string // "" when the check does not say
	passed bool   // else: the check had no answer
}

// evaluation judges the domains of one mail.
type evaluation struct {
	walker
	treeOnly   bool
	identities []identity
	checked    bool // SPF or DKIM has a result at all
}

func newEvaluation(c *Checker, earlier []checks.Result) *evaluation {
	e := &evaluation{treeOnly: c.TreeWalkOnly}
	e.resolver, e.records = c.Resolver, make(map[string]answer, 8)
	if r, ok := c.Resolver.(checks.Resolver); ok || c.Resolver == nil {
		e.resolver = checks.Bound(r)
	}
	for _, r := range earlier {
		if r.Check != "spf" && r.Check != "dkim" {
			continue
		}
		e.checked = true
		if r.Verdict != checks.Pass && r.Verdict != checks.TempError {
			continue
		}
		if i := (identity{r.Check, identified(r), r.Verdict == checks.Pass}); i.domain != "" || !i.passed {
			e.identities = append(e.identities, i)
		}
	}
	return e
}

// identified returns the domain that a result of SPF or DKIM is about. SPF's is that of MAIL FROM; that of HELO counts
// when MAIL FROM is empty (RFC 9989 §4.4.2).
func identified(r checks.Result) string {
	name := func(property string) string {
		for _, p := range r.Properties {
			if p.Name == property {
				return domainOf(p.Value)
			}
		}
		return ""
	}
	if r.Check == "dkim" {
		return name("header.d")
	}
	if domain := name("smtp.mailfrom"); domain != "" {
		return domain
	}
	return name("smtp.helo")
}

// judge finds the policy of a domain and whether the mail is aligned with it.
func (e *evaluation) judge(ctx context.Context, from string) outcome {
	o := outcome{from: from, verdict: checks.TempError, disposition: PolicyNone}
	own, err := e.walk(ctx, from)
	if err != nil {
		o.reason = "cannot get the policy: " + err.Error()
		return o
	}
	found, ok := own.policy()
	if !ok {
		o.verdict, o.reason = checks.None, "no policy published"
		return o
	}
	o.site = found
	o.policy = e.applies(ctx, from, found)
	if !e.checked {
		o.reason = "neither SPF nor DKIM was checked"
		return o
	}
	o.verdict, o.reason = e.align(ctx, own, found.record)
	if o.verdict == checks.Fail {
		o.disposition = o.effective()
	}
	return o
}

// applies returns the policy that a record has for a domain: p= for its own, sp= below it, np= for names that do not
// exist (RFC 9989 §4.10.1). When nobody can say whether the name exists, the milder one applies.
func (e *evaluation) applies(ctx context.Context, from string, s site) Policy {
	r := s.record
	if s.domain == from {
		return r.Policy
	}
	policy := r.Policy
	if r.Subdomains != "" {
		policy = r.Subdomains
	}
	if r.NonExistent == "" || r.NonExistent == policy {
		return policy
	}
	exists, err := e.exists(ctx, from)
	switch {
	case err != nil && strictest(policy, r.NonExistent) == policy:
		return r.NonExistent
	case err != nil || exists:
		return policy
	}
	return r.NonExistent
}

// align looks for a domain that passed and is aligned.
func (e *evaluation) align(ctx context.Context, own tree, r *Record) (checks.Verdict, string) {
	var unknown string
	var foreign []string
	for _, i := range e.identities {
		if i.domain == "" {
			unknown = i.check + " had no answer"
			continue
		}
		strict := i.check == "spf" && r.StrictSPF || i.check == "dkim" && r.StrictDKIM
		aligned, err := e.aligned(ctx, own, i.domain, strict)
		switch {
		case err != nil:
			unknown = "cannot find the organisation of " + i.domain + ": " + err.Error()
		case aligned && i.passed:
			return checks.Pass, ""
		case aligned:
			unknown = i.check + " had no answer for " + i.domain
		case i.passed:
			foreign = append(foreign, i.check+" passed for "+i.domain)
		}
	}
	switch {
	case unknown != "":
		return checks.TempError, unknown
	case len(foreign) > 0:
		return checks.Fail, "not aligned: " + strings.Join(foreign[:min(3, len(foreign))], ", ")
	}
	return checks.Fail, "neither spf nor dkim passed"
}

// aligned reports whether a domain is that of From, or when not strict of the same organisation (RFC 9989 §4.10.2).
func (e *evaluation) aligned(ctx context.Context, own tree, domain string, strict bool) (bool, error) {
	if domain == own.start {
		return true, nil
	}
	organisation, name := own.organisation(), Registered(own.start)
	walked := within(domain, organisation)
	listed := !e.treeOnly && !own.decided() && name != "" && name == Registered(domain)
	if strict || !walked && !listed {
		return false, nil // without asking: a strange domain costs no look-up
	}
	other, err := e.walk(ctx, domain)
	if err != nil {
		return false, err
	}
	return other.organisation() == organisation || listed && !other.decided(), nil
}

// within reports whether a domain is another one or below it.
func within(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}
