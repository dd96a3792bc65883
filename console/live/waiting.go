package live

import (
	"github.com/sluicemail/sluice/internal/human"
)

// waiting are the gauges of what the queues hold. While they do not answer, their last answer is not shown as if it
// were how they are now.
func (c *Live) waiting() []gauge {
	all := []gauge{{Name: "waiting", Of: "Queues"}, {Name: "deferred", Of: "Queues"}, {Name: "parked", Of: "Queues"}}
	if c.Admin == nil || c.Admin.Queue == nil {
		return all
	}
	stats, at, err := c.Queues()
	if err != nil {
		since := "not known"
		if !at.IsZero() {
			since += " since " + human.Clock(at)
		}
		for i := range all {
			all[i].Unknown = since
		}
		return all
	}
	for _, s := range stats {
		all[0].Value += int64(s.Ready)
		all[1].Value += int64(s.Delayed)
		all[2].Value += int64(s.Parked)
	}
	return all
}
