package rabbitmq

import (
	"context"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// enlist sees to it that the directory names a parking queue, and that this process is seen to live, before the queue is
// used: what a process leaves behind can then be found.
func (b *book) enlist(ctx context.Context, name string) error {
	t := b.q.topology
	directory := directoryName(b.name)
	if err := t.own(ctx, ownerName(b.name, b.q.instance)); err != nil {
		return declaring(ownerName(b.name, b.q.instance), err)
	}
	if t.knows(name) {
		return nil
	}
	err := t.do(ctx, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(directory, true, false, false, false, nil)
		return err
	})
	if err != nil {
		return declaring(directory, err)
	}
	entry := &delivery{b: b, read: message{raw: []byte(name), id: b.q.instance}}
	return entry.copyTo(ctx, directory, nil)
}

// lookAfter is how often the directory is read.
const lookAfter = 10 * time.Minute

// tend looks after what other processes left behind, and moves delayed mail for a broker that cannot.
func (b *book) tend() {
	empty := make(map[string]time.Time)
	ladder := newMover(b)
	next := time.Now()
	for b.q.life.Err() == nil {
		if !time.Now().Before(next) {
			next = time.Now().Add(lookAfter)
			b.readDirectory(empty)
		}
		pause(b.q.life, min(time.Until(next), ladder.step()))
	}
}

// readDirectory looks at every parking queue of processes that are gone. empty holds those that had nothing in them the
// last time.
func (b *book) readDirectory(empty map[string]time.Time) {
	ctx := b.q.life
	if b.parks() {
		_ = b.q.topology.own(ctx, ownerName(b.name, b.q.instance)) // the connection may be another one
	}
	if _, err := b.q.topology.safely(ctx); err != nil {
		return
	}
	n, found, err := b.q.topology.count(ctx, directoryName(b.name))
	if err != nil || !found {
		return
	}
	conn, err := b.q.sources[0].get(ctx)
	if err != nil {
		return
	}
	ch, err := conn.Channel()
	if err != nil {
		return
	}
	defer ch.Close() // which gives back what is not acknowledged
	for range n {
		entry, ok, err := ch.Get(directoryName(b.name), false)
		if err != nil || !ok {
			return
		}
		if b.obsolete(ch, entry.MessageId, string(entry.Body), empty) {
			_ = ch.Ack(entry.DeliveryTag, false)
		}
	}
}

// obsolete reports whether an entry of the directory is needed no more, and removes the queue that it names when that
// has been empty for long.
func (b *book) obsolete(ch *amqp.Channel, owner, name string, empty map[string]time.Time) bool {
	if !strings.HasPrefix(name, b.name+parkingPart) {
		return true // not one of ours
	}
	t := b.q.topology
	if owner == b.q.instance {
		return !b.uses(name)
	}
	if _, alive, err := t.count(b.q.life, ownerName(b.name, owner)); err != nil || alive {
		return false // the broker says RESOURCE_LOCKED, or cannot be asked
	}
	n, found, err := t.count(b.q.life, name)
	if err != nil || !found {
		return err == nil
	}
	if t.plain.Load() && n > 0 && !b.empty(ch, name) {
		return false
	}
	since, before := empty[name]
	switch {
	case n > 0 && !t.plain.Load():
		delete(empty, name)
		return false
	case !before && !t.plain.Load():
		empty[name] = time.Now()
		return false
	case time.Since(since) < settledDown && !t.plain.Load():
		return false
	}
	delete(empty, name)
	return t.remove(b.q.life, name) == nil
}

func (b *book) parks() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lots) > 0
}

// uses reports whether this process parks mail in a queue.
func (b *book) uses(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, aside := range b.lots {
		if aside.name == name {
			return true
		}
	}
	return false
}

// empty moves all messages of a queue to the one that they belong to.
func (b *book) empty(ch *amqp.Channel, name string) bool {
	for {
		m, ok, err := ch.Get(name, false)
		if err != nil || !ok {
			return err == nil
		}
		if b.pass(&m) != nil || ch.Ack(m.DeliveryTag, false) != nil {
			return false
		}
	}
}

// pass publishes a message as it came to the queue that it belongs to.
func (b *book) pass(m *amqp.Delivery) error {
	d := &delivery{b: b, read: message{raw: m.Body, encoding: m.ContentEncoding, id: m.MessageId, priority: m.Priority}}
	return d.copyTo(b.q.life, b.name, nil)
}
