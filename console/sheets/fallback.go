package sheets

import (
	"net/netip"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
)

// fallbacks tell for each limit that a row leaves open what holds instead, and where that comes from: for the mail that
// the row is for.
func (s *sheet) fallbacks(v *visit, d *rowData) map[string]string {
	domain, source := s.sample(v, d)
	paths, err := v.c.Admin.Explain(v.R.Context(), domain, source)
	if err != nil || len(paths) == 0 {
		return nil
	}
	at := &paths[0]
	for i := range paths { // the one that the system's choice of address would take, where none is asked for
		if paths[i].Source == "" && !source.IsValid() {
			at = &paths[i]
		}
	}
	said := map[string]string{}
	for _, limit := range at.Limits {
		if d.Name == "" || limit.Rule != d.Name {
			said[limit.Limit] = "not set: " + shortLimit(limit) + " from " + ruleWords(limit.Rule)
		}
	}
	return said
}

func shortLimit(l admin.LimitValue) string {
	if strings.Contains(l.Limit, "max") && l.Value == 0 {
		return "unlimited"
	}
	if levels := levelWords(l.Limit); levels != nil && l.Value >= 0 && l.Value < int64(len(levels)) {
		return levels[l.Value]
	}
	return human.Count(l.Value)
}

func ruleWords(rule string) string {
	if rule == "configuration" {
		return "the configuration file"
	}
	return "“" + human.Cut(rule, 60) + "”"
}

// sample is a domain and a source address that the row concerns.
func (s *sheet) sample(v *visit, d *rowData) (domain string, source netip.Addr) {
	const anybody = "any.invalid"
	values := d.row
	if s.table == settings.TableCapacity {
		values = nil
		for _, r := range v.c.Settings.Current().Rows.CapacityRules {
			if r.Capacity == d.ID && r.Enabled {
				values = admin.Values{"domain": r.Domain, "localip": r.LocalIP}
				break
			}
		}
	}
	domain = strings.NewReplacer("*", "x", "?", "x").Replace(strings.TrimPrefix(text(values, "domain"), "*."))
	source, _ = netip.ParseAddr(text(values, "localip"))
	if domain == "" || strings.ContainsAny(domain, "[]\\") {
		domain = anybody
	}
	return domain, source
}
