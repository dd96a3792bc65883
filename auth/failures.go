package auth

import (
	"net/netip"
	"time"
)

// Failures tells how often an address, a network or a name was rejected lately. Address, Username or both are set.
type Failures struct {
	Address netip.Prefix // an IPv4 address or a /64, or a network: /24 or /48
	// in lower case, unless with an address; what users type here by mistake may be a password: do not log it
	Username string
	Rejected int       // since the count was last cleared
	Last     time.Time // the latest rejection
	Until    time.Time // an address is refused until then, a name waits until then; in the past, or zero: neither
}

// Failures lists addresses, networks, names, and names with addresses, up to most of each, those with the latest
// rejections first. 0 lists all. Networks are listed when they are refused.
func (l *Limit) Failures(most int) []Failures {
	l.once.Do(l.prepare)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var all []Failures
	l.addresses.each(now, most, func(o *offender[netip.Prefix]) {
		all = append(all, Failures{Address: o.key, Rejected: o.failed, Last: o.last, Until: o.until})
	})
	l.networks.each(now, most, func(o *offender[netip.Prefix]) {
		if o.failed > l.networks.patience.free {
			all = append(all, Failures{Address: o.key, Rejected: o.failed, Last: o.last, Until: o.until})
		}
	})
	l.names.each(now, most, func(o *offender[string]) {
		all = append(all, Failures{Username: o.key, Rejected: o.failed, Last: o.last, Until: o.until})
	})
	l.pairs.each(now, most, func(o *offender[pair]) {
		all = append(all, Failures{Address: o.key.address, Username: o.key.name, Rejected: o.failed, Last: o.last,
			Until: o.until})
	})
	return all
}

// Pardon clears the counts of an address, and of the network it is counted with.
func (l *Limit) Pardon(address netip.Addr) {
	l.once.Do(l.prepare)
	l.mu.Lock()
	defer l.mu.Unlock()
	own, network := addressKeys(address)
	l.addresses.clear(own)
	l.networks.clear(network)
	l.pairs.clearIf(func(p pair) bool { return p.address == own })
}

// PardonUser clears the counts of a user name.
func (l *Limit) PardonUser(name string) {
	l.once.Do(l.prepare)
	l.mu.Lock()
	defer l.mu.Unlock()
	key := nameKey(name)
	l.names.clear(key)
	l.pairs.clearIf(func(p pair) bool { return nameKey(p.name) == key })
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
