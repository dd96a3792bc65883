package auth

import (
	"net/netip"
	"time"
)

// Failures tells how often an address or a name was rejected lately. Either Address or Username is set.
type Failures struct {
	Address  netip.Prefix // a single IPv4 address, or a /64
	Username string       // in lower case; what users type here by mistake may be a password: do not log it
	Rejected int          // since the count was last cleared
	Last     time.Time    // the latest rejection
	Until    time.Time    // refused until then; in the past, or zero: not refused
}

// Failures lists addresses and then names, up to most of each, those with the latest rejections first. 0 lists all.
func (l *Limit) Failures(most int) []Failures {
	l.once.Do(l.prepare)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var all []Failures
	l.addresses.each(now, most, func(o *offender[netip.Prefix]) {
		all = append(all, Failures{Address: o.key, Rejected: o.failed, Last: o.last, Until: o.until})
	})
	l.names.each(now, most, func(o *offender[string]) {
		all = append(all, Failures{Username: o.key, Rejected: o.failed, Last: o.last, Until: o.until})
	})
	return all
}

// Pardon clears the count of an address, or of the network it is counted with.
func (l *Limit) Pardon(address netip.Addr) {
	l.once.Do(l.prepare)
	l.mu.Lock()
	defer l.mu.Unlock()
	if key, ok := addressKey(netip.AddrPortFrom(address, 0)); ok {
		l.addresses.clear(key)
	}
}

// PardonUser clears the count of a user name.
func (l *Limit) PardonUser(name string) {
	l.once.Do(l.prepare)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names.clear(nameKey(name))
}

// each visits who has failed lately, the latest first, and most of them unless most is 0.
func (o *offenders[K]) each(now time.Time, most int, visit func(*offender[K])) {
	visited := 0
	for element := o.recent.Front(); element != nil && (most <= 0 || visited < most); {
		next := element.Next() // find may drop the element
		if found := o.find(element.Value.(*offender[K]).key, now); found != nil {
			visit(found)
			visited++
		}
		element = next
	}
}

// String says what it is.
func (l *Limit) String() string { return "limit" }

// GoString is String.
func (l *Limit) GoString() string { return l.String() }
