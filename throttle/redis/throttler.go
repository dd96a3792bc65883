package redis

import (
	"context"
	"crypto/rand"
	"log/slog"
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
)

// Throttler keeps limits within one process, as the local.Throttler it is made of, and beyond that shares them with
// other instances. Make it with [New]. Limits are set, and changed, at the local one.
type Throttler struct {
	local      *local.Throttler
	accounts   accounts
	loop       *loop
	start      time.Time
	timeout    time.Duration
	fixed      float64 // Options.Share
	logger     *slog.Logger
	alone      atomic.Uint64 // share, as bits; zero: leases count
	generation atomic.Uint64 // of limits
	end        context.CancelFunc
	ended      chan struct{}

	listen throttle.Listeners
}

var (
	_ throttle.Throttler = (*Throttler)(nil)
	_ throttle.Aliaser   = (*Throttler)(nil)
	_ throttle.Explainer = (*Throttler)(nil)
)

// New shares the limits of a local throttler through the first of some servers that answers, each given as
// redis://:password@host:port/db, or rediss:// for TLS. An error tells what is wrong with an address; New does not
// connect, and needs no server to be there. Close ends it.
func New(limits *local.Throttler, addresses []string, options Options) (*Throttler, error) {
	options = options.complete()
	store, err := openRemote(addresses, options)
	if err != nil {
		return nil, err
	}
	return start(limits, store, options), nil
}

func (o Options) complete() Options {
	if o.Instance == "" {
		o.Instance = rand.Text()
	}
	if o.Prefix == "" {
		o.Prefix = "sluice"
	}
	if o.Timeout <= 0 || o.Timeout > leaseLife/2 {
		o.Timeout = leaseLife / 2
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func start(limits *local.Throttler, s store, o Options) *Throttler {
	t := &Throttler{local: limits, start: time.Now(), timeout: o.Timeout, fixed: o.Share, logger: o.Logger,
		ended: make(chan struct{})}
	t.accounts.all = make(map[string]*account)
	t.loop = &loop{t: t, store: s, awake: make(chan struct{}, 1)}
	limits.Changed(func(throttle.Path) { t.generation.Add(1) })
	ctx, cancel := context.WithCancel(context.Background())
	t.end = cancel
	go func() {
		defer close(t.ended)
		t.loop.run(ctx)
	}()
	return t
}

// Close gives back what was leased, disconnects and returns within the time-out. From then on only this instance's own
// share of the limits holds.
func (t *Throttler) Close() error {
	t.end()
	<-t.ended
	t.setShare(t.loop.fallback())
	t.listen.Tell(throttle.PathSet{All: true})
	return t.loop.store.close()
}

// now returns a time in nanoseconds that never jumps. It is always positive.
func (t *Throttler) now() int64 { return int64(time.Hour + time.Since(t.start)) }

// share is the part of the limits that this instance keeps to by itself; zero: it shares them.
func (t *Throttler) share() float64 { return math.Float64frombits(t.alone.Load()) }

func (t *Throttler) setShare(share float64) (changed bool) {
	return t.alone.Swap(math.Float64bits(share)) != math.Float64bits(share)
}

// Shared reports whether limits are shared now; otherwise this instance keeps to its own share of them.
func (t *Throttler) Shared() bool { return t.share() == 0 }

// Limits returns the effective values of a path; see throttle.Throttler.
func (t *Throttler) Limits(path throttle.Path) *throttle.Limits { return t.local.Limits(path) }

// Observe passes the outcome on; see throttle.Throttler.
func (t *Throttler) Observe(path throttle.Path, target netip.Addr, outcome throttle.Outcome) {
	t.local.Observe(path, target, outcome)
}

// Alias passes the domains of a site on; see throttle.Aliaser.
func (t *Throttler) Alias(site, domain string) { t.local.Alias(site, domain) }

// Changed registers f; see throttle.Throttler. It is called also when leases arrive.
func (t *Throttler) Changed(f func(throttle.Path)) {
	t.local.Changed(f)
	t.listen.Add(f)
}

// Connect asks to open a connection; see throttle.Throttler.
func (t *Throttler) Connect(path throttle.Path, target netip.Addr) (throttle.Conn, throttle.Wait) {
	target = target.Unmap().WithZone("")
	generation := t.generation.Load()
	limits := t.local.Limits(path)
	c := &conn{t: t, path: path,
		pathAccount:   t.accounts.hold("p:"+path.String(), ""),
		targetAccount: t.accounts.hold("t:"+target.String(), "ip_")}
	c.bind(limits, generation)
	now, share := t.now(), t.share()
	c.lock()
	var from [2]lease
	wait := c.mayConnect(share, now)
	if wait.Zero() {
		from = c.connected(share, now)
	}
	c.unlock()
	if wait.Zero() {
		c.Conn, wait = t.local.Connect(path, target)
		if wait.Zero() {
			return c, wait
		}
		c.disconnect(from, now)
	}
	t.accounts.drop(c.pathAccount, now)
	t.accounts.drop(c.targetAccount, now)
	return nil, wait
}
