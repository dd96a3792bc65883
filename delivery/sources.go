package delivery

import (
	"net/netip"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// Sources tells from which local addresses mail may leave.
type Sources struct {
	// Local returns the addresses that this machine can bind to. Nil: any address that a message names is tried.
	Local func() []netip.Addr
	// Default are used for messages that name none; empty: the system chooses.
	Default []netip.Addr
	// Name returns the EHLO name for an address; nil or "": Engine.Hostname.
	Name func(netip.Addr) string
}

// pathFor chooses the path of a message; otherwise it returns the result that finishes it.
func (e *Engine) pathFor(j *job, route *Route) (pathKey, queue.Result, bool) {
	source, text := e.source(j)
	if text != "" {
		result := queue.Result{State: queue.StateBind, Result: queue.Error, Code: 550, Status: "5.3.5", Description: text}
		if j.unfit != 0 {
			result.State, result.Status = queue.StateProcess, "5.4.4"
		}
		return pathKey{}, result, false
	}
	key := pathKey{Path: throttle.Path{Source: source, Site: route.Site}, security: j.m.Security}
	if key.security == queue.Verified && !route.Relay {
		key.domain = j.domain
	}
	if route.Credentials != nil {
		key.login = *route.Credentials
	}
	return key, queue.Result{}, true
}

// source chooses the local address: one of the message's own, else of the default ones, else any; otherwise it says why
// there is none.
func (e *Engine) source(j *job) (source netip.Addr, problem string) {
	if j.m.IPs == nil && j.m.Pool == "" && len(e.Sources.Default) == 0 {
		return netip.Addr{}, ""
	}
	var room [8]netip.Addr
	usable := e.usable(room[:0], j)
	switch {
	case len(usable) > 0:
		return e.choose(usable, j.m), ""
	case j.unfit != 0:
		return netip.Addr{}, "the target has no address of a family that the message may leave from"
	case len(j.m.IPs) > 0:
		return netip.Addr{}, "none of the addresses that the message may leave from is here"
	case j.m.IPs != nil:
		return netip.Addr{}, "ips: the message may leave from no address at all"
	}
	return netip.Addr{}, "pool: there are no addresses in it"
}

// usable appends the addresses that the message may leave from and that fit its target, as far as that is known.
func (e *Engine) usable(dst []netip.Addr, j *job) []netip.Addr {
	if j.m.IPs == nil && j.m.Pool == "" {
		for _, ip := range e.Sources.Default {
			if familyOf(ip)&j.unfit == 0 {
				dst = append(dst, ip)
			}
		}
		return dst
	}
	for _, text := range j.m.IPs {
		ip, err := netip.ParseAddr(text)
		if ip = ip.Unmap(); err == nil && familyOf(ip)&j.unfit == 0 && e.isLocal(ip) {
			dst = append(dst, ip)
		}
	}
	return dst
}

// choose takes the addresses in turn. A retry leaves from the address of the attempt before when it can, as greylisting
// remembers addresses.
func (e *Engine) choose(from []netip.Addr, m *queue.Message) netip.Addr {
	if len(from) == 1 {
		return from[0]
	}
	if n := len(m.Results); n > 0 {
		if before, err := netip.ParseAddr(m.Results[n-1].From); err == nil {
			for _, ip := range from {
				if ip == before {
					return ip
				}
			}
		}
	}
	return from[e.turn.Add(1)%uint64(len(from))]
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
