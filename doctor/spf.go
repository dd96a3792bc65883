package doctor

import (
	"net/netip"
	"strings"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/spf"
)

// strangers are addresses of nobody (RFC 5737, RFC 3849), which no honest policy lets send.
var strangers = []netip.Addr{netip.MustParseAddr("203.0.113.77"), netip.MustParseAddr("2001:db8:dead:beef::77")}

// checkSPF evaluates the policy of each sending domain for each sending address, as receivers do.
func checkSPF(r *round) {
	each(r.Domains, func(domain string) {
		var refused []string
		for _, s := range r.Sources {
			switch verdict, reason := r.evaluate(domain, s.IP); verdict {
			case checks.Pass:
			case checks.None:
				r.fail("no-spf", domain, "the domain publishes no SPF record", "publish a TXT record at "+domain+": "+r.policy())
				return
			case checks.PermError:
				r.fail("spf-broken", domain, "the SPF record makes no sense: "+reason, "mend the TXT record at "+domain)
				return
			case checks.TempError:
				r.note("no-answer", domain, "SPF: "+reason, "try again later")
				return
			default:
				refused = append(refused, s.IP.String()+" ("+string(verdict)+")")
			}
		}
		if refused != nil {
			r.fail("spf-misses", domain, "SPF does not let these addresses send: "+strings.Join(refused, ", "),
				"add them to the TXT record at "+domain+", as in "+r.policy())
		}
		r.checkStrangers(domain)
	})
}

func (r *round) evaluate(domain string, ip netip.Addr) (checks.Verdict, string) {
	results, _ := (&spf.Checker{Resolver: r.Resolver}).Check(r.ctx,
		&checks.Mail{Client: ip, Hostname: domain, Envelope: "postmaster@" + domain})
	return results[0].Verdict, results[0].Reason
}

// checkStrangers looks whether the policy lets everybody send.
func (r *round) checkStrangers(domain string) {
	for _, ip := range strangers {
		if verdict, _ := r.evaluate(domain, ip); verdict == checks.Pass {
			r.warn("spf-all", domain, "SPF lets everybody send, as "+ip.String()+", which is nobody's",
				`end the TXT record at `+domain+` with "-all" or "~all", and name networks that are yours only`)
			return
		}
	}
}

// policy is a record with the sending addresses.
func (r *round) policy() string {
	record := "v=spf1"
	for _, s := range r.Sources {
		kind := " ip6:"
		if s.IP.Unmap().Is4() {
			kind = " ip4:"
		}
		record += kind + s.IP.Unmap().String()
	}
	return record + " -all"
}
