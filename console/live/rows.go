package live

import (
	"slices"
	"sync"
	"time"

	"github.com/sluicemail/sluice/monitor"
)

// rowCache keeps listings for a second, so that many browsers with many orders share the work. They are computed here,
// from memory, so that who asks first waits for them; a Latest is for what others have to answer.
type rowCache struct {
	mu   sync.Mutex
	at   [3]time.Time
	rows [3][]monitor.Row
}

type rowKind int

const (
	domainRows rowKind = iota
	mtaRows
	tagRows
)

// rows returns what happened in the last minute for each name of a kind, sorted by name. It is shared: do not change
// it.
func (c *Live) rows(kind rowKind) []monitor.Row {
	cache := &c.cache
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if now := c.Now(); now.Sub(cache.at[kind]).Abs() >= time.Second || cache.rows[kind] == nil {
		cache.rows[kind] = [...]func() []monitor.Row{c.Figures.Domains, c.Figures.MTAs, c.Figures.Tags}[kind]()
		cache.at[kind] = now
	}
	return cache.rows[kind]
}

// LocalAddresses are those that mail left from in the last minute, and those that the settings know.
func (c *Live) LocalAddresses() []string {
	var all []string
	for _, row := range c.rows(mtaRows) {
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
