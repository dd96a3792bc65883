package delivery

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// round is one round of connecting: the hosts of a route, best first, each with its addresses.
type round struct {
	c        *connection
	route    *Route
	tried    int
	failure  *queue.Result // of what was tried; a temporary one rather than a permanent one
	wait     throttle.Wait // the shortest of the addresses that could not be tried now
	paused   []netip.Addr  // addresses that are paused for the first in line
	avoided  bool          // an address was left out where what waits was tried before
	nobody   bool          // nothing waits any more
	mismatch bool          // an address was of the wrong family
}

// connect makes the connection, trying the hosts in turn. On failure the path is told.
func (c *connection) connect() bool {
	route, looks := c.p.way()
	r := round{c: c, route: route}
	c.limits = c.e.throttle.Limits(c.key.Path)
	if r.hosts() {
		return true
	}
	switch {
	case c.e.stopping.Load():
		c.p.notConnected(throttle.Wait{}, looks)
	case r.failure != nil && (temporary(r.failure) || r.wait.Zero()):
		c.p.connectFailed(*r.failure)
	case !r.wait.Zero():
		c.p.notConnected(r.wait, looks)
	case len(r.paused) > 0:
		c.p.parkAtTargets(r.paused)
	case r.nobody:
		c.p.notConnected(throttle.Wait{}, looks)
	case r.avoided:
		c.p.fallen()
	case r.mismatch:
		c.p.unfit()
	default:
		c.p.connectFailed(queue.Result{State: queue.StateDNS, Result: queue.Error, Code: 451, Status: "4.4.3",
			Description: c.key.Site + ": its hosts have no addresses"})
	}
	return false
}

// hosts tries each host in turn and reports whether the connection stands.
func (r *round) hosts() bool {
	hosts := shuffled(r.route.Hosts)
	for _, host := range hosts[:min(len(hosts), maxHosts)] {
		addrs, err := r.c.e.router.Addresses(r.c.e.consume, host)
		if err != nil {
			r.failed(routeResult(err))
			continue
		}
		for _, addr := range addrs {
			if r.tried == maxTargets || r.c.e.stopping.Load() {
				return false
			}
			if stands, more := r.try(host, addr.Unmap()); stands || !more {
				return stands
			}
		}
	}
	return false
}

// try connects to one address. more is false when trying another one is of no use.
func (r *round) try(host Host, addr netip.Addr) (stands, more bool) {
	c := r.c
	if source := c.key.Source; source.IsValid() && familyOf(source) != familyOf(addr) {
		r.mismatch = true
		return false, true
	}
	target := netip.AddrPortFrom(addr, uint16(cmp.Or(max(host.Port, 0), 25)))
	if avoids(c.key.avoid, addr) {
		r.avoided = true
		return false, true
	}
	if s := c.e.steering(); s != nil {
		if paused, wanted := c.p.pausedForFirst(s, addr); !wanted {
			r.nobody = true
			return false, false
		} else if paused {
			r.paused = append(r.paused, addr)
			return false, true
		}
	}
	if left := c.e.offline.left(target); left > 0 {
		r.later(throttle.Wait{For: left, Limit: "connection_offline", Rule: "back-off"})
		return false, true
	}
	if wait := c.p.limitAt(addr); !wait.Zero() {
		r.later(wait)
		return false, true
	}
	account, wait := c.e.throttle.Connect(c.key.Path, addr)
	if account == nil {
		r.later(wait)
		return false, true
	}
	r.tried++
	c.target = target
	c.event(monitor.ConnStarting, "")
	conn, err := c.e.sender.Open(c.e.consume, c.hop(host, r.route))
	if err == nil {
		c.conn, c.account = conn, account
		c.opened, c.most = time.Now(), c.e.learned.most(c.target)
		c.event(monitor.ConnReady, "")
		c.p.established()
		account.Established()
		return true, false
	}
	failure := asFailure(err)
	c.event(monitor.ConnFailed, failure.Result.Description)
	account.Close()
	r.refused(failure, addr)
	return false, failure.Temporary
}

// refused notes what an address answered, or that it did not.
func (r *round) refused(failure *Failure, addr netip.Addr) {
	c, result := r.c, failure.Result
	r.failed(result)
	if c.e.consume.Err() != nil {
		return // we broke it off ourselves
	}
	c.e.throttle.Observe(c.key.Path, addr,
		throttle.Outcome{Code: result.Code, Text: result.Description, ConnLost: result.Code == 0})
	if result.Result == queue.Invalid {
		c.event(monitor.Strange, result.Description)
	}
	c.e.leaveAlone(c.target, &result, c.limits)
	if result.State == queue.StateConnect && failure.Temporary { // otherwise the way there is at fault
		c.e.offline.add(c.target, shutOut(c.limits))
	}
}

// failed notes a failure. One that may pass outweighs one that will not: there was hope somewhere.
func (r *round) failed(result queue.Result) {
	if r.failure == nil || r.failure.Code >= 500 || result.Code < 500 {
		r.failure = &result
	}
}

// later notes that an address could not be tried now.
func (r *round) later(wait throttle.Wait) {
	if r.wait.Zero() || wait.For < r.wait.For {
		r.wait = wait
	}
}

func (c *connection) hop(host Host, route *Route) *Hop {
	hop := &Hop{
		Source:      c.key.Source,
		Target:      c.target,
		Host:        host.Name,
		Domain:      c.key.Site,
		Hostname:    c.e.hostname(c.key.Source),
		Security:    c.key.security,
		Credentials: route.Credentials,
		Timeouts:    c.limits.Timeouts,
		Monitor:     c.e.monitor,
		Counted:     c.limits.Domain.Connections > 0 || c.limits.Target.Connections > 0,
	}
	if hop.Security == "" {
		hop.Security = queue.Security(c.limits.Connection.Security)
	}
	switch {
	case route.Relay:
		hop.CertNames = []string{host.Name}
	case c.key.domain != "":
		hop.CertNames = []string{c.key.domain}
	}
	return hop
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
