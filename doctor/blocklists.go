package doctor

import (
	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dnsbl"
)

// checkBlockLists asks block lists about the sending addresses.
func checkBlockLists(r *round) {
	var zones []dnsbl.Zone
	for _, text := range r.BlockLists {
		if z, err := dnsbl.ParseZone(text); err == nil {
			zones = append(zones, z)
		}
	}
	checker := &dnsbl.Checker{Zones: zones, Resolver: r.Resolver, Texts: true}
	each(r.Sources, func(s Source) {
		results, _ := checker.CheckConnect(r.ctx, s.IP)
		for _, result := range results {
			listing, listed := result.Detail.(dnsbl.Listing)
			switch {
			case listed:
				r.fail("listed", s.IP.String(), listing.Zone+" lists the address: "+result.Reason,
					"find out why at the list's web site, mend that, and ask to be taken off; until then send from another address")
			case result.Verdict == checks.TempError:
				r.note("no-answer", s.IP.String(), result.Reason,
					"ask through a resolver of your own: block lists do not answer public ones")
			}
		}
	})
}
