package rabbitmq

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

var _ queue.Inspector = (*Queue)(nil)

// maxBrowse is how many messages of one queue on the broker are looked at.
const maxBrowse = 10_000

// Queues implements queue.Inspector, as far as AMQP goes: it names the queues that this process has published to, read
// or declared; Out and Parked count the messages of this process; and Bytes is zero, as the broker does not tell. As
// all that look into queues it fails with queue.ErrUnavailable at once while no broker can be reached, and else when
// ctx ends.
func (q *Queue) Queues(ctx context.Context) ([]queue.Stats, error) { return ask(ctx, q, q.stats) }

func (q *Queue) stats(ctx context.Context) ([]queue.Stats, error) {
	var all []queue.Stats
	for _, name := range q.names() {
		s := queue.Stats{Queue: name}
		places, err := q.places(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			*counter(&s, p.state) += p.count
		}
		b := q.book(name)
		b.mu.Lock()
		for _, c := range b.consumers {
			s.Ready += c.idle
		}
		s.Out = len(b.outs())
		s.Delayed += len(b.heads())
		b.mu.Unlock()
		all = append(all, s)
	}
	return all, ctx.Err()
}

func counter(s *queue.Stats, state queue.State) *int {
	switch state {
	case queue.Delayed:
		return &s.Delayed
	case queue.Parked:
		return &s.Parked
	}
	return &s.Ready
}

// outs returns what is out, with one of the consumers or since one ended. The lock is held.
func (b *book) outs() []*delivery {
	return slices.DeleteFunc(b.reads(), func(d *delivery) bool { return d.state != stateOut })
}

// heads returns what the movers hold. The lock is held.
func (b *book) heads() []*delivery {
	return slices.DeleteFunc(b.reads(), func(d *delivery) bool { return d.leave.IsZero() || d.link == nil })
}

// reads returns what was read and is not finished. The lock is held.
func (b *book) reads() []*delivery {
	var list []*delivery
	for l := range b.links {
		for _, d := range l.open {
			list = append(list, d)
		}
	}
	for _, r := range b.records {
		list = append(list, r.orphans...)
	}
	return list
}

// names returns the queues of mail that are known, sorted.
func (q *Queue) names() []string {
	var list []string
	for _, b := range q.all() {
		list = append(list, b.name)
	}
	list = append(list, q.topology.mail()...)
	slices.Sort(list)
	return slices.Compact(list)
}

// place is a queue on the broker in which messages of one of our queues lie.
type place struct {
	name  string
	state queue.State
	key   string // when parked
	aside *lot
	count int
}

// places returns where messages of one queue lie: in it, on the ladder, and in the parking queues of this process.
func (q *Queue) places(ctx context.Context, name string) ([]place, error) {
	list := []place{{name: name, state: queue.Ready}}
	for i := range rungs {
		list = append(list, place{name: rungName(name, i), state: queue.Delayed})
	}
	b := q.book(name)
	b.mu.Lock()
	for key, aside := range b.lots {
		list = append(list, place{name: aside.name, state: queue.Parked, key: key, aside: aside})
	}
	b.mu.Unlock()
	for i := range list {
		n, _, err := q.topology.count(ctx, list[i].name)
		if err != nil {
			return nil, err
		}
		list[i].count = n
	}
	return slices.DeleteFunc(list, func(p place) bool { return p.count == 0 }), nil
}

// browse calls look with the messages of one place, oldest first. What look returns true for is removed, the rest is
// given back in the end; until then no consumer gets it.
func (q *Queue) browse(ctx context.Context, p place, look func(*amqp.Delivery) (bool, error)) error {
	conn, err := q.sources[0].get(ctx)
	if err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	kept, last := 0, uint64(0)
	defer func() { q.giveBack(ctx, ch, p.name, kept, last) }()
	for range min(p.count, maxBrowse) {
		m, ok, err := ch.Get(p.name, false)
		if err != nil || !ok {
			return err
		}
		kept, last = kept+1, m.DeliveryTag
		remove, err := look(&m)
		if err == nil && remove {
			kept--
			err = ch.Ack(m.DeliveryTag, false)
		}
		if err != nil || ctx.Err() != nil {
			return cmp.Or(err, ctx.Err())
		}
	}
	return nil
}

// giveBack returns to the broker what was only looked at, and waits a little until it is there again, so that the next
// look finds it.
func (q *Queue) giveBack(ctx context.Context, ch *amqp.Channel, name string, kept int, last uint64) {
	defer ch.Close()
	if kept == 0 || ch.Nack(last, true, true) != nil {
		return
	}
	for range 20 {
		if n, _, err := q.topology.count(ctx, name); err != nil || n >= kept {
			return
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// decoded is a message that was looked at.
type decoded struct {
	entry   queue.Entry
	message *queue.Message
	read    message
}

// decode reads a message of a place.
func (q *Queue) decode(name string, p *place, m *amqp.Delivery) *decoded {
	d := &decoded{read: asRead(m)}
	d.fill(q, name, m.Timestamp)
	d.entry.State, d.entry.Parked = p.state, p.key
	if p.state == queue.Delayed && d.message != nil {
		d.entry.Due = d.message.NextAttempt
	}
	return d
}

func (d *decoded) fill(q *Queue, name string, stored time.Time) {
	d.entry = queue.Entry{Queue: name, ID: d.read.id, Stored: stored, Size: int64(len(d.read.raw))}
	data, err := d.read.plain(q.opts.MaxMessageSize)
	if err != nil {
		return
	}
	if d.message, _ = queue.Unmarshal(data); d.message == nil {
		return
	}
	m := d.message
	d.entry.ID, d.entry.Envelope, d.entry.Recipient, d.entry.Tags = m.ID, m.Envelope, m.Recipient, m.Tags
	d.entry.Attempts, d.entry.Size = m.Attempts(), 0
	if m.Body != nil {
		d.entry.Size = m.Body.Size()
	}
	if !m.Received.IsZero() {
		d.entry.Stored = m.Received
	}
}

// visit looks at every message that matches, and removes those for which do returns true.
func (q *Queue) visit(ctx context.Context, f queue.Filter, do func(*decoded) (bool, error)) error {
	now := time.Now()
	for _, name := range q.names() {
		if f.Queue != "" && f.Queue != name {
			continue
		}
		places, err := q.places(ctx, name)
		if err != nil {
			return err
		}
		for i := range places {
			p := &places[i]
			if f.State != queue.AnyState && f.State != p.state {
				continue
			}
			err := q.browse(ctx, *p, func(m *amqp.Delivery) (bool, error) {
				d := q.decode(name, p, m)
				if !f.Matches(&d.entry, now) {
					return false, nil
				}
				remove, err := do(d)
				if remove && p.aside != nil {
					b := q.book(name)
					b.mu.Lock()
					p.aside.took()
					b.mu.Unlock()
				}
				return remove, err
			})
			if err != nil {
				return err
			}
		}
		if f.State == queue.AnyState || f.State == queue.Delayed {
			if err := q.visitHeads(name, f, now, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// visitHeads is visit for what the movers of this process hold.
func (q *Queue) visitHeads(name string, f queue.Filter, now time.Time, do func(*decoded) (bool, error)) error {
	b := q.book(name)
	b.mu.Lock()
	heads := b.heads()
	b.mu.Unlock()
	for _, d := range heads {
		if !d.claim() {
			continue // it is on its way
		}
		shown := &decoded{read: d.read}
		shown.fill(q, name, d.since)
		if shown.entry.State = queue.Delayed; shown.message != nil {
			shown.entry.Due = shown.message.NextAttempt
		}
		remove, err := false, error(nil)
		if f.Matches(&shown.entry, now) {
			remove, err = do(shown)
		}
		if remove && err == nil {
			d.acknowledge()
		} else {
			b.giveUp(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// List implements queue.Inspector. AMQP shows only what it takes: the messages are taken, decoded and given back, so
// that for a moment no consumer gets them, and are Redelivered from then on. Of each queue on the broker the first
// 10,000 are looked at. A cursor is a number of entries: when messages come and go between two pages some may be missed
// or shown twice.
func (q *Queue) List(ctx context.Context, f queue.Filter, cursor string, limit int) ([]queue.Entry, string, error) {
	skip := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n < 0 {
			return nil, "", fmt.Errorf("rabbitmq: %.40q is no cursor", cursor)
		}
		skip = n
	}
	if limit <= 0 {
		limit = 100
	}
	found, err := ask(ctx, q, func(ctx context.Context) (found []queue.Entry, err error) {
		err = q.visit(ctx, f, func(d *decoded) (bool, error) {
			found = append(found, d.entry)
			return false, nil
		})
		return found, err
	})
	if err != nil {
		return nil, "", err
	}
	found = append(found, q.inMemory(f)...)
	slices.SortStableFunc(found, func(a, b queue.Entry) int { return a.Stored.Compare(b.Stored) })
	found = found[min(skip, len(found)):]
	if len(found) <= limit {
		return found, "", nil
	}
	return found[:limit], strconv.Itoa(skip + limit), nil
}

// inMemory lists what was read and matches.
func (q *Queue) inMemory(f queue.Filter) []queue.Entry {
	var list []queue.Entry
	now := time.Now()
	for _, b := range q.all() {
		b.mu.Lock()
		reads := slices.DeleteFunc(b.reads(), func(d *delivery) bool { return !d.leave.IsZero() })
		states := make([]queue.State, len(reads))
		for i, d := range reads {
			states[i] = queue.Ready
			if d.state == stateOut {
				states[i] = queue.Out
			}
		}
		b.mu.Unlock()
		for i, d := range reads {
			shown := &decoded{read: d.read} // the message itself is the consumer's own
			shown.fill(q, b.name, d.since)
			shown.entry.State = states[i]
			if f.Matches(&shown.entry, now) {
				list = append(list, shown.entry)
			}
		}
	}
	return list
}

// Peek implements queue.Inspector, with the means and limits of List.
func (q *Queue) Peek(ctx context.Context, id string) (*queue.Message, error) {
	if q.isClosed() {
		return nil, queue.ErrClosed
	}
	if id == "" {
		return nil, queue.ErrNotFound
	}
	for _, b := range q.all() {
		b.mu.Lock()
		reads := b.reads()
		b.mu.Unlock()
		for _, d := range reads {
			shown := &decoded{read: d.read}
			if shown.fill(q, b.name, d.since); shown.entry.ID == id && shown.message != nil {
				return shown.message, nil
			}
		}
	}
	return ask(ctx, q, func(ctx context.Context) (found *queue.Message, err error) {
		err = q.visit(ctx, queue.Filter{ID: id}, func(d *decoded) (bool, error) {
			found = d.message
			return false, nil
		})
		if err == nil && found == nil {
			err = queue.ErrNotFound
		}
		return found, err
	})
}

// Purge implements queue.Inspector, with the means and limits of List.
func (q *Queue) Purge(ctx context.Context, f queue.Filter) (int, error) {
	return q.change(ctx, f, func(context.Context, *decoded) (bool, error) { return true, nil })
}

// Move implements queue.Inspector, with the means and limits of List. A message is in its new queue before it is
// removed from the old one.
func (q *Queue) Move(ctx context.Context, f queue.Filter, to string) (int, error) {
	if to == "" {
		return 0, queue.CheckItems([]queue.Item{{Message: &queue.Message{}}})
	}
	return q.change(ctx, f, func(ctx context.Context, d *decoded) (bool, error) {
		if d.entry.Queue == to {
			return false, nil
		}
		return q.repost(ctx, d, to, d.entry.Due, nil)
	})
}

// RetryNow implements queue.Inspector, with the means and limits of List.
func (q *Queue) RetryNow(ctx context.Context, f queue.Filter) (int, error) {
	return q.change(ctx, f, func(ctx context.Context, d *decoded) (bool, error) {
		if d.entry.State == queue.Ready {
			return false, nil
		}
		return q.repost(ctx, d, d.entry.Queue, time.Time{}, amqp.Table{dueHeader: true})
	})
}

func (q *Queue) change(ctx context.Context, f queue.Filter, do func(context.Context, *decoded) (bool, error)) (int,
	error) {
	return ask(ctx, q, func(ctx context.Context) (n int, err error) {
		err = q.visit(ctx, f, func(d *decoded) (bool, error) {
			done, err := do(ctx, d)
			if done {
				n++
			}
			return done, err
		})
		return n, err
	})
}

// repost publishes a message as it came to a queue.
func (q *Queue) repost(ctx context.Context, d *decoded, to string, due time.Time, headers amqp.Table) (bool, error) {
	_, key, err := q.route(ctx, to, due)
	if err != nil {
		return false, err
	}
	copied := &delivery{b: q.book(to), read: d.read}
	if err := copied.copyTo(ctx, key, headers); err != nil {
		return false, err
	}
	return true, nil
}
