package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicemail/sluice/queue"
)

// Queue keeps messages on a RabbitMQ broker. It is made by Open. All methods are safe for concurrent use.
type Queue struct {
	opts       Options
	dialer     *dialer
	sources    []*source // connections for consumers; the first one serves administration, too
	topology   *topology
	publishers []*publisher
	next       atomic.Uint32 // whose turn it is to publish
	encoding   *budget       // of what is being published
	held       *budget       // of what was read
	maxSize    atomic.Int64  // of a message that is published
	instance   string        // in the names of parking queues
	buffers    sync.Pool     // of *buffer
	deflaters  sync.Pool     // of *deflater

	life  context.Context // ends with Close
	end   context.CancelFunc
	tasks sync.WaitGroup

	mu    sync.Mutex
	over  bool // no more tasks
	books map[string]*book
}

var (
	_ queue.Queue  = (*Queue)(nil)
	_ queue.Parker = (*Queue)(nil)
)

// Open connects to the broker. The error says which part of the options is wrong, or why no broker can be used: it
// wraps queue.ErrUnavailable then, and queue.ErrRefused when one answered. ctx is for connecting only.
func Open(ctx context.Context, opts Options) (*Queue, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	hosts, err := endpoints(opts.Addresses)
	if err != nil {
		return nil, err
	}
	q := &Queue{opts: opts, books: make(map[string]*book), instance: strings.ToLower(rand.Text()[:8]),
		encoding: &budget{limit: opts.Budget / 2}, held: &budget{limit: opts.Budget / 2}}
	q.maxSize.Store(opts.MaxMessageSize)
	q.life, q.end = context.WithCancel(context.Background())
	q.dialer = &dialer{opts: &q.opts, hosts: hosts}
	for range opts.Consumers {
		q.sources = append(q.sources, newSource(q.dialer))
	}
	q.topology = newTopology(&q.opts, q.sources[0])
	conns, err := q.connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, conn := range conns {
		p := newPublisher(q)
		p.away = errStarting // until there is a connection
		if conn != nil {
			p.away = nil
		}
		q.publishers = append(q.publishers, p)
		q.tasks.Add(1)
		go p.run(conn)
	}
	q.tasks.Go(q.sweep)
	return q, nil
}

// errStarting is why nothing can be published when no broker has answered yet.
var errStarting = fmt.Errorf("rabbitmq: %w: no broker has answered yet", queue.ErrUnavailable)

// connect makes the first connections for publishers. Where there is none, the publisher goes on trying.
func (q *Queue) connect(ctx context.Context) ([]*amqp.Connection, error) {
	conns := make([]*amqp.Connection, q.opts.Publishers)
	for i := range conns {
		var err error
		if conns[i], err = q.dialer.dial(ctx, publishing); err == nil {
			continue
		}
		if q.opts.Patient && ctx.Err() == nil && !errors.Is(err, queue.ErrRefused) {
			break
		}
		for _, c := range conns[:i] {
			hangUp(c)
		}
		return nil, err
	}
	return conns, nil
}

// Err returns why nothing can be published at the moment; nil when all is well.
func (q *Queue) Err() error {
	_, err := q.publisher()
	return err
}

// Close implements queue.Queue. What is out goes back to its queue.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.over = true
	q.mu.Unlock()
	q.end()
	var closing sync.WaitGroup
	for _, s := range q.sources {
		closing.Go(s.close)
	}
	closing.Wait()
	q.tasks.Wait()
	return nil
}

// start runs f until the queue closes; false when it is closed already.
func (q *Queue) start(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.over {
		return false
	}
	q.tasks.Go(f)
	return true
}

// book returns what is known about one queue.
func (q *Queue) book(name string) *book {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.books[name]
	if b == nil {
		b = newBook(q, name)
		q.books[name] = b
	}
	return b
}

// all returns all books.
func (q *Queue) all() []*book {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Collect(maps.Values(q.books))
}

func (q *Queue) isClosed() bool { return q.life.Err() != nil }

// closed makes ErrClosed of whatever went wrong because the queue closed.
func (q *Queue) closed(err error) error {
	if err != nil && q.isClosed() && !errors.Is(err, queue.ErrSettled) {
		return queue.ErrClosed
	}
	return err
}

// bounded returns a context that also ends when the queue closes.
func (q *Queue) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(q.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// Declare sees to it that these queues are there, and says what is wrong with them: a start can fail early. With
// NoDeclare it only looks whether they are, unless what is published goes through an Exchange of others.
func (q *Queue) Declare(ctx context.Context, names ...string) error {
	ctx, cancel := q.bounded(ctx)
	defer cancel()
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if name == "" {
			continue
		}
		see := q.topology.queue
		if q.opts.NoDeclare {
			see = q.topology.exists
		}
		if err := see(ctx, name); err != nil {
			return q.closed(err)
		}
	}
	return nil
}

// MaxMail is the size of the largest mail that is sure to fit into a message: three quarters of MaxMessageSize, as a
// mail that is not UTF-8 is written in base64, less some room for the other properties. It is what an SMTP server
// should announce.
func (q *Queue) MaxMail() int64 { return max(q.maxSize.Load()/4*3-1<<18, 1) }
