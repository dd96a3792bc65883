package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/aside"
	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/delivery/receivers"
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
	// MultiRecipient is how many messages that are the same but for their recipients may go as one mail to a server, at
	// most 100. Below 2: each goes by itself.
	MultiRecipient int
	// Lookups is the largest number of route look-ups at a time; zero means 100.
	Lookups int
	// Edit and Finish make of a message's mail what goes over the wire: Edit changes its header, Finish signs what came
	// of that. They are called by the connection just before the mail is sent; what a remote does not take is changed
	// between them, and Finish called for it again. Finish sees all that the remote will: the mail as it is then and
	// its envelope in tx, which it leaves alone, and the way in hop. An error that is a *Failure has the message end
	// with its result, or wait when it is temporary. Nil: the mail goes as it is.
	Edit   func(context.Context, *queue.Message) (queue.Body, error)
	Finish func(ctx context.Context, hop *Hop, tx *Transaction) (queue.Body, error)
	// Render makes the mail of a message that has one of the properties data, inlinecss and list-unsubscribe, or an
	// object for a mime; body is what it has for a mail, nil when that is an object. It is called once for each
	// attempt, before Edit: by the connection that waits for it where the mail is there, as many at a time as there
	// are processors; it returns soon after ctx ends. An error that is a *Failure has the message end with its result,
	// or wait when it is temporary. Nil: such messages fail, or go as they are when force says so.
	Render func(ctx context.Context, m *queue.Message, body queue.Body) (queue.Body, error)
	// ReturnPath returns the address that a message is sent from over the wire in place of its own envelope, which
	// results keep, and what identifies it where the remote speaks DSN and the message brings nothing of its own (RFC
	// 3461 §4.4); "": its own, nothing. It is called once for each attempt, never for the null sender. Nil: messages
	// are sent from their own.
	ReturnPath func(m *queue.Message) (address, envid string)
	// Extract has the message of events that tell of an outcome carry the property extracted, as results do.
	Extract bool
	// Steering returns what an operator decided about messages; it is asked for every message and must not block.
	// Steered is called when it returns something else. Nil, or when it returns nil: there are no rules.
	Steering func() Steering
	// Receivers returns what is known about receivers, by which results get their classes. It must not block. Nil:
	// receivers.Standard.
	Receivers func() *receivers.Book
	// Store has the mails of messages that come with a key instead. Nil: such messages fail.
	Store Store
	// StoreTimes returns how long fetching a mail may take, and after how long a message is looked at again when the
	// store could not be asked. It must not block. Nil, or zero: 20 seconds, 2 minutes.
	StoreTimes func() (timeout, again time.Duration)

	// TLS says how connections to MX hosts have to be secured beyond what messages and throttles ask for. Nil: not at
	// all.
	TLS TLSPolicies

	// Notifier makes the notifications that senders get. Nil: they get none.
	Notifier Notifier

	core
	once    sync.Once
	running atomic.Bool
	stopped chan struct{} // closed when Run returns

	paths
	routing   routing
	unheeded  unheeded
	relieving atomic.Bool
}

// QueueNames names the queues. Results that have no queue are not published.
type QueueNames struct {
	Outbox                           string // "" means "outbox"
	Results, Success, Failure, Retry string // "": not published
	// DSN is where what Notifier makes is published; "": it is asked only about messages that name a queue.
	DSN string
	// Hook is where a copy of each final result is published without its mail, and with HookRetries of the others too;
	// messages have no say in that. With HookExtract they have the property extracted, as they have anyway when another
	// queue gets them. "": nowhere.
	Hook        string
	HookRetries bool
	HookExtract bool
}

// ErrRunning is returned by Run when the engine runs, or ran before.
var ErrRunning = errors.New("delivery: an engine runs once")

func (e *Engine) init() {
	e.once.Do(func() {
		e.configure()
		e.begin()
		e.stopped = make(chan struct{})
		e.paths.init(&e.core)
		names := settling.Names(e.Names)
		names.Outbox = e.outbox
		e.settler = settling.Settler{Queue: e.queue, Names: names, Logger: e.log, Ended: e.ended}
		e.settler.Start(e.untilBreak())
		e.routing.init(e)
		e.starved.init(&e.core)
		e.contended.init()
		e.offline.init()
		e.learned.init()
		e.unbound.init()
		parker, _ := e.queue.(queue.Parker)
		e.aside = aside.Registry{Queue: parker, Outbox: e.outbox, Logger: e.log,
			Room: e.memory.spare}
		e.aside.Init()
	})
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
	e.throttle.Changed(e.paths.changed)
	var upkeep sync.WaitGroup
	upkeep.Go(e.sweep)
	upkeep.Go(func() { e.aside.Run(e.untilStop()) })

	err := e.consumeOutbox()

	// From here on nothing new begins: stopping is looked at under the lock of a path before anything begins there, and
	// drain takes each of these locks.
	e.stop()
	upkeep.Wait()
	e.routing.wait()
	e.drain()
	e.starved.wait()
	e.conns.Wait()
	e.drain() // what connections gave back while they ended
	e.settler.Stop()
	e.breakOff()
	e.mails.wait()
	return err
}

// consumeOutbox reads the outbox until it is told to stop; a queue that is unavailable is asked again and again.
func (e *Engine) consumeOutbox() error {
	delay, said := time.Second, ""
	for {
		began := time.Now()
		err := e.queue.Consume(e.untilStop(), e.outbox, queue.ConsumeOptions{Prefetch: e.memory.size()}, e.handle)
		if e.stopping() {
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
			e.log.Warn("reading the outbox failed; trying again", "queue", e.outbox, "error", err)
		}
		select {
		case <-time.After(delay):
		case <-e.untilStop().Done():
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
	e.stop()
	if !e.running.Load() {
		return nil
	}
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

// Steered tells the engine that Steering returns something else than before. Nothing that is paused now begins any more
// once it returned; what waits in memory is gone through by and by, and what is no longer paused is fetched again. It
// does not block.
func (e *Engine) Steered() {
	e.init()
	e.change()
	e.aside.Recheck()
}

// Learned returns how many mails the hosts of a site were seen to take over one connection, of several the smallest
// number, and since when that is known; zero: any number. Later connections end before it. It is forgotten after a day.
func (e *Engine) Learned(site string) (mails int, since time.Time) {
	e.init()
	return e.learned.of(site)
}

// configure takes over what the fields of an engine say, or the defaults.
func (e *Engine) configure() {
	c := &e.core
	c.engine = e
	c.queue, c.router, c.sender, c.sources = e.Queue, e.Router, e.Sender, e.Sources
	c.tls = e.TLS
	c.edit, c.finish, c.returnPath = e.Edit, e.Finish, e.ReturnPath
	c.steered.init(func() Steering { // the field may be set until Run
		if e.Steering == nil {
			return nil
		}
		return e.Steering()
	})
	c.receivers = e.Receivers
	if c.receivers == nil {
		c.receivers = receivers.Standard
	}
	c.throttle = cmp.Or(e.Throttle, throttle.Unlimited)
	c.slots = cmp.Or[Slots](e.Slots, make(semaphore.Semaphore, 1000))
	c.monitor = cmp.Or(e.Monitor, monitor.Discard)
	c.log = cmp.Or(e.Logger, slog.Default())
	c.mails = mails{store: e.Store, limits: e.StoreTimes, renderer: newRenderer(e.Render), log: c.log}
	c.outbox = cmp.Or(e.Names.Outbox, "outbox")
	c.name = cmp.Or(e.Hostname, "localhost")
	c.memory = memory{most: cmp.Or(max(e.Prefetch, 0), queue.DefaultPrefetch), leaving: c.settler.Backlog}
	c.pathQueue = cmp.Or(max(e.PathQueue, 0), 500)
	c.pathConnections = cmp.Or(max(e.PathConnections, 0), 100)
	c.multiRecipient = e.MultiRecipient
	c.lookups = cmp.Or(max(e.Lookups, 0), 100)
	c.policy = policy{retry: e.Retry, looseEnvelope: e.LooseEnvelope, looseRecipient: e.LooseRecipient,
		store: e.Store != nil, renders: e.Render != nil}
	c.planner = planner{sources: &c.sources, unbound: &c.unbound, router: c.router, throttle: c.throttle}
	c.quiet = c.monitor == monitor.Discard
	c.events.New = func() any { return new(monitor.Event) }
}
