package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// maxTargets is how many addresses one round of connecting tries.
const maxTargets = 8

// round is one round of connecting: the hosts of a route, best first, each with its addresses.
type round struct {
	c       *connection
	route   *Route
	tried   int
	failure *queue.Result // of the last address that failed
	wait    throttle.Wait // of the last address that the throttle held back
	skipped bool          // an address was left out because it failed a moment ago
}

// connect makes the connection, trying the hosts in turn. On failure the path is told.
func (c *connection) connect() bool {
	c.p.mu.Lock()
	r := round{c: c, route: c.p.route}
	c.p.mu.Unlock()
	c.limits = c.e.Throttle.Limits(c.p.key.Path)
	if r.hosts() {
		return true
	}
	switch {
	case c.e.stopping.Load():
		c.p.notConnected(throttle.Wait{})
	case r.failure != nil:
		c.p.connectFailed(*r.failure)
	case !r.wait.Zero():
		c.p.notConnected(r.wait)
	case r.skipped:
		c.p.notConnected(throttle.Wait{For: firstBackOff, Limit: "connection_offline", Rule: "back-off"})
	default:
		c.p.connectFailed(queue.Result{State: queue.StateProcess, Result: queue.Error,
			Description: fmt.Sprintf("%s has no address that %s can reach", c.p.key.Site, c.p.key.Source)})
	}
	return false
}

// hosts tries each host in turn and reports whether the connection stands.
func (r *round) hosts() bool {
	for _, host := range shuffled(r.route.Hosts) {
		addrs, err := r.c.e.Router.Addresses(r.c.e.ctx, host)
		if err != nil {
			r.failed(routeResult(err))
			continue
		}
		for _, addr := range addrs {
			if r.tried == maxTargets || r.c.e.stopping.Load() {
				return false
			}
			if stands, more := r.try(host, addr); stands || !more {
				return stands
			}
		}
	}
	return false
}

// try connects to one address. more is false when trying another one is of no use.
func (r *round) try(host Host, addr netip.Addr) (stands, more bool) {
	c := r.c
	source := c.p.key.Source
	if source.IsValid() && source.Is4() != addr.Is4() {
		return false, true
	}
	if c.e.offline.is(addr) {
		r.skipped = true
		return false, true
	}
	account, wait := c.e.Throttle.Connect(c.p.key.Path, addr)
	if account == nil {
		r.wait = wait
		return false, true
	}
	r.tried++
	c.target = netip.AddrPortFrom(addr, uint16(orDefault(host.Port, 25)))
	c.event(monitor.ConnStarting, "")
	conn, err := c.e.Sender.Open(c.e.ctx, c.hop(host, r.route))
	if err == nil {
		account.Established()
		c.conn, c.account = conn, account
		c.p.established()
		c.event(monitor.ConnReady, "")
		return true, false
	}
	account.Close()
	failure := asFailure(err)
	r.failed(failure.Result)
	c.e.Throttle.Observe(c.p.key.Path, addr, throttle.Outcome{Code: failure.Result.Code, Text: failure.Result.Description, ConnLost: failure.Result.Code == 0})
	c.event(monitor.ConnFailed, failure.Result.Description)
	if failure.Result.Result == queue.Invalid {
		c.event(monitor.Strange, failure.Result.Description)
	}
	if failure.Result.State == queue.StateBind {
		return false, true
	}
	if failure.Result.State == queue.StateConnect {
		c.e.offline.add(addr, firstBackOff*3/4) // over when the path looks again
	}
	return false, failure.Temporary
}

func (r *round) failed(result queue.Result) { r.failure = &result }

func (c *connection) hop(host Host, route *Route) *Hop {
	hop := &Hop{
		Source:      c.p.key.Source,
		Target:      c.target,
		Host:        host.Name,
		Domain:      c.p.key.Site,
		Hostname:    c.e.hostname(c.p.key.Source),
		Security:    c.p.key.security,
		Credentials: route.Credentials,
		Timeouts:    c.limits.Timeouts,
		Monitor:     c.e.Monitor,
	}
	if hop.Security == "" {
		hop.Security = queue.Security(c.limits.Connection.Security)
	}
	if c.p.key.domain != "" {
		hop.CertNames = []string{c.p.key.domain}
		if route.Relay {
			hop.CertNames = []string{host.Name}
		}
	}
	return hop
}

func (e *Engine) hostname(source netip.Addr) string {
	if e.Sources.Name != nil {
		if name := e.Sources.Name(source); name != "" {
			return name
		}
	}
	return e.Hostname
}

// shuffled returns the hosts by preference, equal ones in random order (RFC 5321 §5.1).
func shuffled(hosts []Host) []Host {
	if len(hosts) < 2 {
		return hosts
	}
	order := slices.Clone(hosts)
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slices.SortStableFunc(order, func(a, b Host) int { return int(a.Preference) - int(b.Preference) })
	return order
}

func asFailure(err error) *Failure {
	var failure *Failure
	if errors.As(err, &failure) {
		return failure
	}
	return &Failure{
		Result:    queue.Result{State: queue.StateConnect, Result: queue.Error, Description: err.Error()},
		Temporary: true,
		Cause:     err,
	}
}

// routeResult is the result of an attempt that found no route.
func routeResult(err error) queue.Result {
	r := queue.Result{State: queue.StateDNS, Result: queue.Error, Code: 451, Status: "4.4.3", Description: err.Error()}
	var route *RouteError
	if errors.As(err, &route) {
		r.Code, r.Status, r.Description = route.Code, route.Status, route.Error()
		if !route.Permanent && r.Code >= 500 {
			r.Code = 451
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		r.Result = queue.Timeout
	}
	return r
}

// jitter changes d by up to a tenth, so that many paths do not come back at once.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// offline remembers the addresses that could not be reached a moment ago. It is bounded: when it is full, what is out
// of date goes, or everything.
type offline struct {
	mu    sync.Mutex
	until map[netip.Addr]time.Time
}

const maxOffline = 10000

func (o *offline) init() { o.until = make(map[netip.Addr]time.Time) }

func (o *offline) add(addr netip.Addr, d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.until) >= maxOffline {
		now := time.Now()
		for a, t := range o.until {
			if now.After(t) {
				delete(o.until, a)
			}
		}
		if len(o.until) >= maxOffline {
			clear(o.until)
		}
	}
	o.until[addr] = time.Now().Add(d)
}

func (o *offline) is(addr netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, ok := o.until[addr]
	if ok && !time.Now().Before(t) {
		delete(o.until, addr)
		ok = false
	}
	return ok
}
