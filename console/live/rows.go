package live

import (
	"context"
	"slices"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/monitor"
)

// listings are what happened in the last minute for each domain, local address, tag and class, by the names of their
// tables. They are kept for a second, so that many browsers with many orders share the work.
func listings(f *frame.Frame, figures *monitor.Live) map[string]*frame.Latest[[]monitor.Row] {
	all := map[string]*frame.Latest[[]monitor.Row]{}
	for kind, list := range map[string]func() []monitor.Row{"domains": figures.Domains, "mtas": figures.MTAs,
		"tags": figures.Tags, "classes": figures.Classes} {
		all[kind] = frame.NewLatest(f, time.Second, 0, func(context.Context) ([]monitor.Row, error) { return list(), nil })
	}
	return all
}

// rows returns the rows of a table, sorted by name. The rows are shared: do not change them.
func (c *Live) rows(kind string) []monitor.Row {
	rows, _, _ := c.listings[kind].Get()
	return rows
}

// LocalAddresses are addresses that mail left from in the last minute, and addresses that the settings know.
func (c *Live) LocalAddresses() []string {
	var all []string
	for _, row := range c.rows("mtas") {
		if row.Name != "" {
			all = append(all, row.Name)
		}
	}
	for _, row := range c.Settings.Current().Rows.IPs {
		all = append(all, row.IP)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), 500)]
}
