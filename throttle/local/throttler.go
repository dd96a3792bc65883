package local

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// Throttler keeps limits within one process. Make it with New.
type Throttler struct {
	table      atomic.Pointer[Table]
	start      time.Time
	generation atomic.Uint64 // changes with every change of limits
	paths      *accounts[throttle.Path]
	targets    *accounts[netip.Addr]

	listen throttle.Listeners
}

var (
	_ throttle.Throttler = (*Throttler)(nil)
	_ throttle.Aliaser   = (*Throttler)(nil)
	_ throttle.Explainer = (*Throttler)(nil)
)

// New returns a throttler with the limits of a table; nil means none.
func New(table *Table) *Throttler {
	t := &Throttler{start: time.Now(), paths: newAccounts[throttle.Path](), targets: newAccounts[netip.Addr]()}
	t.install(table)
	return t
}

// now returns a time in nanoseconds that never jumps, whatever is done to the machine's clock. It is always positive.
func (t *Throttler) now() int64 { return int64(time.Hour + time.Since(t.start)) }

func (t *Throttler) install(table *Table) {
	if table == nil {
		table = new(Table)
	}
	table.init()
	t.table.Store(table)
	t.generation.Add(1)
}

// Set puts other limits in force; nil means none. Open connections keep to them from their next mail on, and all paths
// are told to look again.
func (t *Throttler) Set(table *Table) {
	t.install(table)
	t.listen.Tell(throttle.PathSet{All: true})
}

// Table returns the limits in force.
func (t *Throttler) Table() *Table { return t.table.Load() }

// Invalidate says that the rules would now give a path other limits; the zero Path means all. It is told to look again.
func (t *Throttler) Invalidate(path throttle.Path) {
	t.table.Load().forget(path)
	t.generation.Add(1)
	var who throttle.PathSet
	who.Add(path)
	t.listen.Tell(who)
}

// Limits returns the effective values of a path; see throttle.Throttler.
func (t *Throttler) Limits(path throttle.Path) *throttle.Limits { return t.table.Load().limits(path) }

// Observe passes the outcome on to rules that want it; see throttle.Throttler.
func (t *Throttler) Observe(path throttle.Path, target netip.Addr, outcome throttle.Outcome) {
	if o, ok := t.table.Load().Rules.(Observer); ok {
		o.Observe(path, target, outcome)
	}
}

// Alias passes the domains of a site on to rules that want them; see throttle.Aliaser.
func (t *Throttler) Alias(site, domain string) {
	if a, ok := t.table.Load().Rules.(throttle.Aliaser); ok {
		a.Alias(site, domain)
	}
}

// Changed registers f; see throttle.Throttler. f is called by the goroutine that makes room, within Close, Established,
// Cancel, Set or Invalidate, and may itself call any method.
func (t *Throttler) Changed(f func(throttle.Path)) {
	t.listen.Add(f)
}

// Connect asks to open a connection; see throttle.Throttler.
func (t *Throttler) Connect(path throttle.Path, target netip.Addr) (throttle.Conn, throttle.Wait) {
	target = target.Unmap().WithZone("")
	generation := t.generation.Load()
	limits := t.Limits(path)
	if wait := paused(limits); !wait.Zero() {
		return nil, wait
	}
	now := t.now()
	c := &conn{t: t, path: path, target: target, pathAccount: t.paths.hold(path, now),
		targetAccount: t.targets.hold(target, now)}
	c.bind(limits, generation)

	c.lock()
	wait := c.longest(c.pathAccount.mayConnect(&limits.Domain, path, now),
		c.targetAccount.mayConnect(&limits.Target, path, now))
	if wait.Zero() {
		c.pathAccount.connect(&limits.Domain, now)
		c.targetAccount.connect(&limits.Target, now)
		c.starting = true
	}
	c.unlock()
	if !wait.Zero() {
		c.drop(now)
		return nil, wait
	}
	return c, wait
}

// Usage is how many connections there are.
type Usage struct {
	Connections int
	Starting    int // of these
	Idle        int // of these
}

// Usage returns the connections of a path.
func (t *Throttler) Usage(path throttle.Path) Usage { return t.paths.usage(path) }

// TargetUsage returns the connections to an address, over all paths.
func (t *Throttler) TargetUsage(target netip.Addr) Usage {
	return t.targets.usage(target.Unmap().WithZone(""))
}

// Accounts returns how many paths and target addresses have something to remember.
func (t *Throttler) Accounts() (paths, targets int) { return t.paths.length(), t.targets.length() }
