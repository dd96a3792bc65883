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

// route returns where on the broker a message goes that is for the queue name and waits for due, and sees to it that this
// is there.
func (q *Queue) route(ctx context.Context, name string, due time.Time) (exchange, key string, err error) {
	i := -1
	if !due.IsZero() {
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
		if err := q.topology.helper(ctx, key, name, rungs[i].wait); err != nil {
			return "", "", fmt.Errorf("a queue for delayed mail: %w", err)
		}
		return "", key, nil
	}
	return q.opts.Exchange, name, q.topology.target(ctx, name)
}

// mover moves delayed mail to the queue that it belongs to, step by step, in place of a broker that cannot do so safely.
// It only looks at the first message of each step, which is the one that is due first, and holds none.
type mover struct {
	b     *book
	ch    *amqp.Channel
	known bool // whether it is needed
	plain bool
	look  [len(rungs)]time.Time
}

func newMover(b *book) *mover { return &mover{b: b} }

// idleMover is how often a mover looks that has nothing to do.
const idleMover = time.Minute

// step moves what is due and returns how long to wait before the next step.
func (m *mover) step() time.Duration {
	t := m.b.q.topology
	if !m.known {
		safely, err := t.safely(m.b.q.life)
		if err != nil {
			return time.Second
		}
		m.known, m.plain = true, !safely
	}
	if !m.plain {
		return idleMover
	}
	wait := idleMover
	for i := range rungs {
		if time.Now().Before(m.look[i]) {
			wait = min(wait, time.Until(m.look[i]))
			continue
		}
		delay, err := m.rung(i)
		if err != nil {
			if m.ch != nil {
				_ = m.ch.Close() // which gives back what was taken
				m.ch = nil
			}
			delay = time.Second
		}
		m.look[i] = time.Now().Add(delay)
		wait = min(wait, delay)
	}
	return wait
}

// rung moves what is due on one step, and returns how long nothing more will be.
func (m *mover) rung(i int) (time.Duration, error) {
	ctx, b := m.b.q.life, m.b
	name := rungName(b.name, i)
	idle := max(rungs[i].wait/10, 200*time.Millisecond)
	if err := b.q.topology.helper(ctx, name, b.name, rungs[i].wait); err != nil {
		return idle, err
	}
	if m.ch == nil || m.ch.IsClosed() {
		conn, err := b.q.sources[0].get(ctx)
		if err != nil {
			return 0, err
		}
		if m.ch, err = conn.Channel(); err != nil {
			return 0, err
		}
	}
	for {
		head, ok, err := m.ch.Get(name, false)
		if err != nil || !ok {
			return idle, err
		}
		// The time stamp is in whole seconds. A message that comes too early is looked at again.
		if left := time.Until(head.Timestamp.Add(rungs[i].wait)); left > 0 {
			return max(min(left, idle), 50*time.Millisecond), m.ch.Nack(head.DeliveryTag, false, true)
		}
		if err := b.pass(&head); err != nil {
			return 0, err // closing the channel gives it back
		}
		if err := m.ch.Ack(head.DeliveryTag, false); err != nil {
			return 0, err
		}
	}
}
