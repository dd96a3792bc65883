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
	e        *core
	p        *path
	key      *pathKey
	limits   *throttle.Limits
	route    *Route
	tried    int
	failure  *queue.Result // of what was tried; a temporary one rather than a permanent one
	wait     throttle.Wait // the shortest of the addresses that could not be tried now
	paused   []netip.Addr  // addresses that are paused for the first in line
	avoided  bool          // an address was left out where what waits was tried before
	nobody   bool          // nothing waits any more
	mismatch bool          // an address was of the wrong family
}

// connect makes a connection, trying the hosts in turn. On failure it tells the path, and returns nil.
func (r *round) connect() *link {
	var looks uint64
	r.route, looks = r.p.way()
	if l := r.hosts(); l != nil {
		return l
	}
	switch {
	case r.e.stopping():
		r.p.notConnected(throttle.Wait{}, looks)
	case r.failure != nil && (temporary(r.failure) || r.wait.Zero()):
		r.p.connectFailed(*r.failure)
	case !r.wait.Zero():
		r.p.notConnected(r.wait, looks)
	case len(r.paused) > 0:
		r.p.parkAtTargets(r.paused)
	case r.nobody:
		r.p.notConnected(throttle.Wait{}, looks)
	case r.avoided:
		r.p.fallen()
	case r.mismatch:
		r.p.unfit()
	default:
		r.p.connectFailed(queue.Result{State: queue.StateDNS, Result: queue.Error, Code: 451, Status: "4.4.3",
			Description: r.key.Site + ": its hosts have no addresses"})
	}
	return nil
}

// hosts tries each host in turn until a connection stands.
func (r *round) hosts() *link {
	hosts := shuffled(r.route.Hosts)
	for _, host := range hosts[:min(len(hosts), maxHosts)] {
		addrs := []netip.Addr{{}}
		if host.Name != "" {
			var err error
			if addrs, err = r.e.router.Addresses(r.e.untilStop(), host); err != nil {
				r.failed(routeResult(err))
				continue
			}
		}
		policy, err := r.tlsPolicy(host)
		if err != nil {
			if policy.Tell != nil {
				policy.Tell(TLSSession{})
			}
			r.failed(asFailure(err).Result)
			continue
		}
		for _, addr := range addrs {
			if r.tried == maxTargets || r.e.stopping() {
				return nil
			}
			if l, more := r.try(host, policy, addr.Unmap()); !more {
				return l
			}
		}
	}
	return nil
}

// tlsPolicy is what is published about connections to a host, as far as it binds the mail of the path.
func (r *round) tlsPolicy(host Host) (TLSPolicy, error) {
	switch {
	case r.e.tls == nil:
		return TLSPolicy{}, nil
	case r.key.tlsOptional:
		return TLSPolicy{Waived: true}, nil
	}
	return r.e.tls.Host(r.e.untilStop(), r.route, host)
}

// try connects to one address. more is false when the connection stands, or trying another one is of no use.
func (r *round) try(host Host, policy TLSPolicy, addr netip.Addr) (l *link, more bool) {
	if source := r.key.Source; host.Local == "" && source.IsValid() && familyOf(source) != familyOf(addr) {
		r.mismatch = true
		return nil, true
	}
	target := netip.AddrPortFrom(addr, uint16(cmp.Or(max(host.Port, 0), 25)))
	if avoids(r.key.avoid, addr) {
		r.avoided = true
		return nil, true
	}
	if s := r.e.steering(); s != nil {
		if paused, wanted := r.p.pausedForFirst(s, addr); !wanted {
			r.nobody = true
			return nil, false
		} else if paused {
			r.paused = append(r.paused, addr)
			return nil, true
		}
	}
	if left := r.e.offline.left(target); left > 0 {
		r.later(throttle.Wait{For: left, Limit: "connection_offline", Rule: "back-off"})
		return nil, true
	}
	if wait := r.p.limitAt(addr); !wait.Zero() {
		r.later(wait)
		return nil, true
	}
	if wait := r.e.contended.mayTry(r.p, addr); !wait.Zero() {
		r.later(wait)
		return nil, true
	}
	account, wait := r.e.throttle.Connect(r.key.Path, addr)
	if account == nil {
		r.e.contended.keptOut(r.p, addr, wait)
		r.later(wait)
		return nil, true
	}
	r.tried++
	r.event(monitor.ConnStarting, target, "", monitor.Stages{})
	hop := r.hop(host, policy, target)
	conn, err := r.e.sender.Open(r.e.untilStop(), hop)
	if err == nil {
		l = &link{conn: conn, account: account, target: target, mx: host.Name, hop: hop, opened: time.Now()}
		l.heed(r.e.learned.most(target))
		r.event(monitor.ConnReady, target, "", l.took())
		r.p.established()
		account.Established()
		return l, false
	}
	failure := asFailure(err)
	r.event(monitor.ConnFailed, target, failure.Result.Description, failure.Stages)
	r.e.contended.failed(r.p, addr)
	account.Close()
	r.e.classify(&failure.Result, host.Name)
	r.refused(failure, target)
	return nil, failure.Temporary
}

// refused notes what an address answered, or that it did not.
func (r *round) refused(failure *Failure, target netip.AddrPort) {
	result := failure.Result
	r.failed(result)
	if r.e.stopping() {
		return // we broke it off ourselves
	}
	r.e.throttle.Observe(r.key.Path, target.Addr(),
		throttle.Outcome{Code: result.Code, Text: result.Description, ConnLost: result.Code == 0})
	if result.Result == queue.Invalid {
		r.event(monitor.Strange, target, result.Description, monitor.Stages{})
	}
	r.e.offline.leaveAlone(target, &result, r.limits)
	if result.State == queue.StateConnect && failure.Temporary { // otherwise the way there is at fault
		r.e.offline.add(target, shutOut(r.limits))
	}
}

// failed notes a failure. A failure that may pass outweighs one that will not: the mail may still go.
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

func (r *round) hop(host Host, policy TLSPolicy, target netip.AddrPort) *Hop {
	hop := &Hop{
		Source:      r.key.Source,
		Target:      target,
		Local:       host.Local,
		Host:        host.Name,
		Domain:      r.key.Site,
		Hostname:    r.e.hostname(r.key.Source),
		Security:    r.key.security,
		TLS:         policy,
		RequireTLS:  r.key.requireTLS && host.Local == "",
		Vouched:     r.route.Vouches(host, &policy),
		Credentials: r.route.Credentials,
		Timeouts:    r.limits.Timeouts,
		Monitor:     r.e.monitor,
		Counted:     r.limits.Domain.Connections > 0 || r.limits.Target.Connections > 0,
	}
	if hop.Security == "" {
		hop.Security = queue.Security(r.limits.Connection.Security)
	}
	switch {
	case r.route.Relay:
		hop.CertNames = []string{host.Name}
	case r.key.security == queue.Verified:
		hop.CertNames = []string{r.key.domain}
	}
	return hop
}

func (r *round) event(kind monitor.Kind, target netip.AddrPort, text string, took monitor.Stages) {
	r.e.observe(monitor.Event{Kind: kind, MTA: r.key.Source, Remote: target, Domain: r.key.Site, Text: text, Stages: took})
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
