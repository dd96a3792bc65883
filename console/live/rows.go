package live

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/console/frame"
	"github.com/sluicemail/sluice/monitor"
)

// listingsOf returns what happened in the last minute for each domain, local address, tag and class, by the names of
// their tables. They are kept for a second, so that many browsers with many orders share the work.
func (c *Live) listingsOf(f *frame.Frame) map[string]*frame.Latest[[]monitor.Row] {
	all := map[string]*frame.Latest[[]monitor.Row]{}
	for kind, list := range map[string]func() []monitor.Row{"domains": c.Figures.Domains, "mtas": c.addresses,
		"tags": c.Figures.Tags, "classes": c.Figures.Classes} {
		all[kind] = frame.NewLatest(f, time.Second, 0, func(context.Context) ([]monitor.Row, error) { return list(), nil })
	}
	return all
}

// addresses are the rows of local addresses, with the messages that wait for each: figures do not know of these, as a
// message gets its address after it was read from the outbox.
func (c *Live) addresses() []monitor.Row {
	rows := c.Figures.MTAs()
	now, _ := c.heldBack()
	for i := range rows {
		if !rows[i].Other {
			rows[i].Now.InMemory = now.from[rows[i].Name].waiting
		}
	}
	for _, address := range slices.Sorted(maps.Keys(now.from)) {
		at, known := slices.BinarySearchFunc(rows, address, func(r monitor.Row, name string) int {
			if r.Other {
				return 1
			}
			return strings.Compare(r.Name, name)
		})
		if waiting := now.from[address].waiting; !known && waiting > 0 {
			rows = slices.Insert(rows, at, monitor.Row{Name: address, Now: monitor.Gauges{InMemory: waiting}})
		}
	}
	return rows
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
