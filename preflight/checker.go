package preflight

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dkim"
	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/checks/spf"
	"github.com/sluicemail/sluice/internal/reverse"
)

// Resolver looks names up, as receivers of the mail would. Errors are *net.DNSError.
type Resolver interface {
	checks.Resolver
	// LookupSOA returns the primary name server of a zone.
	LookupSOA(ctx context.Context, zone string) (primary string, err error)
}

// Checker looks at a mail with all that the DNS says of it. It is safe for concurrent use; its fields must not change
// then.
type Checker struct {
	Resolver Resolver         // nil: what needs the DNS is left out
	Now      func() time.Time // nil: time.Now
}

func (c *Checker) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// Check returns what receivers would find wrong with a mail, none of it twice. What the DNS did not answer while ctx
// lasts is a finding of its own.
func (c *Checker) Check(ctx context.Context, m *Mail) []Finding {
	v := look(m, c.now())
	if c.Resolver == nil {
		return v.found
	}
	q := &questions{checker: c, view: v, ctx: ctx}
	q.askAll()
	slices.SortStableFunc(q.found, func(a, b Finding) int { return cmp.Compare(rank(a.ID), rank(b.ID)) })
	return append(v.found, q.found...)
}

// rank is the place of a rule in the table.
func rank(id string) int {
	return slices.IndexFunc(rules[:], func(r Rule) bool { return r.ID == id })
}

// questions are what is asked about one mail, all at once.
type questions struct {
	checker *Checker
	view    *view
	ctx     context.Context

	mu    sync.Mutex
	found []Finding
}

func (q *questions) add(r rule, found string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if f := r.finding(found); !slices.ContainsFunc(q.found, func(have Finding) bool {
		return have.ID == f.ID && have.Found == f.Found
	}) {
		q.found = append(q.found, f)
	}
}

func (q *questions) noAnswer(about string, err error) {
	q.add(noAnswer, "the DNS did not answer about "+about+": "+err.Error())
}

func (q *questions) askAll() {
	m := q.view.mail
	var running sync.WaitGroup
	running.Go(q.authenticate)
	if m.Source.IsValid() {
		running.Go(func() { q.askSource(m.Source) })
	}
	for i, domain := range q.domains() {
		running.Go(func() { q.askZone(domain) })
		if i == 0 {
			running.Go(func() { q.askReachable(fromUnreachable, domain) })
		} else {
			running.Go(func() { q.askReachable(envelopeUnreachable, domain) })
		}
	}
	running.Wait()
}

// domains returns the domain of From, and that of the envelope when it is another; "" where there is none is left out
// only at the end.
func (q *questions) domains() []string {
	author, envelope := "", q.view.mail.sender()
	if len(q.view.author) > 0 {
		author = q.view.author[0]
	}
	if q.view.mail.Envelope == "" || envelope == author {
		return []string{author}
	}
	return []string{author, envelope}
}

// askZone asks for the SOA record of the organisation's domain, as Yahoo does.
func (q *questions) askZone(domain string) {
	organisation := cmp.Or(dmarc.Registered(domain), domain)
	if organisation == "" {
		return
	}
	_, err := q.checker.Resolver.LookupSOA(q.ctx, organisation)
	switch {
	case err == nil:
	case reverse.NotFound(err):
		q.add(noZone, organisation+" has no SOA record")
	default:
		q.noAnswer(organisation, err)
	}
}

// askReachable asks whether mail can come back to a domain.
func (q *questions) askReachable(r rule, domain string) {
	if domain == "" {
		return
	}
	mxs, err := q.checker.Resolver.LookupMX(q.ctx, domain)
	switch {
	case len(mxs) == 1 && strings.TrimSuffix(mxs[0].Host, ".") == "":
		q.add(r, domain+" says that it takes no mail (null MX)")
		return
	case err == nil:
		return
	case !reverse.NotFound(err):
		q.noAnswer(domain, err)
		return
	}
	_, err = q.checker.Resolver.LookupNetIP(q.ctx, "ip", domain)
	switch {
	case err == nil:
	case reverse.NotFound(err):
		q.add(r, domain+" has neither MX nor address")
	default:
		q.noAnswer(domain, err)
	}
}

// askSource asks what the sending address is called.
func (q *questions) askSource(source netip.Addr) {
	naming, err := reverse.LookUp(q.ctx, q.checker.Resolver, source)
	switch {
	case err != nil:
		q.noAnswer(source.String(), err)
	case len(naming.Names) == 0:
		q.add(noPTR, source.String()+" has no PTR record")
	case !naming.Back:
		q.add(otherPTR, source.String()+" is called "+naming.Names[0]+", which leads elsewhere")
	}
}

// authenticate runs SPF, DKIM and DMARC as receivers do.
func (q *questions) authenticate() {
	m := q.view.mail
	mail := &checks.Mail{Client: m.Source, Hostname: m.Hostname, Envelope: m.Envelope, Header: m.Text[:q.view.header],
		Body: bytes.NewReader(m.Text)}
	if m.Source.IsValid() {
		results, _ := (&spf.Checker{Resolver: q.checker.Resolver}).Check(q.ctx, mail)
		mail.Earlier = append(mail.Earlier, results...)
		q.judgeSPF(results)
	}
	whole := m.size() == int64(len(m.Text))
	if whole && q.view.signed > 0 {
		results, err := (&dkim.Checker{Resolver: q.checker.Resolver, Now: q.checker.Now}).Check(q.ctx, mail)
		if err != nil {
			q.noAnswer("the signatures", err)
			return
		}
		mail.Earlier = append(mail.Earlier, results...)
		for i := range results {
			q.judgeDKIM(&results[i])
		}
	}
	if len(q.view.author) == 0 {
		return
	}
	results, _ := (&dmarc.Checker{Resolver: q.checker.Resolver}).Check(q.ctx, mail)
	q.judgeDMARC(results[0], whole && len(mail.Earlier) > 0)
}

func (q *questions) judgeSPF(results []checks.Result) {
	for _, r := range results {
		domain := cmp.Or(q.view.mail.sender(), "the envelope")
		switch r.Verdict {
		case checks.Pass:
		case checks.TempError:
			q.add(noAnswer, "SPF of "+domain+": "+r.Reason)
		case checks.None:
			q.add(spfFails, domain+" publishes no SPF record")
		default:
			text := fmt.Sprintf("SPF says %s for %s and %s", r.Verdict, domain, q.view.mail.Source)
			if r.Reason != "" {
				text += ": " + r.Reason
			}
			q.add(spfFails, text)
		}
	}
}

// judgeDKIM tells of a signature that does not hold, unless [Look] told already why, and of its key.
func (q *questions) judgeDKIM(r *checks.Result) {
	var of struct {
		Domain, Selector, Algorithm string
		Bits                        int
	}
	_ = json.Unmarshal(r.JSON, &of)
	key := of.Selector + "._domainkey." + of.Domain
	rsa := strings.HasPrefix(of.Algorithm, "rsa-")
	switch {
	case rsa && of.Bits > 0 && of.Bits < 1024:
		q.add(shortKey, fmt.Sprintf("%s has %d bits", key, of.Bits))
		return
	case rsa && of.Bits > 0 && of.Bits < 2048:
		q.add(keyOf1024, fmt.Sprintf("%s has %d bits", key, of.Bits))
	}
	switch {
	case r.Verdict == checks.Pass || !q.view.stands(of.Domain, of.Selector):
	case r.Verdict == checks.TempError:
		q.add(noAnswer, "the key "+key+": "+r.Reason)
	default:
		q.add(signatureFails, "the signature with "+key+": "+r.Reason)
	}
}

// judgeDMARC tells of DMARC. When not all was looked at that may vouch for the mail, it says nothing of a failure.
func (q *questions) judgeDMARC(r checks.Result, whole bool) {
	author := q.view.author[0]
	told := slices.ContainsFunc(q.view.found, func(f Finding) bool { return f.ID == rules[notAligned].ID })
	whole = whole && (q.view.mail.Source.IsValid() || !aligned(q.view.mail.sender(), author))
	switch r.Verdict {
	case checks.None:
		q.add(noDMARC, author+" publishes no DMARC policy")
	case checks.Fail:
		if whole && !told {
			q.add(dmarcFails, "DMARC fails for "+author+": "+r.Reason)
		}
	case checks.TempError:
		if whole {
			q.add(noAnswer, "DMARC of "+author+": "+r.Reason)
		}
	}
}
