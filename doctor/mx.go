package doctor

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/checks/dmarc"
)

// checkMX asks where mail for the domains goes.
func checkMX(r *round) {
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.Domains, r.Receives))))
	each(all, func(domain string) {
		r.checkZone(domain)
		hosts, ok := r.hosts(domain)
		if !ok {
			return
		}
		var reached []netip.Addr
		for _, host := range hosts {
			addresses, err := r.Resolver.LookupNetIP(r.ctx, "ip", host)
			if r.missing(host, err) {
				r.fail("mx-no-address", domain, "its MX host "+host+" has no address", "publish an A or AAAA record of "+host)
			}
			reached = append(reached, addresses...)
		}
		if slices.Contains(r.Receives, domain) && len(reached) > 0 && !slices.ContainsFunc(reached, r.own) {
			r.warn("mx-elsewhere", domain, "its mail is to come here, and its MX hosts are others: "+strings.Join(hosts, ", "),
				"publish an MX record of "+domain+" that names "+r.Hostname+", or take the domain out of the local addresses")
		}
	})
}

// own reports whether an address is one of ours, as others see it.
func (r *round) own(ip netip.Addr) bool {
	return slices.ContainsFunc(r.Sources, func(s Source) bool { return s.IP.Unmap() == ip.Unmap() })
}

// hosts returns the MX hosts of a domain, or the domain itself where it has but an address; false: there are none, or
// nobody knows.
func (r *round) hosts(domain string) (hosts []string, ok bool) {
	mxs, err := r.Resolver.LookupMX(r.ctx, domain)
	switch {
	case r.missing(domain, err):
		_, err := r.Resolver.LookupNetIP(r.ctx, "ip", domain)
		if r.missing(domain, err) {
			r.fail("no-mx", domain, "the domain has neither an MX record nor an address: bounces and replies go nowhere",
				"publish an MX record")
		}
		return []string{domain}, err == nil
	case err != nil:
		return nil, false
	}
	hosts = names(mxs)
	if slices.Contains(hosts, "") {
		r.fail("mx-null", domain, "the domain says that it takes no mail (null MX): bounces and replies go nowhere",
			"publish an MX record with a host")
		return nil, false
	}
	return hosts, true
}

func names(mxs []*net.MX) []string {
	var hosts []string
	for _, mx := range mxs {
		hosts = append(hosts, strings.ToLower(strings.TrimSuffix(mx.Host, ".")))
	}
	return hosts
}

// checkZone asks for the SOA record of the organisation's domain, as Yahoo does of senders.
func (r *round) checkZone(domain string) {
	organisation := domain
	if registered := dmarc.Registered(domain); registered != "" {
		organisation = registered
	}
	if _, err := r.Resolver.LookupSOA(r.ctx, organisation); r.missing(organisation, err) {
		r.fail("no-soa", domain, organisation+" has no SOA record", "have the zone served: delegation and name servers must agree")
	}
}
