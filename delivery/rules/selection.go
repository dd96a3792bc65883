package rules

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/pattern"
)

// selector is a compiled selection. The zero selector matches everything.
type selector struct {
	source netip.Addr // zero: all
	target netip.Addr // zero: all
	pool   string     // lower case; "": all
	domain string     // exact, folded; "": all, or glob
	glob   *pattern.Pattern
	globOf string // the text of glob
	tag    string // "": all
}

// columns are a selection as it is written.
type columns struct{ localIP, pool, domain, ip, tag string }

// query is what selectors are matched with, beside a domain. The domain stays outside: patterns may keep it for a
// while, and all that a query refers to would have to be allocated with it.
type query struct {
	sources []netip.Addr // any of them may match
	pools   []string     // in lower case; any of them may match
	tags    []string
	target  netip.Addr
	text    []byte // canonical reply, see canonical; for keys only
}

// selects reports whether a selector matches. domain is folded.
func (s *selector) selects(q *query, domain string) bool {
	return (s.domain == "" || s.domain == domain) &&
		(s.tag == "" || slices.Contains(q.tags, s.tag)) &&
		(!s.source.IsValid() || slices.Contains(q.sources, s.source)) &&
		(s.pool == "" || slices.Contains(q.pools, s.pool)) &&
		(!s.target.IsValid() || s.target == q.target) &&
		(s.glob == nil || domain != "" && s.glob.Match(domain))
}

// selection identifies what a selector matches.
type selection struct {
	source, target            netip.Addr
	pool, domain, globOf, tag string
}

func (s *selector) selection() selection {
	return selection{s.source, s.target, s.pool, s.domain, s.globOf, s.tag}
}

// every reports whether a column matches all.
func every(s string) bool { return s == "" || s == "*" }

// clean returns an address as selections have it.
func clean(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// compileSelector reads a selection; an error names the column. members are the pools; nil: they are not checked.
func compileSelector(c columns, pools *pools) (s selector, err error) {
	if s.source, err = parseIP("localip", c.localIP); err != nil {
		return s, err
	}
	if s.target, err = parseIP("ip", c.ip); err != nil {
		return s, err
	}
	if pool := strings.TrimSpace(c.pool); !every(pool) {
		s.pool = strings.ToLower(pool)
	}
	if !every(c.tag) {
		s.tag = c.tag
	}
	if err := s.setDomain("domain", c.domain); err != nil {
		return s, err
	}
	return s, s.checkPool(pools)
}

// checkPool finds fault with a pool that can match nothing.
func (s *selector) checkPool(pools *pools) error {
	if s.pool == "" || pools == nil {
		return nil
	}
	if !pools.has(s.pool) {
		return wrong("pool", " %q: expected the name of a pool", s.pool)
	}
	if s.source.IsValid() && pools.of(s.source) != s.pool {
		return wrong("localip", " %s is not in pool %q: expected one that is, since both have to match", s.source, s.pool)
	}
	return nil
}

// parseIP reads an address of a column; what matches all is the zero Addr.
func parseIP(column, text string) (netip.Addr, error) {
	text = strings.TrimSpace(text)
	if every(text) {
		return netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, wrong(column, " %q: expected an IP address, or nothing for all", text)
	}
	return clean(ip), nil
}

// needIP reads an address of a column that has to have one.
func needIP(column, text string) (netip.Addr, error) {
	ip, err := parseIP(column, text)
	if err != nil || !ip.IsValid() {
		return ip, wrong(column, " %q: expected an IP address", text)
	}
	return ip, nil
}

// setDomain reads a domain, exact or with wildcards.
func (s *selector) setDomain(column, text string) (err error) {
	text = strings.TrimSuffix(strings.TrimSpace(text), ".")
	if every(text) {
		return nil
	}
	if !strings.ContainsAny(text, `*?[\`) || strings.HasPrefix(text, "[") && addr.ValidDomain(text, addr.Loose) {
		if !addr.ValidDomain(text, addr.Loose|addr.UTF8) {
			return wrong(column, " %q: expected a domain, wildcards allowed, or nothing for all", text)
		}
		s.domain = addr.Fold(text)
		return nil
	}
	if strings.ContainsAny(text, "@ \t") {
		return wrong(column, " %q: expected a domain, wildcards allowed, or nothing for all", text)
	}
	s.globOf = foldWild(text)
	if s.glob, err = pattern.Compile(pattern.Wildcard, s.globOf, true); err != nil {
		return at(column, err)
	}
	if strings.Trim(s.globOf, "*") == "" {
		s.glob, s.globOf = nil, ""
	}
	return nil
}

// foldWild puts the labels of a domain with wildcards into the form in which domains are compared. A label with a
// wildcard has no A-label.
func foldWild(text string) string {
	labels := strings.Split(text, ".")
	for i, l := range labels {
		if strings.ContainsAny(l, `*?[]\`) {
			labels[i] = strings.ToLower(l)
		} else {
			labels[i] = addr.Fold(l)
		}
	}
	return strings.Join(labels, ".")
}

// pools knows the pools and their members.
type pools struct {
	addresses map[string][]netip.Addr // by name in lower case
	pool      map[netip.Addr]string
	row       map[netip.Addr]int64 // that said so
}

func (p *pools) has(name string) bool {
	_, ok := p.addresses[name]
	return ok
}

func (p *pools) of(source netip.Addr) string { return p.pool[source] }

func (p *pools) addPool(r Pool) error {
	name := strings.ToLower(strings.TrimSpace(r.Name))
	switch {
	case name == "" || name == "*":
		return wrong("name", " %q: expected the name of a pool", r.Name)
	case p.has(name):
		return wrong("name", " %q: there is a pool of this name already", r.Name)
	}
	p.addresses[name] = nil
	return nil
}

func (p *pools) addIP(r PoolIP) error {
	ip, err := needIP("ip", r.IP)
	if err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSpace(r.Pool))
	if !p.has(name) {
		return wrong("pool", " %q: expected the name of a pool", r.Pool)
	}
	switch other, taken := p.pool[ip]; {
	case taken && other == name:
		return wrong("ip", " %s: it is in pool %q already, by row %d", ip, other, p.row[ip])
	case taken:
		return wrong("ip", " %s: it is in pool %q, by row %d; expected an address that is in no other pool", ip, other,
			p.row[ip])
	}
	p.addresses[name] = append(p.addresses[name], ip)
	p.pool[ip], p.row[ip] = name, r.ID
	return nil
}
