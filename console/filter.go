package console

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/monitor"
)

// filterBar is what figures are about, and whether delivery of that is paused.
type filterBar struct {
	Of      filter
	MTAs    []string // addresses to choose from
	Domains []string // some to choose from
	Tags    []string
	Pill    pill
}

// filter is a monitor.Filter as people write it.
type filter struct {
	MTA, Domain, Tag string
}

func (f filter) any() bool { return f != filter{} }

// Query is the filter as it stands in addresses, with its question mark; "" when it selects all.
func (f filter) Query() string {
	q := f.values()
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (f filter) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"mta": f.MTA, "domain": f.Domain, "tag": f.Tag} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// String says what is selected: "mail to gmail.com from 192.0.2.1 with tag “x”".
func (f filter) String() string {
	if !f.any() {
		return "all mail"
	}
	text := "mail"
	if f.Domain != "" {
		text += " to " + f.Domain
	}
	if f.MTA != "" {
		text += " from " + f.MTA
	}
	if f.Tag != "" {
		text += " with tag “" + f.Tag + "”"
	}
	return text
}

// filterOf reads a filter. An address that is none is left out.
func filterOf(q url.Values) filter {
	f := filter{Domain: addr.Fold(strings.TrimSpace(human.Cut(q.Get("domain"), 255))),
		Tag: strings.TrimSpace(human.Cut(q.Get("tag"), 255))}
	if mta, err := netip.ParseAddr(strings.TrimSpace(q.Get("mta"))); err == nil {
		f.MTA = mta.Unmap().String()
	}
	return f
}

func (f filter) monitor() monitor.Filter {
	mta, _ := netip.ParseAddr(f.MTA)
	return monitor.Filter{MTA: mta, Domain: f.Domain, Tag: f.Tag}
}

const maxChoices = 50

func (c *Console) filterBar(v *frame.Visit) (bar any, query string) {
	b := &filterBar{Of: filterOf(v.R.URL.Query())}
	b.MTAs = c.localAddresses()
	if b.Of.MTA != "" && !slices.Contains(b.MTAs, b.Of.MTA) {
		b.MTAs = append(b.MTAs, b.Of.MTA)
	}
	b.Domains = busiest(c.rows(domainRows))
	b.Tags = busiest(c.rows(tagRows))
	b.Pill = c.pill(b.Of)
	return b, b.Of.Query()
}

// localAddresses are those that mail left from in the last minute, and those that the settings know.
func (c *Console) localAddresses() []string {
	var all []string
	for _, row := range c.rows(mtaRows) {
		if row.Name != "" {
			all = append(all, row.Name)
		}
	}
	for _, row := range c.settings().Rows.IPs {
		all = append(all, row.IP)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), 500)]
}

// busiest returns names to choose from.
func busiest(rows []monitor.Row) []string {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b monitor.Row) int { return int(b.Sum.Processed - a.Sum.Processed) })
	var names []string
	for _, row := range rows {
		if row.Name != "" && len(names) < maxChoices {
			names = append(names, row.Name)
		}
	}
	slices.Sort(names)
	return names
}

// troubles are what every page says about the server.
func (c *Console) troubles() []string {
	var all []string
	if c.Settings != nil {
		if state := c.Settings.State(); state.Err != nil {
			all = append(all, "The settings database cannot be reached since "+human.Clock(state.Since)+
				". Mail goes on with the settings in force; they cannot be changed until it is back.")
		}
	}
	if c.Admin != nil && c.Admin.Stopped() {
		all = append(all,
			stoppedWhy+" Mail is still taken in, and waits. Resume it there, or with the switch on top of the overview.")
	}
	return all
}

// active reports whether a rule with an end is in force here.
func (c *Console) active(enabled bool, expire string, cluster bool, instance int64) bool {
	if !enabled || c.Admin != nil && !cluster && instance != 0 && instance != c.Admin.Instance {
		return false
	}
	end, err := settings.ParseTime(expire)
	return err != nil || end.IsZero() || end.After(c.now())
}
