package live

import (
	"slices"

	"github.com/sluicemail/sluice/console/frame"
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

const maxChoices = 50

func (c *Live) filterBar(v *frame.Visit) (bar any, query string) {
	b := &filterBar{Of: filterOf(v.R.URL.Query())}
	b.MTAs = c.LocalAddresses()
	if b.Of.MTA != "" && !slices.Contains(b.MTAs, b.Of.MTA) {
		b.MTAs = append(b.MTAs, b.Of.MTA)
	}
	b.Domains = busiest(c.rows("domains"))
	b.Tags = busiest(c.rows("tags"))
	b.Pill = c.pill(b.Of)
	return b, b.Of.Query()
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
