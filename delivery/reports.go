package delivery

import (
	"net/netip"
	"time"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// established counts a connection as open.
func (p *path) established() {
	p.mu.Lock()
	p.starting--
	p.open++
	p.owed = nil
	p.used = time.Now()
	p.refill()
	p.grow()
	p.mu.Unlock()
}

// recovered ends the back-off and forgets earlier failures: the first mail was answered over a connection.
func (p *path) recovered() {
	p.mu.Lock()
	p.good++
	p.backOff.end()
	p.mu.Unlock()
}

// closed counts a connection as ended, which proved that the path works or did not. Where it made room for another
// path, its own next connection waits.
func (p *path) closed(proven bool, wait throttle.Wait) {
	p.mu.Lock()
	p.open--
	if proven {
		p.good--
	}
	if !wait.Zero() {
		p.allowance.connectAfter(wait, p.allowance.told())
	}
	p.used = time.Now()
	p.mu.Unlock()
}

// notConnected ends the attempt to make a connection that the throttle or the engine's end cut short. When the throttle
// asked to look again meanwhile, its wait is out of date.
func (p *path) notConnected(wait throttle.Wait, looks uint64) {
	p.mu.Lock()
	p.starting--
	if !wait.Zero() {
		p.allowance.connectAfter(wait, looks)
	}
	p.mu.Unlock()
}

// connectFailed ends a round of connecting that failed. While no other connection works, the first waiting job gets the
// result as its attempt; the others wait for the end of the back-off with none counted against them. While others work,
// the path only grows no further for a while.
func (p *path) connectFailed(result queue.Result) {
	p.mu.Lock()
	p.starting--
	if p.open > 0 {
		p.backOff.slow(&result)
		p.mu.Unlock()
		return
	}
	delay := p.fail(&result)
	j := p.ready.takeFirst()
	var others []*job
	route := p.route
	unmet := p.key.requireTLS && !temporary(&result) // for all that waits, and for nothing but what the hosts offer
	if unmet || p.unbindable(result) {
		others = p.ready.takeAll()
	}
	if j == nil && (p.shelf.Len() > 0 || p.shelf.Awaits()) {
		p.owed = &result
	}
	p.mu.Unlock()
	p.e.log.Info("connecting failed", "path", p.key.Path.String(), "reason", reason(&result), "again in", delay)
	if j != nil && p.e.unreached(j, result) {
		p.unreachable(result)
	}
	for _, other := range others {
		if unmet {
			p.e.unreached(other, result)
			continue
		}
		other.drop()
		p.e.place(other, route)
	}
}

// unreachable has the rules asked about all that waits, as they ended the first in line for good: it is not chance that
// decides who fails. What they do not end goes on waiting.
func (p *path) unreachable(result queue.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, j := range p.ready.takeAll() {
		said := result
		d := p.e.respond(j, &said, said.Description, netip.Addr{})
		switch {
		case d.final():
			p.e.conclude(j, said, d, false)
		case p.e.stopping():
			p.e.release(j)
		default:
			p.ready.put(j)
		}
	}
}

// unbindable has a source address left alone that could not be bound, where the throttle says so; it reports whether
// what waits may take another one.
func (p *path) unbindable(result queue.Result) bool {
	retry := p.e.throttle.Limits(p.key.Path).Faults.BindRetry
	if result.State != queue.StateBind || retry <= 0 || !p.key.Source.IsValid() {
		return false
	}
	p.e.unbound.add(p.key.Source, retry)
	return true
}

// unfit ends an attempt to make a connection for which the source has no address of the right family: what waits is
// given other sources.
func (p *path) unfit() {
	p.mu.Lock()
	p.starting--
	p.unfitTo = time.Now().Add(quiet)
	jobs := p.ready.takeAll()
	route := p.route
	p.mu.Unlock()
	for _, j := range jobs {
		j.unfitFor(p.key.Source)
		p.e.place(j, route)
	}
}

// strike starts a back-off because a connection broke over which no mail was answered. While others do work, the path
// only grows no further for a while.
func (p *path) strike(result queue.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.good > 0 {
		p.backOff.slow(&result)
	} else {
		p.fail(&result)
	}
}

// fail puts the path off-line and returns for how long. p.mu is held.
func (p *path) fail(result *queue.Result) time.Duration {
	return p.backOff.fail(result, p.e.throttle.Limits(p.key.Path))
}

// delay puts the path off-line, as a rule has it: that the reply concerns all messages to it.
func (p *path) delay(result queue.Result) {
	p.mu.Lock()
	delay := p.fail(&result)
	p.allowance.sendAfter(throttle.Wait{For: delay}, p.allowance.told())
	p.alarm.Set(p.allowance.sendAt())
	p.mu.Unlock()
}

// fallen ends what waits for addresses that are not there: the result of the address before is that of the attempt.
func (p *path) fallen() {
	p.mu.Lock()
	p.starting--
	jobs := p.ready.takeAll()
	p.mu.Unlock()
	for _, j := range jobs {
		// after the next interval, whatever the reply was
		p.e.conclude(j, j.fallenBack(), Decision{Greylisted: new(bool)}, false)
	}
}
