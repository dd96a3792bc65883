package doctor

import (
	"strings"

	"github.com/sluicemail/sluice/checks/dmarc"
	"github.com/sluicemail/sluice/internal/addr"
)

// checkDMARC looks for the policy of each sending domain: at the domain, or at its organisation's.
func checkDMARC(r *round) {
	each(r.Domains, func(domain string) {
		for _, name := range withOrganisation(domain) {
			texts, err := r.Resolver.LookupTXT(r.ctx, "_dmarc."+name)
			if err != nil && !r.missing("_dmarc."+name, err) {
				return
			}
			if r.judgePolicy(name, texts) {
				return
			}
		}
		r.fail("no-dmarc", domain, "there is no DMARC policy for the domain",
			`publish a TXT record at _dmarc.`+domain+`: "v=DMARC1; p=none; rua=mailto:…"`)
	})
}

// withOrganisation returns a domain, and that of its organisation when it is another.
func withOrganisation(domain string) []string {
	if organisation := dmarc.Registered(domain); organisation != "" && organisation != domain {
		return []string{domain, organisation}
	}
	return []string{domain}
}

// judgePolicy looks at the texts of a name; false: there is no policy among them.
func (r *round) judgePolicy(domain string, texts []string) bool {
	var policies []string
	for _, text := range texts {
		if strings.HasPrefix(strings.ReplaceAll(text, " ", ""), "v=DMARC1") {
			policies = append(policies, text)
		}
	}
	where := "_dmarc." + domain
	switch len(policies) {
	case 0:
		return false
	case 1:
	default:
		r.fail("dmarc-several", where, "there are several policies: none of them counts", "leave one TXT record")
		return true
	}
	record, ok := dmarc.ParseRecord(policies[0])
	if !ok {
		r.fail("dmarc-broken", where, "the policy makes no sense: "+quoted(policies[0]),
			`mend the TXT record: "v=DMARC1; p=none; rua=mailto:…"`)
		return true
	}
	for _, report := range record.Reports {
		r.checkReports(domain, report)
	}
	return true
}

// checkReports looks whether reports may go to another organisation (RFC 9990 §4).
func (r *round) checkReports(domain, report string) {
	address, isMail := strings.CutPrefix(strings.ToLower(report), "mailto:")
	address, _, _ = strings.Cut(address, "!") // a limit on their size
	to := addr.Domain(address)
	if !isMail || to == "" || dmarc.Registered(to) == dmarc.Registered(domain) {
		return
	}
	name := domain + "._report._dmarc." + to
	texts, err := r.Resolver.LookupTXT(r.ctx, name)
	if err != nil && !r.missing(name, err) {
		return
	}
	for _, text := range texts {
		if strings.HasPrefix(strings.ReplaceAll(text, " ", ""), "v=DMARC1") {
			return
		}
	}
	r.warn("dmarc-reports-refused", "_dmarc."+domain,
		"reports are to go to "+address+", and "+to+" does not say that it takes them",
		`have who runs `+to+` publish a TXT record at `+name+`: "v=DMARC1"`)
}
