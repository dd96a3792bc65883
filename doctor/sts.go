package doctor

import (
	"errors"
	"strings"

	"github.com/sluicemail/sluice/delivery/tlspolicy"
)

// checkSTS fetches the MTA-STS policy of each domain that receives mail and has one, and holds its MX hosts against it.
func checkSTS(r *round) {
	each(r.Receives, func(domain string) {
		policy, err := tlspolicy.Fetch(r.ctx, r.Resolver, domain, r.dialHost, r.Roots)
		switch {
		case errors.Is(err, tlspolicy.ErrNoPolicy):
			return
		case err != nil:
			r.fail("sts-policy", domain, "others find the record of an MTA-STS policy, and not the policy: "+err.Error(),
				"serve it at https://mta-sts."+domain+"/.well-known/mta-sts.txt with a valid certificate, or take the record away")
			return
		}
		hosts, ok := r.hosts(domain)
		if !ok {
			return
		}
		for _, host := range hosts {
			if !policy.Allows(host) {
				r.fail("sts-mx", domain, "the MTA-STS policy ("+policy.Mode+") does not name the MX host "+host+", only "+
					strings.Join(policy.MX, ", "), "add mx: "+host+" to the policy, and change the id of its record")
			}
		}
	})
}
