package live

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/monitor"
)

// hostLine is a remote address of a domain.
type hostLine struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"` // of its host
	Open    int    `json:"open"`           // connections to it now, from all local addresses
	Paused  bool   `json:"paused"`
	Own     bool   `json:"own"` // by a pause of the address alone, which can be ended
	Why     string `json:"why,omitempty"`
}

// maxHosts is how many addresses of a domain are shown.
const maxHosts = 50

// hostsOf lists the addresses that the domain is known to have, and those that connections of its site lead to now.
func (c *Live) hostsOf(ctx context.Context, domain string) []hostLine {
	found := map[netip.Addr]hostLine{}
	if c.Admin != nil && c.Admin.Hosts != nil {
		for _, h := range c.Admin.Hosts(ctx, domain) {
			found[h.Address] = hostLine{Name: h.Name}
		}
	}
	site := domain
	if c.Site != nil {
		site = c.Site(domain)
	}
	for _, s := range c.Figures.Sessions(monitor.SessionFilter{Domain: site, Outgoing: true}, 0) {
		if strings.EqualFold(s.Domain, site) {
			line := found[s.Remote.Addr().Unmap()]
			line.Open++
			found[s.Remote.Addr().Unmap()] = line
		}
	}
	lines := make([]hostLine, 0, len(found))
	for address, line := range found {
		line.Address = address.String()
		if state := c.pill(filter{Domain: line.Address}); state.State == "paused" {
			line.Paused, line.Own, line.Why = true, state.Own, state.Why
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b hostLine) int {
		return cmp.Or(rank(a.Paused)-rank(b.Paused), b.Open-a.Open, strings.Compare(a.Address, b.Address))
	})
	return lines[:min(len(lines), maxHosts)]
}
