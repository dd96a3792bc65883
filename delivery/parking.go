package delivery

import (
	"cmp"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// trim parks the end of the ready list beyond its capacity; all of it, when all is set and no connection takes from it.
func (p *path) trim(all bool) int {
	p.mu.Lock()
	limit := p.capacity()
	if all && p.stuck() {
		limit = 0
	}
	var over []*job
	for p.ready.len() > limit {
		j := p.ready.dropLast()
		p.shelf.Put(j.domain, false)
		over = append(over, j)
	}
	if len(over) > 0 {
		p.alarm.Set(time.Now().Add(time.Second)) // to fetch them again
	}
	p.mu.Unlock()
	for _, j := range over {
		p.e.park(j, "memory is short")
	}
	return len(over)
}

// capacity is the largest length of the ready list: the throttle's, and less while memory is half full. p.mu is held.
func (p *path) capacity() int {
	limit := cmp.Or(max(p.e.throttle.Limits(p.key.Path).Queue.Messages, 0), p.e.pathQueue)
	if p.e.memory.halfFull() && !p.flows() {
		limit = min(limit, p.e.memory.share())
	}
	return limit
}

// flowing is how long the first in line may have waited on a path that flows.
const flowing = 2 * time.Second

// flows reports whether what is put into the ready list leaves it soon. p.mu is held.
func (p *path) flows() bool {
	j := p.ready.first()
	return p.open > 0 && (j == nil || time.Since(j.since) < flowing)
}

// fresh is how much of a capacity messages may take that were not tried yet: the throttle can keep some of it for
// retries. p.mu is held.
func (p *path) fresh(capacity int) int {
	share := min(max(p.e.throttle.Limits(p.key.Path).Queue.RetryShare, 0), 100)
	return max(1, capacity-capacity*share/100)
}

// room reports whether the ready list takes another job. While older messages of the path are parked, new ones fill
// only half of it, and the rest is for the older ones when they come. p.mu is held.
func (p *path) room(j *job, unparked bool) bool {
	if p.e.memory.short() && p.stuck() {
		return false
	}
	limit := p.capacity()
	if len(j.m.Results) == 0 {
		limit = p.fresh(limit)
	}
	if !unparked && p.shelf.Len() > 0 {
		limit = max(1, limit/2)
	}
	return p.ready.len() < limit
}

// stuck reports whether no connection takes from the ready list. p.mu is held.
func (p *path) stuck() bool {
	if p.open > 0 {
		return p.allowance.sendAt().After(time.Now().Add(time.Second))
	}
	return p.starting > 0 || p.starved || later(p.backOff.until(false), p.allowance.connectAt()).After(time.Now())
}

// makingLasts is how long a connection in the making is waited for at most before messages are fetched for it. The end
// of the making has the path look sooner.
const makingLasts = time.Minute

// stuckUntil returns until when nothing is taken from the ready list: what is fetched before only takes room, and is
// parked again where that is scarce, over and over. p.mu is held.
func (p *path) stuckUntil(now time.Time) time.Time {
	switch {
	case p.open > 0:
		return p.allowance.sendAt()
	case p.starting > 0:
		return now.Add(makingLasts)
	}
	return p.allowance.connectAt()
}

// adopt makes the parked messages of a domain the business of the path.
func (p *path) adopt(domain string) {
	p.mu.Lock()
	p.shelf.Put(domain, false)
	p.used = time.Now()
	p.advance()
	p.mu.Unlock()
}

// refill asks for parked messages once the list is less than half full and something can become of them. After a
// failure only a few are fetched: enough to try again with. p.mu is held.
func (p *path) refill() {
	if p.shelf.Len() == 0 {
		return
	}
	limit := p.fresh(p.capacity())
	n := max(1, limit*3/4) - p.ready.len()
	if p.backOff.failing() && p.open == 0 {
		few := fewAgain
		if p.e.memory.halfFull() {
			few = 1 // that one gets the next attempt; others would only take room meanwhile
		}
		n = min(n, few-p.ready.len())
	}
	if n <= 0 || p.ready.len() > 0 && p.ready.len() >= limit/2 {
		return
	}
	if until := p.fruitless(); !until.IsZero() {
		p.alarm.Set(until)
		return
	}
	if until := p.shelf.Order(n, nil); !until.IsZero() {
		p.alarm.Set(until)
	}
}

// fewAgain is how many parked messages are fetched for a path on which the last connection failed.
const fewAgain = 10

// fruitless returns until when parked messages would only wait here as well, or be parked again; the zero time when
// they would not. p.mu is held.
func (p *path) fruitless() (until time.Time) {
	now := time.Now()
	if p.e.memory.short() && p.stuck() {
		until = now.Add(askAgain)
	}
	if p.e.memory.halfFull() {
		until = later(until, p.stuckUntil(now))
	}
	if p.open == 0 {
		until = later(until, p.backOff.until(false))
	}
	if !until.After(now) {
		return time.Time{}
	}
	return until
}

// askAgain is how long parked messages are left where they are when there was no room for them.
const askAgain = 5 * time.Second

// Served implements aside.Owner.
func (p *path) Served() {
	p.mu.Lock()
	p.advance()
	p.mu.Unlock()
}

// String implements aside.Owner.
func (p *path) String() string { return p.key.Path.String() }

// parkAfter is how long a message waits in a ready list before it is parked: a broker wants its deliveries back.
const parkAfter = queue.MaxParked / 2

// sweep finishes what expired in the ready list and parks what has waited for long; it reports whether the path seems
// to have nothing to do.
func (p *path) sweep(now time.Time) bool {
	var old, dead []*job
	p.mu.Lock()
	for j := range p.ready.all() {
		switch {
		case j.expired(now):
			p.ready.drop(j)
			dead = append(dead, j)
		case now.Sub(j.since) > parkAfter:
			p.ready.drop(j)
			p.shelf.Put(j.domain, false)
			old = append(old, j)
		}
	}
	p.advance()
	idle := !p.busy()
	p.mu.Unlock()
	for _, j := range dead {
		p.e.notTried(j, givenUp())
	}
	for _, j := range old {
		p.e.park(j, "waited for long")
	}
	return idle
}
