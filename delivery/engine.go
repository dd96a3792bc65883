package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/internal/semaphore"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// Engine takes messages from an outbox and sees each of them to its result. Queue, Router and Sender must be set; the
// zero value of every other field works. Fields must not change once Run was called.
type Engine struct {
	Queue    queue.Queue
	Router   Router
	Sender   Sender
	Throttle throttle.Throttler // nil: no limits
	Slots    Slots              // of outgoing connections; nil: 1000
	Monitor  monitor.Monitor    // nil: nobody is told
	Logger   *slog.Logger       // nil: slog.Default

	Names   QueueNames
	Retry   RetryPolicy
	Sources Sources

	// Hostname is the name we give in EHLO when Sources has none for the address; "" means localhost.
	Hostname string
	// LooseEnvelope and LooseRecipient send to and from addresses that RFC 5321 forbids.
	LooseEnvelope, LooseRecipient bool
	// Prefetch is the largest number of messages in memory; zero means 1000. It should be well above the number of
	// connections, each of which may have two.
	Prefetch int
	// PathQueue is the largest number of messages in memory for one path where the throttle sets none; zero means 500.
	PathQueue int
	// PathConnections is the largest number of connections of one path where the throttle sets none; zero means 100.
	PathConnections int
	// Lookups is the largest number of route look-ups at a time; zero means 100.
	Lookups int
	// Edit and Finish make of a message's mail what goes over the wire: Edit changes its header, Finish signs what came
	// of that. They are called by the connection just before the mail is sent; what a remote does not take is changed
	// between them, and Finish called for it again. Nil: the mail goes as it is.
	Edit, Finish func(context.Context, *queue.Message) (queue.Body, error)
	// Extract has the message of events that tell of an outcome carry the property extracted, as results do.
	Extract bool
	// Steering returns what an operator decided about messages; it is asked for every message and must not block.
	// Steered is called when it returns something else. Nil, or when it returns nil: there are no rules.
	Steering func() Steering
	// Store has the mails of messages that come with a key instead. Nil: such messages fail.
	Store Store
	// StoreTimes returns how long fetching a mail may take, and after how long a message is looked at again when the
	// store could not be asked. It must not block. Nil, or zero: 20 seconds, 2 minutes.
	StoreTimes func() (timeout, again time.Duration)

	once     sync.Once
	ctx      context.Context // ends when everything must break off
	cancel   context.CancelFunc
	consume  context.Context // ends when no new work is to be begun
	stop     context.CancelFunc
	stopping atomic.Bool // set before consume ends
	running  atomic.Bool
	stopped  chan struct{} // closed when Run returns

	inMemory  atomic.Int64  // messages in memory
	waiting   atomic.Int64  // paths on which something waits
	turn      atomic.Uint64 // of the source addresses
	relieving atomic.Bool
	settler   settling.Settler
	routing   routing
	starved   starved
	offline   offline
	learned   learned
	unbound   unbound
	unowned   unowned
	unheeded  unheeded
	epoch     atomic.Uint64 // of Steering: how often it changed
	pausing   pausing
	fetches   sync.WaitGroup
	storeAway atomic.Bool // the store could not be asked
	quiet     bool        // nobody listens to events
	events    sync.Pool   // of *monitor.Event

	pathsMu    sync.RWMutex // comes before any path.mu
	paths      map[pathKey]*path
	byThrottle map[throttle.Path][]*path
	conns      sync.WaitGroup
}

// QueueNames names the queues. Results that have no queue are not published.
type QueueNames struct {
	Outbox                           string // "" means "outbox"
	Results, Success, Failure, Retry string // "": not published
}

// ErrRunning is returned by Run when the engine runs, or ran before.
var ErrRunning = errors.New("delivery: an engine runs once")

func (e *Engine) init() {
	e.once.Do(func() {
		if e.Throttle == nil {
			e.Throttle = throttle.Unlimited
		}
		if e.Slots == nil {
			e.Slots = make(semaphore.Semaphore, 1000)
		}
		if e.Monitor == nil {
			e.Monitor = monitor.Discard
		}
		if e.Logger == nil {
			e.Logger = slog.Default()
		}
		if e.Names.Outbox == "" {
			e.Names.Outbox = "outbox"
		}
		if e.Hostname == "" {
			e.Hostname = "localhost"
		}
		e.Prefetch = orDefault(e.Prefetch, queue.DefaultPrefetch)
		e.PathQueue = orDefault(e.PathQueue, 500)
		e.PathConnections = orDefault(e.PathConnections, 100)
		e.Lookups = orDefault(e.Lookups, 100)
		e.ctx, e.cancel = context.WithCancel(context.Background())
		e.consume, e.stop = context.WithCancel(e.ctx)
		e.stopped = make(chan struct{})
		e.paths = make(map[pathKey]*path)
		e.byThrottle = make(map[throttle.Path][]*path)
		e.settler = settling.Settler{Queue: e.Queue, Names: settling.Names(e.Names), Logger: e.Logger, Ended: e.ended}
		e.settler.Start(e.ctx)
		e.routing.init(e)
		e.starved.e = e
		e.offline.init()
		e.learned.init()
		e.unbound.init()
		e.pausing.init(e)
		e.quiet = e.Monitor == monitor.Discard
		e.events.New = func() any { return new(monitor.Event) }
	})
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

// Run delivers until ctx ends, which breaks off everything at once, or Shutdown or Close was called. It returns nil
// then, and an error when the queue failed for good. Messages that were not finished stay in the queue.
func (e *Engine) Run(ctx context.Context) error {
	if e.Queue == nil || e.Router == nil || e.Sender == nil {
		return errors.New("delivery: an engine needs Queue, Router and Sender")
	}
	e.init()
	if !e.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer close(e.stopped)
	defer context.AfterFunc(ctx, e.breakOff)()
	e.Throttle.Changed(e.changed)
	var upkeep sync.WaitGroup
	upkeep.Go(e.sweep)
	upkeep.Go(e.pausing.run)

	err := e.consumeOutbox()

	// From here on nothing new begins: stopping is looked at under the lock of a path before anything begins there, and
	// drain takes each of these locks.
	e.stopping.Store(true)
	e.stop()
	upkeep.Wait()
	e.routing.wait()
	e.drain()
	e.starved.done.Wait()
	e.conns.Wait()
	e.drain() // what connections gave back while they ended
	e.settler.Stop()
	e.cancel()
	e.awaitFetches()
	return err
}

// breakOff ends everything at once.
func (e *Engine) breakOff() {
	e.stopping.Store(true)
	e.cancel()
}

// consumeOutbox reads the outbox until it is told to stop; a queue that is unavailable is asked again and again.
func (e *Engine) consumeOutbox() error {
	delay, said := time.Second, ""
	for {
		began := time.Now()
		err := e.Queue.Consume(e.consume, e.Names.Outbox, queue.ConsumeOptions{Prefetch: e.Prefetch}, e.handle)
		if e.consume.Err() != nil {
			return nil
		}
		if errors.Is(err, queue.ErrClosed) {
			return err
		}
		if time.Since(began) > time.Minute {
			delay, said = time.Second, ""
		}
		if text := fmt.Sprint(err); text != said { // once, however long it lasts
			said = text
			e.Logger.Warn("reading the outbox failed; trying again", "queue", e.Names.Outbox, "error", err)
		}
		select {
		case <-time.After(delay):
		case <-e.consume.Done():
			return nil
		}
		delay = min(2*delay, 30*time.Second)
	}
}

// Shutdown ends Run gracefully: no more messages are read, mails on their way are finished, what waits goes back to the
// queue, connections say QUIT, results are settled. When ctx ends first, everything breaks off, and its error is
// returned.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.init()
	e.stopping.Store(true)
	e.stop()
	if !e.running.Load() {
		return nil
	}
	e.drain()
	select {
	case <-e.stopped:
		return nil
	case <-ctx.Done():
		e.breakOff()
		<-e.stopped
		return ctx.Err()
	}
}

// Close ends Run at once: connections break off; what was not finished stays in the queue.
func (e *Engine) Close() error {
	e.init()
	e.breakOff()
	if e.running.Load() {
		<-e.stopped
	}
	return nil
}

// drain wakes every path so that its idle connections end and what it holds goes back.
func (e *Engine) drain() {
	for _, p := range e.allPaths() {
		p.drain()
	}
}

func (e *Engine) allPaths() []*path {
	e.pathsMu.RLock()
	defer e.pathsMu.RUnlock()
	all := make([]*path, 0, len(e.paths))
	for _, p := range e.paths {
		all = append(all, p)
	}
	return all
}

// changed is told by the throttle that a wait may be over.
func (e *Engine) changed(tp throttle.Path) {
	if tp == (throttle.Path{}) {
		for _, p := range e.allPaths() {
			p.look()
		}
		return
	}
	e.pathsMu.RLock()
	defer e.pathsMu.RUnlock()
	for _, p := range e.byThrottle[tp] {
		p.look()
	}
}

// path returns the path for a key, made if needed.
func (e *Engine) path(key pathKey, route *Route) *path {
	e.pathsMu.RLock()
	p := e.paths[key]
	e.pathsMu.RUnlock()
	if p != nil {
		return p
	}
	e.pathsMu.Lock()
	defer e.pathsMu.Unlock()
	if p = e.paths[key]; p != nil {
		return p
	}
	p = newPath(e, key, route)
	e.paths[key] = p
	e.byThrottle[key.Path] = append(e.byThrottle[key.Path], p)
	return p
}

// forget drops a path unless it has something to do.
func (e *Engine) forget(p *path) {
	e.pathsMu.Lock()
	defer e.pathsMu.Unlock()
	if !p.retire() {
		return
	}
	delete(e.paths, p.key)
	list := e.byThrottle[p.key.Path]
	for i, q := range list {
		if q == p {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(e.byThrottle, p.key.Path)
	} else {
		e.byThrottle[p.key.Path] = list
	}
}

// observe tells the monitor of an event.
func (e *Engine) observe(ev monitor.Event) {
	if e.quiet {
		return
	}
	shared := e.events.Get().(*monitor.Event)
	*shared = ev
	shared.Time = time.Now()
	e.Monitor.Observe(shared)
	*shared = monitor.Event{}
	e.events.Put(shared)
}
