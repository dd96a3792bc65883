package dmarc

import (
	"cmp"
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
)

// Resolver looks names up. net.Resolver is one; errors are *net.DNSError, whose IsNotFound tells "none" from "could not
// ask".
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
}

// Checker is the check "dmarc". Its zero value works. It is safe for concurrent use; its fields must not change then.
type Checker struct {
	Resolver     Resolver // nil: net.DefaultResolver
	TreeWalkOnly bool     // do not let the public suffix list align domains where the tree walk does not
}

var _ checks.Later = (*Checker)(nil)

// Name returns "dmarc".
func (c *Checker) Name() string { return "dmarc" }

// After names the checks that DMARC builds upon.
func (c *Checker) After() []string { return []string{"spf", "dkim"} }

// Check judges From's domain by the policy of its owner. It always returns one result, whose Detail is a checks.DMARC.
func (c *Checker) Check(ctx context.Context, mail *checks.Mail) ([]checks.Result, error) {
	malformed, domains, problem := from(mail.Header)
	if problem != nil {
		return []checks.Result{render(*problem)}, nil
	}
	e := newEvaluation(c, mail.Earlier)
	var total outcome
	for i, domain := range domains {
		o := e.judge(ctx, domain)
		if malformed != "" {
			o = refuse(o, malformed)
		}
		if i == 0 || worse(o, total) {
			total = o
		}
	}
	return []checks.Result{render(total)}, nil
}

// from returns the domains of From, and what is malformed about it, or why there is nothing to judge.
func from(header []byte) (malformed string, domains []string, problem *outcome) {
	fields := 0
	s := mailheader.NewScanner(header)
	usable := true
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if !f.Is("from") {
			continue
		}
		fields++
		found, nobody := FromDomains(string(f.Value()))
		usable = usable && (nobody || len(found) > 0)
		for _, domain := range found {
			domains = appendNew(domains, domain)
		}
		if len(domains) > maxDomains { // the domains that people see are the first
			return "From has more than " + strconv.Itoa(maxDomains) + " domains", domains[:maxDomains], nil
		}
	}
	switch {
	case fields == 0:
		problem = &outcome{verdict: checks.PermError, reason: "there is no From"}
	case !usable:
		problem = &outcome{verdict: checks.PermError, reason: "From has no usable domain"}
	case len(domains) == 0:
		problem = &outcome{verdict: checks.None, reason: "From names nobody"}
	}
	if fields > 1 {
		malformed = strconv.Itoa(fields) + " From fields"
	}
	return malformed, domains, problem
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// outcome is what was found out about one domain of From.
type outcome struct {
	verdict     checks.Verdict
	from        string
	reason      string
	site        site   // of the policy; its record is nil when there is none
	policy      Policy // that applies
	disposition Policy
}

// refuse makes of an outcome one of a mail whose From is malformed: it never passes, and gets what the policy has for
// failures, lest it be the way around it.
func refuse(o outcome, malformed string) outcome {
	o.verdict = checks.PermError
	o.reason = malformed
	o.disposition = o.effective()
	return o
}

// effective returns the policy as it is to be applied.
func (o outcome) effective() Policy {
	if o.site.record != nil && o.site.record.Testing {
		return o.policy.milder()
	}
	return o.policy
}

// worse reports whether one outcome counts more than another: a failure more than what could not be found out, that
// more than no policy, that more than a pass; and among failures the one with the stricter disposition.
func worse(a, b outcome) bool {
	rank := func(v checks.Verdict) int {
		switch v {
		case checks.PermError:
			return 4
		case checks.Fail:
			return 3
		case checks.TempError:
			return 2
		case checks.None:
			return 1
		}
		return 0
	}
	if ra, rb := rank(a.verdict), rank(b.verdict); ra != rb {
		return ra > rb
	}
	return a.disposition.level() > b.disposition.level()
}

// domainOf returns the domain of an address, or of a name that has no @, folded.
func domainOf(address string) string {
	address = strings.TrimSuffix(address, ".")
	return cmp.Or(addr.Domain(address), addr.Fold(address))
}
