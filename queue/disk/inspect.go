package disk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Queues returns the state of every queue that has messages or consumers, or had since Open, and is not hidden, from
// counters.
func (q *Queue) Queues(context.Context) ([]queue.Stats, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, queue.ErrClosed
	}
	list := make([]queue.Stats, 0, len(q.x.names))
	for _, n := range q.x.names {
		if queue.Hidden(n.name) {
			continue
		}
		list = append(list, queue.Stats{Queue: n.name, Ready: n.ready, Delayed: n.delayed, Parked: n.parked, Out: n.out,
			Bytes: n.bytes})
	}
	slices.SortFunc(list, func(a, b queue.Stats) int { return strings.Compare(a.Queue, b.Queue) })
	return list, nil
}

// candidate is an entry that may match, in order of age.
type candidate struct {
	stored int64
	slotID
}

func (c candidate) compare(o candidate) int {
	return cmp.Or(cmp.Compare(c.stored, o.stored), cmp.Compare(c.id, o.id))
}

// defaultLimit is what List's limit 0 means.
const defaultLimit = 100

// List returns up to limit entries that match f, oldest first.
func (q *Queue) List(ctx context.Context, f queue.Filter, cursor string, limit int) ([]queue.Entry, string, error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	after, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	t := newMatcher(f)
	enough := limit + 1
	if t.record {
		enough = max(enough, atOnce)
	}
	found, err := q.search(ctx, t, after, enough)
	if err != nil {
		return nil, "", err
	}
	var list []queue.Entry
	begun := time.Now()
	for n, c := range found {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		if t.record && n%100 == 99 && time.Since(begun) > patience {
			return list, found[n-1].cursor(), nil
		}
		e, ok := q.listed(t, c)
		if !ok {
			continue
		}
		if len(list) == limit {
			return list, after.cursor(), nil
		}
		list = append(list, e)
		after = c
	}
	if len(found) == enough { // there may be more
		return list, found[enough-1].cursor(), nil
	}
	return list, "", nil
}

// Of a filter that the index cannot decide, a page has what is found among so many messages, in so long a time.
const (
	atOnce   = 100_000
	patience = 200 * time.Millisecond
)

func (c candidate) cursor() string { return fmt.Sprintf("%x.%x", c.stored, c.id) }

func parseCursor(s string) (c candidate, err error) {
	if s == "" {
		return candidate{stored: -1 << 63}, nil
	}
	if _, err := fmt.Sscanf(s, "%x.%x", &c.stored, &c.id); err != nil {
		return c, fmt.Errorf("queue: %q is not a cursor that List returned", s)
	}
	return c, nil
}

// search collects what may match behind after, oldest first; only the oldest enough of it, unless that is 0. It looks
// at a part of the index at a time, so that mail flows meanwhile.
func (q *Queue) search(ctx context.Context, t *matcher, after candidate, enough int) ([]candidate, error) {
	var found []candidate
	before := candidate{stored: 1<<63 - 1} // what is not older cannot be among the oldest
	for at := uint32(0); ; at += blockEntries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		more, err := q.searchBlock(t, after, before, at, &found)
		if err != nil {
			return nil, err
		}
		if full := enough > 0 && len(found) > 2*enough+blockEntries; full || !more {
			slices.SortFunc(found, candidate.compare)
			if enough > 0 && len(found) >= enough {
				found, before = found[:enough], found[enough-1]
			}
		}
		if !more {
			return found, nil
		}
	}
}

func (q *Queue) searchBlock(t *matcher, after, before candidate, at uint32, found *[]candidate) (more bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, queue.ErrClosed
	}
	x := &q.x
	if int(at>>chunkBits) >= len(x.entries.chunks) {
		return false, nil
	}
	for i := at; i < at+blockEntries; i++ {
		e := x.entries.at(i)
		if e.state == 0 || !t.entry(x, e) {
			continue
		}
		if c := (candidate{e.stored, slotID{i, e.id}}); after.compare(c) < 0 && c.compare(before) < 0 {
			*found = append(*found, c)
		}
	}
	return true, nil
}

// listed makes the line of a candidate, unless it is gone or does not match after all.
func (q *Queue) listed(t *matcher, c candidate) (queue.Entry, bool) {
	m, err := q.readMessage(c.slotID)
	if err == errGone || m != nil && !t.message(m) {
		return queue.Entry{}, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.alive(c.slotID)
	if e == nil {
		return queue.Entry{}, false
	}
	x := &q.x
	line := queue.Entry{
		Queue: x.queues[e.queue].name, State: stateOf(e), Size: x.sizeOf(e), Attempts: int(e.attempts),
		Stored: time.Unix(0, e.stored), Parked: x.strings.get(e.key),
	}
	if e.due > t.now.UnixMilli() || e.state == stateDelayed {
		line.Due = time.UnixMilli(e.due)
	}
	if m != nil {
		line.ID, line.Envelope, line.Recipient, line.Tags = m.ID, m.Envelope, m.Recipient, m.Tags
	}
	return line, true
}

// readMessage decodes the message of an entry, without its mail. It is nil, without an error, when it cannot be
// decoded.
func (q *Queue) readMessage(s slotID) (*queue.Message, error) {
	payload, err := q.readEntry(s)
	if err != nil {
		return nil, err
	}
	env, ok := parseEnvelope(payload)
	if !ok {
		return nil, nil
	}
	m, err := queue.DecodeBinary(env.message)
	if err != nil {
		return nil, nil
	}
	return m, nil
}

// Peek returns the oldest message with this id.
func (q *Queue) Peek(ctx context.Context, id string) (*queue.Message, error) {
	if id == "" {
		return nil, queue.ErrNotFound
	}
	t := newMatcher(queue.Filter{ID: id})
	found, err := q.search(ctx, t, candidate{stored: -1 << 63}, 0)
	if err != nil {
		return nil, err
	}
	for _, c := range found {
		if m, _ := q.readMessage(c.slotID); m != nil && t.message(m) && q.lend(c.slotID, m) {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%w: id %q", queue.ErrNotFound, id)
}

// lend gives a message its mail, to be read until it is settled.
func (q *Queue) lend(s slotID, m *queue.Message) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.alive(s)
	if e == nil {
		return false
	}
	if e.body == 0 {
		return true
	}
	b := q.x.bodies.at(e.body)
	if data := q.cache.body(e.body); data != nil {
		m.Body = &memoryMail{mail{q: q, index: e.body, id: b.id, size: b.size, data: data}}
	} else if b.flags&bodyDamaged == 0 {
		m.Body = &mail{q: q, index: e.body, id: b.id, size: b.size}
	}
	return true
}

// each calls do, with q.mu held, for every waiting entry that matches f, some at a time.
func (q *Queue) each(ctx context.Context, f queue.Filter, do func(slot uint32, e *entry)) error {
	t := newMatcher(f)
	found, err := q.search(ctx, t, candidate{stored: -1 << 63}, 0)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(found, relocateAtOnce) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if t.record {
			chunk = slices.DeleteFunc(chunk, func(c candidate) bool {
				m, _ := q.readMessage(c.slotID)
				return m == nil || !t.message(m)
			})
		}
		q.mu.Lock()
		if err := q.refusal(); err != nil {
			q.mu.Unlock()
			return err
		}
		for _, c := range chunk {
			if e := q.alive(c.slotID); e != nil && e.state != stateOut && t.entry(&q.x, e) {
				do(c.slot, e)
			}
		}
		q.mu.Unlock()
	}
	return nil
}

// Purge removes what matches f, durably.
func (q *Queue) Purge(ctx context.Context, f queue.Filter) (int, error) {
	n := 0
	err := q.each(ctx, f, func(slot uint32, _ *entry) {
		q.x.displace(slot)
		q.retireLazily(slot)
		n++
	})
	if flushErr := q.flush(); err == nil {
		err = flushErr
	}
	return n, err
}

// RetryNow makes delayed and parked messages that match f due at once. A crash may undo that.
func (q *Queue) RetryNow(ctx context.Context, f queue.Filter) (int, error) {
	n := 0
	err := q.each(ctx, f, func(slot uint32, e *entry) {
		if e.state == stateReady {
			return
		}
		q.x.displace(slot)
		e.due = 0
		q.x.place(slot, 0, false)
		q.wake(q.x.queues[e.queue])
		n++
	})
	return n, err
}

// Move puts what matches f into the queue to, durably.
func (q *Queue) Move(ctx context.Context, f queue.Filter, to string) (int, error) {
	if to == "" {
		return 0, fmt.Errorf("queue: move to a queue without a name")
	}
	var slots []slotID
	err := q.each(ctx, f, func(slot uint32, e *entry) {
		if q.x.queues[e.queue].name != to {
			slots = append(slots, slotID{slot, e.id})
		}
	})
	if err != nil {
		return 0, err
	}
	moved := 0
	for chunk := range slices.Chunk(slots, relocateAtOnce) {
		if err := ctx.Err(); err != nil {
			return moved, err
		}
		n, err := q.moveSome(chunk, to)
		moved += n
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

func (q *Queue) moveSome(slots []slotID, to string) (int, error) {
	list := q.readForRelocation(slots)
	q.mu.Lock()
	if err := q.refusePublish(); err != nil {
		q.mu.Unlock()
		return 0, err
	}
	g := q.groups.get()
	for _, r := range list {
		e := q.alive(slotID{r.slot, r.id})
		if e == nil || e.state == stateOut {
			continue
		}
		env, ok := parseEnvelope(r.payload)
		if !ok {
			continue
		}
		q.x.displace(r.slot)
		e.state = stateMoving
		payload := append(env.append(nil, to), env.message...)
		q.addCopy(g, r.slot, payload, to)
	}
	count := len(g.copies)
	return count, q.finishCopies(g)
}
