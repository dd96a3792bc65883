package delivery

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/delivery/internal/aside"
	"github.com/sluicemail/sluice/delivery/internal/settling"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// core is what all parts of an engine share: its settings with their defaults, the state of its run, and the few
// methods by which paths and look-ups hand messages back to the engine.
type core struct {
	engine
	life
	steered

	queue           queue.Queue
	router          Router
	sender          Sender
	throttle        throttle.Throttler
	slots           Slots
	monitor         monitor.Monitor
	log             *slog.Logger
	outbox          string
	name            string // in EHLO
	prefetch        int
	pathQueue       int
	pathConnections int
	lookups         int
	edit, finish    func(context.Context, *queue.Message) (queue.Body, error)
	returnPath      func(*queue.Message) (address, envid string)
	sources         Sources
	policy          policy
	planner         planner

	inMemory atomic.Int64  // messages
	waiting  atomic.Int64  // paths on which something waits
	turn     atomic.Uint64 // of the source addresses
	mails    mails
	conns    sync.WaitGroup
	settler  settling.Settler
	starved  starved
	offline  offline
	learned  learned
	unbound  unbound
	aside    aside.Registry
	quiet    bool      // nobody listens to events
	events   sync.Pool // of *monitor.Event
}

// engine is what the parts of an Engine know of it: what becomes of a message that leaves them. None of its methods
// waits; place takes the lock of a path, allPaths that of all paths.
type engine interface {
	// place puts a message into the ready list of the path that is its way now; nil when it ended here.
	place(*job, *Route) *path
	// respond asks the rules about a reply; conclude ends the attempt by what they decide. sent says that the remote
	// accepted the message.
	respond(j *job, result *queue.Result, text string, target netip.Addr) Decision
	conclude(j *job, result queue.Result, d Decision, sent bool)
	// unreached ends an attempt for which no connection could be had, and reports whether a rule ended it for good.
	unreached(*job, queue.Result) (final bool)
	// dispose ends a message as was decided, or puts it off.
	dispose(*job, verdict)
	// notTried finishes a message without an attempt.
	notTried(*job, queue.Result)
	// delay puts a message back into the outbox with no attempt counted.
	delay(*job, time.Time)
	// allPaths returns the paths that there are.
	allPaths() []*path
}

// observe tells the monitor of an event.
func (c *core) observe(ev monitor.Event) {
	if c.quiet {
		return
	}
	shared := c.events.Get().(*monitor.Event)
	*shared = ev
	shared.Time = time.Now()
	c.monitor.Observe(shared)
	*shared = monitor.Event{}
	c.events.Put(shared)
}

// hostname is our name in EHLO on connections from a source address.
func (c *core) hostname(source netip.Addr) string {
	if c.sources.Name != nil {
		if name := c.sources.Name(source); name != "" {
			return name
		}
	}
	return c.name
}

// The engine has at most Prefetch messages in memory. Up to half of that, a path may have as many as its own limit
// allows. Beyond half, the paths on which something waits for long share half of the memory evenly. Beyond seven
// eighths memory is short: what paths have beyond their share is parked, and if that is not enough, all that waits on
// paths without a connection. A path on which nothing waits for long is left in peace: what waits there is gone in a
// moment.

// load is how many messages are in memory, without messages that only have to be settled, released or parked yet.
func (c *core) load() int { return int(c.inMemory.Load()) - c.settler.Backlog() }

// halfFull reports whether more than half of the memory is taken.
func (c *core) halfFull() bool { return c.load() > c.prefetch/2 }

// short reports whether memory is nearly full.
func (c *core) short() bool { return c.load() > c.prefetch*7/8 }

// share is how many messages a path may have while memory is half full.
func (c *core) share() int { return max(2, c.prefetch/2/max(1, int(c.waiting.Load()))) }

// release gives a message back unchanged.
func (c *core) release(j *job) {
	j.unfetch()
	c.settler.Release(&j.ending)
}

// park sets a message aside in the queue.
func (c *core) park(j *job, why string) {
	j.unfetch()
	c.settler.Park(&j.ending, j.parkedUnder(), why)
}

// plan decides where a job leaves from, and takes the turn of that address; the verdict is what is decided against it.
func (c *core) plan(j *job) verdict {
	j.epoch = c.epoch() // before asking, or what changes meanwhile would go unnoticed
	var room [8]netip.Addr
	p, v := c.planner.plan(c.steering(), &j.letter, room[:0])
	if !v.goes() {
		return v
	}
	var waitsOn netip.Addr
	if j.path != nil {
		waitsOn = j.source
	}
	source, ok := p.preferred(&j.letter, waitsOn)
	if !ok {
		source = p.ofTurn(c.turn.Add(1))
	}
	j.source, j.planned = source, true
	if j.way != nil {
		j.way.redirected = p.redirected(source)
	}
	return verdict{}
}
