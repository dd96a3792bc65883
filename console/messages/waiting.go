package messages

import (
	"context"
	"fmt"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/queue"
)

const (
	queuesEvery = 2 * time.Second
	queuesTime  = 10 * time.Second
	asideTime   = time.Second
)

// askQueues asks what each queue holds.
func (c *Messages) askQueues(ctx context.Context) ([]queue.Stats, error) { return c.Admin.Queues(ctx) }

// Queues returns the queues as they were at a time, and why they are not known now: then the time is that of the
// last answer.
func (c *Messages) Queues() ([]queue.Stats, time.Time, error) {
	if c.Admin == nil {
		return nil, time.Time{}, fmt.Errorf("%w: there is no queue", admin.ErrUnavailable)
	}
	stats, at, err := c.queued.Get()
	switch {
	case err != nil:
	case at.IsZero():
		err = fmt.Errorf("%w: the queues have not answered yet", admin.ErrUnavailable)
	case c.Now().Sub(at) > queuesTime:
		err = fmt.Errorf("%w: the queues do not answer", admin.ErrUnavailable)
	}
	return stats, at, err
}
