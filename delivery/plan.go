package delivery

import (
	"net/netip"
	"slices"
	"time"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// planner finds the source addresses that a message may leave from. It is not changed.
type planner struct {
	sources  *Sources
	unbound  *unbound
	router   Router
	throttle throttle.Throttler
}

// plan is what a planner found: addresses that nothing is decided against.
type plan struct {
	open    []netip.Addr
	planned []netip.Addr // in place of which each of them came; nil: itself
}

// plan finds the addresses that nothing is decided against; s is nil while there are no rules. When there is none, the
// message waits while any of them is paused, is put off when one is refused for now, and fails otherwise. What it
// returns may lie in room and in the way of the letter.
func (p *planner) plan(s Steering, l *letter, room []netip.Addr) (plan, verdict) {
	if s != nil {
		return p.planByRules(s, l)
	}
	sources, named := p.usable(room, l, nil)
	switch {
	case !named:
		sources = append(sources, netip.Addr{})
	case len(sources) == 0:
		return plan{}, verdict{result: p.sourceless(l)}
	}
	return plan{open: sources}, verdict{}
}

func (p *planner) planByRules(s Steering, l *letter) (plan, verdict) {
	open, planned := l.room()
	sources, named := p.usable(open, l, s)
	if !named {
		sources = append(sources, netip.Addr{})
	}
	c := choice{planner: p, letter: l, rules: s, now: time.Now(), open: sources[:0], planned: planned}
	for _, source := range sources {
		c.consider(source)
	}
	return c.made()
}

// preferred returns the address that a message leaves from whatever its turn: the only one, the one of the path it
// waits on, or that of the attempt before, as greylisting remembers addresses.
func (p *plan) preferred(l *letter, waitsOn netip.Addr) (source netip.Addr, ok bool) {
	if len(p.open) == 1 {
		return p.open[0], true
	}
	if waitsOn.IsValid() && slices.Contains(p.open, waitsOn) {
		return waitsOn, true
	}
	last, ok := before(l.m)
	return last, ok && slices.Contains(p.open, last)
}

// ofTurn returns the address whose turn it is.
func (p *plan) ofTurn(turn uint64) netip.Addr { return p.open[turn%uint64(len(p.open))] }

// redirected returns the address that a message would have left from; the zero address: the one it does leave from.
func (p *plan) redirected(source netip.Addr) netip.Addr {
	if p.planned == nil {
		return netip.Addr{}
	}
	if planned := p.planned[slices.Index(p.open, source)]; planned != source {
		return planned
	}
	return netip.Addr{}
}

// sourceless is the result of a message that can leave from nowhere.
func (p *planner) sourceless(l *letter) *queue.Result {
	result := &queue.Result{State: queue.StateBind, Result: queue.Error, Code: 550, Status: "5.3.5"}
	switch {
	case l.unfit != 0:
		result.State, result.Status = queue.StateProcess, "5.4.4"
		result.Description = "the target has no address of a family that the message may leave from"
	case len(l.m.IPs) > 0:
		result.Description = "none of the addresses that the message may leave from is here"
	case l.m.IPs != nil:
		result.Description = "ips: the message may leave from no address at all"
	case l.m.Pool != "":
		result.Description = "pool: there are no addresses in it"
	default:
		result.Description = "none of the addresses that mail leaves from is here"
	}
	return result
}

// usable appends the addresses that the message may leave from and that fit its target, as far as that is known. named
// is false when it may leave from any.
func (p *planner) usable(dst []netip.Addr, l *letter, s Steering) (usable []netip.Addr, named bool) {
	switch {
	case l.m.IPs != nil:
		for _, text := range l.m.IPs {
			ip, err := netip.ParseAddr(text)
			if ip = ip.Unmap(); err == nil && familyOf(ip)&l.unfit == 0 && p.isLocal(ip) {
				dst = append(dst, ip)
			}
		}
	case l.m.Pool != "":
		if s != nil {
			for _, ip := range s.Pool(l.m.Pool) {
				if ip = ip.Unmap(); familyOf(ip)&l.unfit == 0 && p.isLocal(ip) {
					dst = append(dst, ip)
				}
			}
		}
	case len(p.sources.Default) == 0:
		return dst, false
	default:
		for _, ip := range p.sources.Default {
			if familyOf(ip)&l.unfit == 0 {
				dst = append(dst, ip)
			}
		}
	}
	return p.unbound.without(dst), true
}

// isLocal reports whether this machine can send from an address.
func (p *planner) isLocal(ip netip.Addr) bool {
	return p.sources.Local == nil || slices.Contains(p.sources.Local(), ip)
}

// choice is the choice of source addresses for a message.
type choice struct {
	*planner
	*letter
	rules   Steering
	open    []netip.Addr // that nothing is decided against
	planned []netip.Addr // in place of which each of them came
	now     time.Time
	against verdict // what was decided against others: a pause rather than a refusal, one for now rather than for good
	strict  bool    // the only address that the message may leave from is paused
	absent  bool    // a redirect leads to an address that is not here
}

// consider asks about one candidate.
func (c *choice) consider(source netip.Addr) {
	to := source
	if source.IsValid() {
		if other, ok := redirect(c.rules, source, c.domain, c.now); ok {
			to = other.Unmap()
			if familyOf(to)&c.unfit != 0 || !c.isLocal(to) {
				c.absent = true
				return
			}
		}
	}
	v := ruling(c.rules, c.selection(to, netip.Addr{}), c.now)
	switch {
	case v.goes():
		c.open = append(c.open, to)
		c.planned = append(c.planned, source)
	case v.pause != nil:
		c.strict = c.strict || c.bound(c.letter, to)
		if c.against.pause == nil || sooner(v.pause.Until, c.against.pause.Until) {
			c.against = v
		}
	case c.against.goes(), c.against.pause == nil && v.forNow():
		c.against = v
	}
}

// made returns what came of it.
func (c *choice) made() (plan, verdict) {
	switch {
	case len(c.open) > 0 && !c.strict:
		return plan{open: c.open, planned: c.planned}, verdict{}
	case !c.against.goes():
		return plan{}, c.against
	}
	result := c.sourceless(c.letter)
	if c.absent && c.unfit == 0 {
		result.Description = "the address that mail is redirected to is not here"
	}
	return plan{}, verdict{result: result}
}

// bound reports whether a message was greylisted at its last attempt, which left from source, and the throttle has it
// wait for that address rather than take another.
func (p *planner) bound(l *letter, source netip.Addr) bool {
	from, ok := before(l.m)
	if !ok || from != source || !greylisting(&l.m.Results[len(l.m.Results)-1]) {
		return false
	}
	site := l.domain
	if route, err, ok := p.router.Cached(l.domain); ok && err == nil {
		site = route.Site
	}
	return p.throttle.Limits(throttle.Path{Source: source, Site: site}).Greylist.SameIP
}

// owner returns the outbox of the instance that a message is for, when that is not this one; "" when none is known, and
// whether one may be heard of.
func (p *planner) owner(m *queue.Message) (outbox string, awaited bool) {
	if len(m.IPs) == 0 || p.sources.Elsewhere == nil {
		return "", false
	}
	for _, text := range m.IPs {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		if ip = ip.Unmap(); p.isLocal(ip) {
			return "", false
		}
		name, may := p.sources.Elsewhere(ip)
		awaited = awaited || may
		if outbox == "" {
			outbox = name
		}
	}
	return outbox, awaited
}
