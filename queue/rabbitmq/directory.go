package rabbitmq

import (
	"context"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// enlist sees to it that the directory names a parking queue, and that this process is seen to live, before the queue
// is used: what a process leaves behind can then be found.
func (b *book) enlist(ctx context.Context, name string) error {
	t := b.q.topology
	directory := directoryName(b.name)
	if err := t.own(ctx, ownerName(b.name, b.q.instance)); err != nil {
		return declaring(ownerName(b.name, b.q.instance), err)
	}
	if t.knows(name) {
		return nil
	}
	if err := t.helper(ctx, directory); err != nil {
		return err
	}
	entry := &delivery{b: b, read: message{raw: []byte(name), id: b.q.instance}}
	return entry.copyTo(ctx, directory, nil)
}

// lookAfter is how often the directory is read.
const lookAfter = 5 * time.Minute

// tend looks after delayed mail, and after what other processes left behind.
func (b *book) tend() {
	b.q.start(b.startMovers)
	empty := make(map[string]time.Time)
	for b.q.life.Err() == nil {
		b.readDirectory(empty)
		pause(b.q.life, lookAfter)
	}
}

// readDirectory looks at every parking queue of processes that are gone. empty holds those that had nothing in them the
// last time.
func (b *book) readDirectory(empty map[string]time.Time) {
	ctx := b.q.life
	if b.parks() {
		_ = b.q.topology.own(ctx, ownerName(b.name, b.q.instance)) // the connection may be another one
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
	if owner == b.q.instance && b.uses(name) {
		return false
	}
	if owner != b.q.instance {
		if _, alive, err := t.count(b.q.life, ownerName(b.name, owner)); err != nil || alive {
			return false // the broker says RESOURCE_LOCKED, or cannot be asked
		}
	}
	n, found, err := t.count(b.q.life, name)
	if err != nil || !found {
		return err == nil
	}
	since, before := empty[name]
	switch {
	case n > 0:
		delete(empty, name)
		_, _ = b.empty(ch, name) // what is left is moved the next time
		return false
	case !before:
		empty[name] = time.Now()
		return false
	case time.Since(since) < settledDown:
		return false
	}
	delete(empty, name)
	return t.remove(b.q.life, name) == nil
}

// settledDown is how long the parking queue of a process that seems to be gone must have been empty before it is
// deleted: messages that this process has read and not acknowledged do not show.
const settledDown = time.Hour

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

// empty moves all messages of a queue to the one that they belong to, and returns how many.
func (b *book) empty(ch *amqp.Channel, name string) (n int, err error) {
	for {
		m, ok, err := ch.Get(name, false)
		if err != nil || !ok {
			return n, err
		}
		d := &delivery{b: b, read: asRead(&m)}
		if err := d.copyTo(b.q.life, b.name, nil); err != nil {
			return n, err
		}
		n++
		if err := ch.Ack(m.DeliveryTag, false); err != nil {
			return n, err
		}
	}
}
