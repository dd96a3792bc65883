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
	"github.com/sluicemail/sluice/delivery/receivers"
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
	tls             TLSPolicies // nil: there are none
	throttle        throttle.Throttler
	slots           Slots
	monitor         monitor.Monitor
	log             *slog.Logger
	outbox          string
	name            string // in EHLO
	pathQueue       int
	pathConnections int
	multiRecipient  int
	lookups         int
	edit            func(context.Context, *queue.Message) (queue.Body, error)
	finish          func(context.Context, *Hop, *Transaction) (queue.Body, error)
	receivers       func() *receivers.Book
	returnPath      func(*queue.Message) (address, envid string)
	sources         Sources
	policy          policy
	planner         planner

	memory    memory
	turn      atomic.Uint64 // of the source addresses
	mails     mails
	conns     sync.WaitGroup
	settler   settling.Settler
	starved   starved
	contended contended
	offline   offline
	learned   learned
	unbound   unbound
	aside     aside.Registry
	quiet     bool      // nobody listens to events
	events    sync.Pool // of *monitor.Event
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

// classify gives a result its class, unless it has one. mx is the host that was asked; "": none, or it does not matter.
func (c *core) classify(r *queue.Result, mx string) {
	if r.Class == "" && !r.Success() {
		r.Class = c.receivers().Class(r, mx)
	}
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

// release gives a message back unchanged.
func (c *core) release(j *job) {
	j.unfetch()
	c.settler.Release(&j.Ending)
}

// park sets a message aside in the queue.
func (c *core) park(j *job, why string) {
	j.unfetch()
	c.settler.Park(&j.Ending, j.parkedUnder(), why)
}

// plan decides where a job leaves from, and takes the turn of that address; the verdict is what is decided against it.
func (c *core) plan(j *job) verdict {
	j.ask(c.epoch()) // before asking, or what changes meanwhile would go unnoticed
	var room [8]netip.Addr
	p, v := c.planner.plan(c.steering(), &j.letter, room[:0])
	if !v.goes() {
		return v
	}
	var waitsOn netip.Addr
	if j.path != nil {
		waitsOn = j.leaves()
	}
	source, ok := p.preferred(&j.letter, waitsOn)
	if !ok {
		source = p.ofTurn(c.turn.Add(1))
	}
	j.choose(source)
	j.redirect(p.redirected(source))
	return verdict{}
}

// tellAlias tells the throttle, whose rules name domains, that one belongs to a site.
func (e *core) tellAlias(site, domain string) {
	if aliaser, ok := e.throttle.(throttle.Aliaser); ok {
		aliaser.Alias(site, domain)
	}
}
