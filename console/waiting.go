package console

import (
	"fmt"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/queue"
)

const (
	queuesEvery = 2 * time.Second
	queuesTime  = 10 * time.Second
	asideTime   = time.Second
)

// queueStats returns the queues as they were at a time, and why they are not known now: then the time is that of the
// last answer.
func (c *Console) queueStats() ([]queue.Stats, time.Time, error) {
	if c.Admin == nil {
		return nil, time.Time{}, fmt.Errorf("%w: there is no queue", admin.ErrUnavailable)
	}
	stats, at, err := c.queued.Get()
	switch {
	case err != nil:
	case at.IsZero():
		err = fmt.Errorf("%w: the queues have not answered yet", admin.ErrUnavailable)
	case c.now().Sub(at) > queuesTime:
		err = fmt.Errorf("%w: the queues do not answer", admin.ErrUnavailable)
	}
	return stats, at, err
}

// waiting are the gauges of what the queues hold. While they do not answer, their last answer is not shown as if it
// were how they are now.
func (c *Console) waiting() []gauge {
	all := []gauge{{Name: "waiting", Of: "Queues"}, {Name: "deferred", Of: "Queues"}, {Name: "parked", Of: "Queues"}}
	if c.Admin == nil || c.Admin.Queue == nil {
		return all
	}
	stats, at, err := c.queueStats()
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
