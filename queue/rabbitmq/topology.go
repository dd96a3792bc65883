package rabbitmq

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

// topology declares what there has to be on the broker. It works on a connection for consumers, as the broker stops
// reading those of publishers during an alarm.
type topology struct {
	opts   *Options
	source *source

	turn     chan struct{} // one place: who uses ch
	conn     *amqp.Connection
	ch       *amqp.Channel
	exchange bool // it is there

	mu     sync.Mutex
	known  map[string]bool // queues that are there
	others map[string]bool // queues that are there and were declared differently
	owned  map[string]bool // exclusive queues of this connection
	gone   map[string]time.Time
}

func newTopology(o *Options, s *source) *topology {
	return &topology{opts: o, source: s, turn: make(chan struct{}, 1), known: make(map[string]bool),
		others: make(map[string]bool), owned: make(map[string]bool),
		gone: make(map[string]time.Time)}
}

// do runs f with the channel for administration. After an error the broker has closed it: the next call opens another.
func (t *topology) do(ctx context.Context, f func(ch *amqp.Channel) error) error {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.ch == nil || t.ch.IsClosed() {
		conn, err := t.source.get(ctx)
		if err != nil {
			return err
		}
		if t.ch, err = conn.Channel(); err != nil {
			return err
		}
		if t.conn != conn { // exclusive queues are gone with the last one
			t.conn = conn
			t.mu.Lock()
			clear(t.owned)
			t.mu.Unlock()
		}
	}
	return f(t.ch)
}

// atLeast compares the version of the broker.
func atLeast(conn *amqp.Connection, major, minor int) bool {
	text, _ := conn.Properties["version"].(string)
	var a, b int
	if n, _ := fmt.Sscanf(text, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}

// knows reports whether a queue was declared already.
func (t *topology) knows(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[name]
}

// reaches reports whether messages can be published for a queue, as far as is known.
func (t *topology) reaches(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[name] || t.others[name]
}

// own declares the exclusive queue by which others see that this process is alive.
func (t *topology) own(ctx context.Context, name string) error {
	t.mu.Lock()
	owned := t.owned[name]
	t.mu.Unlock()
	if owned {
		return nil
	}
	return t.do(ctx, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, false, true, true, false, nil)
		if err == nil {
			t.mu.Lock()
			t.owned[name] = true
			t.mu.Unlock()
		}
		return err
	})
}

// mail returns the names of the queues of mail that were declared.
func (t *topology) mail() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []string
	for name := range t.known {
		if !strings.Contains(name, parkingPart) && !strings.Contains(name, delayPart) &&
			!strings.HasSuffix(name, directoryPart) {
			list = append(list, name)
		}
	}
	return list
}

// forget makes the next use of a queue declare it again.
func (t *topology) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, name)
	delete(t.others, name)
}

func (t *topology) learn(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known[name] = true
	delete(t.gone, name)
}

// queue sees to it that a queue of mail is there.
func (t *topology) queue(ctx context.Context, name string) error {
	if t.opts.NoDeclare || t.knows(name) {
		return nil
	}
	if err := t.declare(ctx, name); err != nil {
		return declaring(name, err)
	}
	t.learn(name)
	return nil
}

func (t *topology) declare(ctx context.Context, name string) error {
	return t.do(ctx, func(ch *amqp.Channel) error {
		if _, err := ch.QueueDeclare(name, !t.opts.NotDurable, false, false, false, t.args(t.conn)); err != nil {
			return err
		}
		return t.bind(ch, name)
	})
}

// maxName is the longest name of a queue, in bytes.
const maxName = 255

// target sees to it that messages can be published for a queue. One that exists and was declared differently will do:
// whoever names a queue for the results of one message knows best how it should be.
func (t *topology) target(ctx context.Context, name string) error {
	if t.opts.NoDeclare || t.reaches(name) {
		return nil
	}
	if len(name) > maxName {
		return fmt.Errorf("rabbitmq: %w: a name of %d bytes for a queue, expected %d at most: %w", queue.ErrUnavailable,
			len(name), maxName, queue.ErrRefused)
	}
	err := t.declare(ctx, name)
	if c := code(err); c == amqp.PreconditionFailed || c == amqp.ResourceLocked {
		t.opts.Logger.Warn("a queue was declared differently; publishing to it as it is", "queue", name, "reason", err)
		if err = t.do(ctx, func(ch *amqp.Channel) error { return t.bind(ch, name) }); err == nil {
			t.mu.Lock()
			t.others[name] = true
			t.mu.Unlock()
			return nil
		}
	}
	if err != nil {
		return declaring(name, err)
	}
	t.learn(name)
	return nil
}

// exists says whether a queue is there that need not be declared.
func (t *topology) exists(ctx context.Context, name string) error {
	if t.opts.Exchange != "" {
		return nil
	}
	err := t.do(ctx, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	if c := code(err); c == amqp.NotFound {
		return absent(name)
	} else if err != nil && c != amqp.ResourceLocked {
		return declaring(name, err)
	}
	return nil
}

// absent says that there is no queue that should be there already.
func absent(name string) error {
	return fmt.Errorf("rabbitmq: there is no queue %q, and rabbitmq-declare is false: %w: %w", name, queue.ErrUnavailable,
		queue.ErrRefused)
}

// args are the arguments of a queue of mail.
func (t *topology) args(conn *amqp.Connection) amqp.Table {
	args := amqp.Table{}
	if t.opts.QueueType == Quorum {
		args["x-queue-type"] = "quorum"
		if atLeast(conn, 4, 0) {
			args["x-delivery-limit"] = int32(-1) // else what was released twenty times is lost
		}
	}
	if t.opts.Lazy {
		args["x-queue-mode"] = "lazy"
	}
	if t.opts.MaxPriority > 0 {
		args["x-max-priority"] = int32(t.opts.MaxPriority)
	}
	return args
}

// bind binds a queue to the exchange, which it declares if it is not there.
func (t *topology) bind(ch *amqp.Channel, name string) error {
	if t.opts.Exchange == "" {
		return nil
	}
	if !t.exchange {
		if err := t.declareExchange(); err != nil {
			return err
		}
		t.exchange = true
	}
	return ch.QueueBind(name, name, t.opts.Exchange, false, nil)
}

// declareExchange uses channels of its own, as it asks first whether there is one, and an answer of no closes a
// channel.
func (t *topology) declareExchange() error {
	ask, err := t.conn.Channel()
	if err != nil {
		return err
	}
	defer ask.Close()
	if ask.ExchangeDeclarePassive(t.opts.Exchange, "direct", true, false, false, false, nil) == nil {
		return nil
	}
	create, err := t.conn.Channel()
	if err != nil {
		return err
	}
	defer create.Close()
	return create.ExchangeDeclare(t.opts.Exchange, "direct", true, false, false, false, nil)
}

// helper declares a queue for delayed or parked mail, of the type of the others. It is durable whatever they are.
func (t *topology) helper(ctx context.Context, name string) error {
	if t.knows(name) {
		return nil
	}
	err := t.do(ctx, func(ch *amqp.Channel) error {
		args := amqp.Table{}
		if t.opts.QueueType == Quorum {
			args = t.args(t.conn)
		}
		_, err := ch.QueueDeclare(name, true, false, false, false, args)
		return err
	})
	if err != nil {
		return declaring(name, err)
	}
	t.learn(name)
	return nil
}

// missing is how long a queue that is not there is not asked for again: the broker logs each such question as an error.
const missing = 5 * time.Minute

// count returns how many messages wait in a queue; false when there is no such queue.
func (t *topology) count(ctx context.Context, name string) (n int, found bool, err error) {
	seen, found, err := t.look(ctx, name)
	return seen.Messages, found, err
}

// look returns what the broker says of a queue; false when there is no such queue.
func (t *topology) look(ctx context.Context, name string) (seen amqp.Queue, found bool, err error) {
	t.mu.Lock()
	gone := time.Since(t.gone[name]) < missing
	t.mu.Unlock()
	if gone {
		return amqp.Queue{}, false, nil
	}
	err = t.do(ctx, func(ch *amqp.Channel) (err error) {
		seen, err = ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	if code(err) == amqp.NotFound {
		t.mu.Lock()
		if len(t.gone) > 10_000 {
			clear(t.gone)
		}
		t.gone[name] = time.Now()
		t.mu.Unlock()
		return amqp.Queue{}, false, nil
	}
	return seen, err == nil, err
}

// remove deletes a queue.
func (t *topology) remove(ctx context.Context, name string) error {
	t.forget(name)
	return t.do(ctx, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(name, false, false, false)
		return err
	})
}

// discard deletes a queue for delayed mail that is empty and that nobody reads; any other stays. Quorum queues stay,
// too: the broker deletes them only without looking (and ends the connection of whoever wants it to look), so that what
// is published at that moment would be lost.
func (t *topology) discard(ctx context.Context, name string) error {
	if t.opts.NoDeclare || t.opts.QueueType == Quorum {
		return nil
	}
	t.forget(name)
	err := t.do(ctx, func(ch *amqp.Channel) error {
		if _, err := ch.QueueDeclare(name, true, false, false, false, nil); err != nil { // it is no classic queue
			return err
		}
		_, err := ch.QueueDelete(name, true, true, false)
		return err
	})
	if code(err) == amqp.PreconditionFailed {
		return nil
	}
	return err
}

// declaring says why a queue could not be declared.
func declaring(name string, err error) error {
	var reply *amqp.Error
	if !errors.As(err, &reply) || !reply.Server {
		return fmt.Errorf("rabbitmq: declaring queue %q: %w: %w", name, queue.ErrUnavailable, err)
	}
	switch reply.Code {
	case amqp.PreconditionFailed:
		return fmt.Errorf("rabbitmq: queue %q exists and was declared differently (%s): "+
			"declare it the same way, delete it, or set rabbitmq-declare to false to use it as it is: %w: %w",
			name, reply.Reason, queue.ErrUnavailable, queue.ErrRefused)
	case amqp.AccessRefused, amqp.NotAllowed:
		return fmt.Errorf("rabbitmq: the broker does not let this user declare queue %q (%s); "+
			"if it exists, set rabbitmq-declare to false: %w: %w", name, reply.Reason, queue.ErrUnavailable, queue.ErrRefused)
	}
	return fmt.Errorf("rabbitmq: declaring queue %q: %w: %s", name, queue.ErrUnavailable, reply.Reason)
}

// code returns the code of the broker's reply; zero when err is none.
func code(err error) int {
	var reply *amqp.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

// parkingName is the queue in which one process parks the mail of one queue under one key. Names have 255 bytes at
// most.
func parkingName(name, owner string, serial int, key string) string {
	return shorten(fmt.Sprint(name, parkingPart, owner, ".", serial, "."), key)
}

// directoryName is the queue that holds the names of the parking queues of one queue.
func directoryName(name string) string { return shorten(name, directoryPart) }

const directoryPart = ".parked"

// ownerName is the exclusive queue by which others see that a process is alive.
func ownerName(name, owner string) string { return shorten(name+parkingPart, owner) }

// parkingPart is in the names of all parking queues.
const parkingPart = ".parked."

func shorten(prefix, key string) string {
	if len(prefix)+len(key) <= 255 {
		return prefix + key
	}
	sum := sha256.Sum256([]byte(prefix + key))
	return strings.ToValidUTF8(prefix[:min(len(prefix), 200)], "") + hex.EncodeToString(sum[:16])
}
