package delivery

import (
	"cmp"
	"time"
)

// add puts a job into the ready list, or has it parked when the list is full; one of a higher priority takes the place
// of another.
func (p *path) add(j *job, route *Route) reception {
	p.mu.Lock()
	switch {
	case p.gone:
		p.mu.Unlock()
		return retired
	case !p.unfitTo.IsZero() && time.Now().Before(p.unfitTo):
		p.mu.Unlock()
		return unsuitable
	case p.e.stopping():
		p.mu.Unlock()
		p.e.release(j)
		return received
	case j.outdated(p.e.epoch()):
		p.mu.Unlock()
		return outdated
	}
	p.route = route
	j.path = p
	unparked := p.shelf.Arrived(j.domain)
	owed := p.owed
	switch {
	case owed != nil:
		p.owed = nil
		p.mu.Unlock()
		p.e.unreached(j, *owed)
	case !p.room(j, unparked):
		out := p.ready.yields(j)
		if out == nil {
			out = j
		} else {
			p.ready.put(j)
			p.advance()
		}
		p.shelf.Put(out.domain, unparked && out == j)
		p.refill()
		p.mu.Unlock()
		p.e.park(out, "the list of its path is full")
	default:
		p.ready.put(j)
		p.advance()
		p.mu.Unlock()
	}
	return received
}

// putBack returns a job that was not sent to the front of the list, to go out next. While the engine stops, it goes
// back to the queue.
func (p *path) putBack(j *job) {
	p.mu.Lock()
	if p.e.stopping() {
		p.mu.Unlock()
		p.e.release(j)
		return
	}
	p.ready.putFirst(j)
	p.advance()
	p.mu.Unlock()
}

// look has the path ask the throttle again. It does not block.
func (p *path) look() {
	p.mu.Lock()
	p.allowance.look()
	p.idle.look()
	p.advance()
	p.mu.Unlock()
}

// ring is called by the timer.
func (p *path) ring() {
	p.mu.Lock()
	p.alarm.Rang()
	p.advance()
	p.mu.Unlock()
}

// advance wakes an idle connection, opens a new one, or fetches parked messages, whatever is due. p.mu is held.
func (p *path) advance() {
	if p.e.stopping() || p.gone {
		return
	}
	p.refill()
	if p.ready.len() == 0 {
		return
	}
	now := time.Now()
	if at := p.allowance.sendAt(); now.Before(at) {
		p.alarm.Set(at)
		return
	}
	if c := p.idle.next(now); c != nil {
		c.wake()
		return
	}
	p.grow()
}

// grow opens more connections when the open ones have more work than they should. p.mu is held.
func (p *path) grow() {
	for !p.e.stopping() && p.ready.len() > 0 && p.wantsConnection() && p.mayConnect() {
		if p.starved {
			return
		}
		if !p.e.slots.TryAcquire() {
			p.starved = true
			p.e.starved.add(p, p.open == 0)
			return
		}
		p.connect()
	}
}

// patient is how long what waits may see no connection take anything before another one is opened.
const patient = 15 * time.Second

// wantsConnection is the strategy of growth: the first connection is made at once; another when each one has enough
// messages waiting, or none has taken one for long, or for each message that needs a new one; no more of them starting
// at a time than are open. p.mu is held.
func (p *path) wantsConnection() bool {
	total := p.open + p.starting
	if total == 0 {
		return true
	}
	limits := p.e.throttle.Limits(p.key.Path)
	limit := cmp.Or(max(limits.Domain.Connections, 0), p.e.pathConnections)
	if total >= limit || p.starting >= max(1, p.open) {
		return false
	}
	perConnection := cmp.Or(max(limits.Connection.MinMessages, 0), 10)
	if limits.Connection.Spread {
		perConnection = 1
	}
	return p.ready.len() >= perConnection*total || p.ready.needed() > p.starting || time.Since(p.used) > patient
}

// mayConnect checks back-off and the throttle's last answer. p.mu is held.
func (p *path) mayConnect() bool {
	until := later(p.backOff.until(p.open > 0), p.allowance.connectAt())
	if time.Now().Before(until) {
		p.alarm.Set(until)
		return false
	}
	return true
}

// connect starts a connection; the slot is acquired. p.mu is held.
func (p *path) connect() {
	p.starting++
	p.starved = false
	p.e.conns.Add(1)
	go newConnection(p.e, p).run()
}

// connections returns how many connections are open, and whether something waits for one.
func (p *path) connections() (open int, wanted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, p.ready.len() > 0
}

// connects reports whether a connection is being made.
func (p *path) connects() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starting > 0
}

// fed ends the wait for a slot, and reports whether a connection is made with the one that was acquired.
func (p *path) fed(acquired bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starved = false
	if !acquired {
		p.advance()
		return false
	}
	if p.e.stopping() || p.ready.len() == 0 || !p.wantsConnection() || !p.mayConnect() {
		return false
	}
	p.connect()
	return true
}

// drain ends idle connections and releases what waits. The engine stops: nothing new begins once it returned.
func (p *path) drain() {
	p.mu.Lock()
	jobs := p.ready.takeAll()
	idle := p.idle.takeIf(func(*connection) bool { return true })
	p.alarm.Stop()
	p.mu.Unlock()
	for _, c := range idle { // to find that it must end
		c.wake()
	}
	for _, j := range jobs {
		p.e.release(j)
	}
}

// reception is what a path does with a job.
type reception uint8

// ahead returns how many messages are before the one with an id in the ready list; negative: it is not there.
func (p *path) ahead(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready.place(id)
}
