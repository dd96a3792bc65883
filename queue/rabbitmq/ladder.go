package rabbitmq

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
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

// route returns where on the broker a message goes that is for the queue name and waits for due, and sees to it that
// this is there. Only a queue that this process reads has a ladder, as its consumers move what waits there: what goes
// to any other queue goes there at once, and its reader finds the time in the message.
func (q *Queue) route(ctx context.Context, name string, due time.Time) (exchange, key string, err error) {
	i := -1
	if !due.IsZero() && q.book(name).isTended() {
		i = rung(time.Until(due))
	}
	if i < 0 && (q.opts.NoDeclare || q.topology.reaches(name)) {
		return q.opts.Exchange, name, nil // nearly always
	}
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	if i >= 0 {
		if err := q.topology.target(ctx, name); err != nil {
			return "", "", err
		}
		key := rungName(name, i)
		if err := q.topology.helper(ctx, key); err != nil {
			return "", "", fmt.Errorf("a queue for delayed mail: %w", err)
		}
		return "", key, nil
	}
	return q.opts.Exchange, name, q.topology.target(ctx, name)
}

// Headers of copies that this engine makes.
const (
	sinceHeader = "x-sluice-since" // when the copy was made, in nanoseconds: tells copies of one message apart
	nextHeader  = "x-sluice-next"  // when the message is due, in milliseconds
)

// delayed are the headers of a copy that waits until due.
func delayed(due time.Time) amqp.Table {
	headers := amqp.Table{sinceHeader: time.Now().UnixNano()}
	if !due.IsZero() {
		headers[nextHeader] = due.UnixMilli()
	}
	return headers
}

// since returns when a copy was made.
func since(m *amqp.Delivery) time.Time {
	if n, ok := m.Headers[sinceHeader].(int64); ok {
		return time.Unix(0, n)
	}
	return m.Timestamp
}

// next returns when a message on the ladder is due, as far as its headers tell.
func next(m *amqp.Delivery) time.Time {
	if n, ok := m.Headers[nextHeader].(int64); ok {
		return time.UnixMilli(n)
	}
	return time.Time{}
}
