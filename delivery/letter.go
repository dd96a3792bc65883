package delivery

import (
	"net/netip"

	"github.com/sluicemail/sluice/queue"
)

// letter is what is read of a message to decide about it. Deciding writes to nothing but its way.
type letter struct {
	m      *queue.Message
	domain string   // recipient domain, lower case
	unfit  families // of source addresses that cannot reach the site
	way    *way     // nil while there are no rules
}

// way is what the rules make of a message's way, and room to find that out.
type way struct {
	sel           Selection
	redirected    netip.Addr // where it would have left from
	told          bool       // the monitor knows
	open, planned [4]netip.Addr
}

// ownWay returns the way of a message, made if needed.
func (l *letter) ownWay() *way {
	if l.way == nil {
		l.way = new(way)
	}
	return l.way
}

// redirect notes in place of which address a message leaves from the one it does; the zero address: of none. While
// there are no rules it is of none.
func (l *letter) redirect(from netip.Addr) {
	if l.way != nil {
		l.way.redirected = from
	}
}

// untold returns, once for each message, in place of which address it leaves from the one it does.
func (l *letter) untold() (from netip.Addr, ok bool) {
	w := l.way
	if w == nil || w.told || !w.redirected.IsValid() {
		return netip.Addr{}, false
	}
	w.told = true
	return w.redirected, true
}

// room returns room for the addresses that a message may leave from, and for the addresses in place of which they came.
func (l *letter) room() (open, planned []netip.Addr) {
	way := l.ownWay()
	return way.open[:0], way.planned[:0]
}

// selection describes a message on its way from source to target.
func (l *letter) selection(source, target netip.Addr) *Selection {
	sel := &l.ownWay().sel
	*sel = Selection{Source: source, Domain: l.domain, Tags: l.m.Tags, Target: target}
	if l.m.IPs == nil {
		sel.Pool = l.m.Pool
	}
	return sel
}

// families is a set of address families.
type families uint8

const (
	ipv4 families = 1 << iota
	ipv6
)

// familyOf returns the family of a source address; none for the zero address, which the system chooses to fit.
func familyOf(a netip.Addr) families {
	switch {
	case !a.IsValid():
		return 0
	case a.Is4():
		return ipv4
	}
	return ipv6
}
