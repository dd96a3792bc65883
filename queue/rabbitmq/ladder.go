package rabbitmq

import (
	"context"
	"fmt"
	"time"
)

// rungs are the steps in which delayed mail waits. The first ones keep what is due soon from taking the room of what is
// due now: a message is held in memory only for the last second.
var rungs = [...]struct {
	name string
	wait time.Duration
}{
	{"1s", time.Second}, {"3s", 3 * time.Second}, {"10s", 10 * time.Second}, {"30s", 30 * time.Second},
	{"1m", time.Minute}, {"3m", 3 * time.Minute}, {"10m", 10 * time.Minute}, {"30m", 30 * time.Minute},
	{"1h", time.Hour}, {"3h", 3 * time.Hour}, {"10h", 10 * time.Hour}, {"1d", 24 * time.Hour},
}

// delayPart is in the names of all queues of the ladder.
const delayPart = ".delay."

// rung returns the longest step that is not beyond the time that remains; -1 when even the first one is.
func rung(remaining time.Duration) int {
	i := len(rungs) - 1
	for i >= 0 && rungs[i].wait > remaining {
		i--
	}
	return i
}

// rungName is the queue of one step.
func rungName(name string, i int) string { return shorten(name+delayPart, rungs[i].name) }

// route returns the queue on the broker into which a message goes that waits for due in the queue name, and sees to it that it is there.
func (q *Queue) route(ctx context.Context, name string, due time.Time) (exchange, key string, err error) {
	if i := rung(time.Until(due)); i >= 0 {
		if err := q.topology.queue(ctx, name); err != nil {
			return "", "", err
		}
		key := rungName(name, i)
		if err := q.topology.helper(ctx, key, name, rungs[i].wait); err != nil {
			return "", "", fmt.Errorf("a queue for delayed mail: %w", err)
		}
		return "", key, nil
	}
	return q.opts.Exchange, name, q.topology.queue(ctx, name)
}
