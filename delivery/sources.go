package delivery

import (
	"net/netip"
	"slices"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// Sources tells from which local addresses mail may leave.
type Sources struct {
	// Local returns the addresses that this machine can send from. Nil: any address that a message names is tried.
	Local func() []netip.Addr
	// Default are used for messages that name none; empty: the system chooses.
	Default []netip.Addr
	// Elsewhere returns the outbox of another instance that has an address which is not here, and "" when none is known
	// to have it. Then awaited says that one may be heard of: the message waits for it, until its time is over; see
	// [Engine.LookElsewhere]. It is asked about the addresses that a message names, and must not block. Nil: there is
	// no other.
	Elsewhere func(netip.Addr) (outbox string, awaited bool)
	// Name returns the EHLO name for an address; nil or "": Engine.Hostname.
	Name func(netip.Addr) string
}

// pathFor chooses the path of a message, unless something is decided against it.
func (e *Engine) pathFor(j *job, route *Route) (pathKey, verdict) {
	if !j.planned {
		if v := e.plan(j); !v.goes() {
			return pathKey{}, v
		}
	}
	key := pathKey{Path: throttle.Path{Source: j.source, Site: route.Site}, security: j.m.Security, avoid: j.avoid}
	if key.security == queue.Verified && !route.Relay {
		key.domain = j.domain
	}
	if route.Credentials != nil {
		key.login = *route.Credentials
	}
	return key, verdict{}
}

// sourceless is the result of a message that can leave from nowhere.
func (e *Engine) sourceless(j *job) *queue.Result {
	result := &queue.Result{State: queue.StateBind, Result: queue.Error, Code: 550, Status: "5.3.5"}
	switch {
	case j.unfit != 0:
		result.State, result.Status = queue.StateProcess, "5.4.4"
		result.Description = "the target has no address of a family that the message may leave from"
	case len(j.m.IPs) > 0:
		result.Description = "none of the addresses that the message may leave from is here"
	case j.m.IPs != nil:
		result.Description = "ips: the message may leave from no address at all"
	case j.m.Pool != "":
		result.Description = "pool: there are no addresses in it"
	default:
		result.Description = "none of the addresses that mail leaves from is here"
	}
	return result
}

// usable appends the addresses that the message may leave from and that fit its target, as far as that is known. named
// is false when it may leave from any.
func (e *Engine) usable(dst []netip.Addr, j *job, s Steering) (usable []netip.Addr, named bool) {
	switch {
	case j.m.IPs != nil:
		for _, text := range j.m.IPs {
			ip, err := netip.ParseAddr(text)
			if ip = ip.Unmap(); err == nil && familyOf(ip)&j.unfit == 0 && e.isLocal(ip) {
				dst = append(dst, ip)
			}
		}
	case j.m.Pool != "":
		if s != nil {
			for _, ip := range s.Pool(j.m.Pool) {
				if ip = ip.Unmap(); familyOf(ip)&j.unfit == 0 && e.isLocal(ip) {
					dst = append(dst, ip)
				}
			}
		}
	case len(e.Sources.Default) == 0:
		return dst, false
	default:
		for _, ip := range e.Sources.Default {
			if familyOf(ip)&j.unfit == 0 {
				dst = append(dst, ip)
			}
		}
	}
	return e.unbound.without(dst), true
}

// choose takes the addresses in turn. What waits on a path stays there when it can, and a retry leaves from the address
// of the attempt before, as greylisting remembers addresses.
func (e *Engine) choose(from []netip.Addr, j *job) netip.Addr {
	if len(from) == 1 {
		return from[0]
	}
	if j.path != nil && slices.Contains(from, j.source) {
		return j.source
	}
	if last, ok := before(j.m); ok && slices.Contains(from, last) {
		return last
	}
	turn := e.turn.Load() + 1
	if !j.asked {
		turn = e.turn.Add(1)
	}
	return from[turn%uint64(len(from))]
}

func (e *Engine) isLocal(ip netip.Addr) bool {
	if e.Sources.Local == nil {
		return true
	}
	for _, local := range e.Sources.Local() {
		if local == ip {
			return true
		}
	}
	return false
}

func (e *Engine) hostname(source netip.Addr) string {
	if e.Sources.Name != nil {
		if name := e.Sources.Name(source); name != "" {
			return name
		}
	}
	return e.Hostname
}
