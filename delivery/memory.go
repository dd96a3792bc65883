package delivery

import (
	"time"
)

// The engine has at most Prefetch messages in memory. Up to half of that, a path may have as many as its own limit
// allows.
// Beyond half, the paths on which something waits for long share half of the memory evenly. Beyond seven eighths memory
// is short: what paths have beyond their share is parked, and if that is not enough, all that waits on paths without a
// connection. A path on which nothing waits for long is left in peace: what waits there is gone in a moment.

// load is how many messages are in memory, without messages that only have to be settled, released or parked yet.
func (e *Engine) load() int { return int(e.inMemory.Load()) - e.settler.Backlog() }

// halfFull reports whether more than half of the memory is taken.
func (e *Engine) halfFull() bool { return e.load() > e.Prefetch/2 }

// short reports whether memory is nearly full.
func (e *Engine) short() bool { return e.load() > e.Prefetch*7/8 }

// share is how many messages a path may have while memory is half full.
func (e *Engine) share() int {
	return max(2, e.Prefetch/2/max(1, int(e.waiting.Load())))
}

// relieve parks messages when memory is short. It only orders that; one such order is out at a time, and after one that
// freed nothing there is none for a second.
func (e *Engine) relieve() {
	if !e.relieving.CompareAndSwap(false, true) {
		return
	}
	e.settler.Call(func() {
		if e.trim() == 0 {
			time.AfterFunc(time.Second, func() { e.relieving.Store(false) })
			return
		}
		e.relieving.Store(false)
	})
}

// trim parks what paths have beyond their share and then, until a quarter of the memory is free, all that waits on
// paths without a connection. It returns how many messages it parked.
func (e *Engine) trim() (parked int) {
	paths := e.allPaths()
	for _, p := range paths {
		parked += p.trim(false)
	}
	for _, p := range paths {
		if e.load() <= e.Prefetch*3/4 {
			break
		}
		parked += p.trim(true)
	}
	return parked
}

// trim parks the end of the ready list beyond its capacity; all of it, when all is set and no connection takes from it.
func (p *path) trim(all bool) int {
	p.mu.Lock()
	limit := p.capacity()
	if all && p.stuck() {
		limit = 0
	}
	var over []*job
	for p.ready.n > limit {
		j := p.ready.last
		p.drop(j)
		p.notePark(j.domain)
		over = append(over, j)
	}
	if len(over) > 0 {
		p.wakeAt(time.Now().Add(time.Second)) // to fetch them again
	}
	p.mu.Unlock()
	for _, j := range over {
		p.e.park(j, "memory is short")
	}
	return len(over)
}

// capacity is the largest length of the ready list: the throttle's, and less while memory is half full. p.mu is held.
func (p *path) capacity() int {
	limit := p.e.Throttle.Limits(p.key.Path).Queue.Messages
	if limit <= 0 {
		limit = p.e.PathQueue
	}
	if p.e.halfFull() && !p.flows() {
		limit = min(limit, p.e.share())
	}
	return limit
}

// flowing is how long the first in line may have waited on a path that flows.
const flowing = 2 * time.Second

// flows reports whether what is put into the ready list leaves it soon. p.mu is held.
func (p *path) flows() bool {
	return p.open > 0 && (p.ready.first == nil || time.Since(p.ready.first.since) < flowing)
}

// fresh is how much of a capacity messages may take that were not tried yet: the throttle can keep some of it for
// retries. p.mu is held.
func (p *path) fresh(capacity int) int {
	share := min(max(p.e.Throttle.Limits(p.key.Path).Queue.RetryShare, 0), 100)
	return max(1, capacity-capacity*share/100)
}

// room reports whether the ready list takes another job. While older messages of the path are parked, new ones fill
// only half of it, and the rest is for the older ones when they come. p.mu is held.
func (p *path) room(j *job, unparked bool) bool {
	if p.e.short() && p.stuck() {
		return false
	}
	limit := p.capacity()
	if len(j.m.Results) == 0 {
		limit = p.fresh(limit)
	}
	if len(p.parked.domains) > 0 && !unparked {
		limit = max(1, limit/2)
	}
	return p.ready.n < limit
}

// stuck reports whether no connection takes from the ready list. p.mu is held.
func (p *path) stuck() bool {
	if p.open > 0 {
		return p.sendTo.After(time.Now().Add(time.Second))
	}
	return p.starting > 0 || p.starved || p.offlineTo.After(time.Now()) || p.connectTo.After(time.Now())
}

// makingLasts is how long a connection in the making is waited for at most before messages are fetched for it. The end
// of the making has the path look sooner.
const makingLasts = time.Minute

// stuckUntil returns until when nothing is taken from the ready list: what is fetched before only takes room, and is
// parked again where that is scarce, over and over. p.mu is held.
func (p *path) stuckUntil(now time.Time) time.Time {
	switch {
	case p.open > 0:
		return p.sendTo
	case p.starting > 0:
		return now.Add(makingLasts)
	}
	return p.connectTo
}

// maxParkedDomains bounds what a path remembers of parked domains; what it forgets comes back after queue.MaxParked.
const maxParkedDomains = 10000

// notePark remembers that messages of a domain are parked, or about to be. p.mu is held.
func (p *path) notePark(domain string) {
	if !p.e.pausing.covers(domain) {
		p.parked.note(domain)
	}
}

// parkings remembers the domains of which messages are parked, and when that was last noted: an Unpark that found no
// more may have missed a message that was parked meanwhile.
type parkings struct {
	domains map[string]uint64
	count   uint64
}

func (k *parkings) note(domain string) {
	if k.domains == nil {
		k.domains = make(map[string]uint64)
	}
	k.count++
	if _, known := k.domains[domain]; known || len(k.domains) < maxParkedDomains {
		k.domains[domain] = k.count
	}
}

// some returns up to n domains for which want is true; nil: any.
func (k *parkings) some(n int, want func(string) bool) []string {
	list := make([]string, 0, min(len(k.domains), n))
	for domain := range k.domains {
		if len(list) == n {
			break
		}
		if want == nil || want(domain) {
			list = append(list, domain)
		}
	}
	return list
}

// forget drops domains that were not noted since the count was this.
func (k *parkings) forget(domains []string, since uint64) {
	for _, domain := range domains {
		if k.domains[domain] <= since {
			delete(k.domains, domain)
		}
	}
}

// adopt makes the parked messages of a domain the business of the path.
func (p *path) adopt(domain string) {
	p.mu.Lock()
	p.notePark(domain)
	p.used = time.Now()
	p.advance()
	p.mu.Unlock()
}

// refill asks for parked messages once the list is less than half full and something can become of them. After a
// failure only a few are fetched: enough to try again with. p.mu is held.
func (p *path) refill() {
	if len(p.parked.domains) == 0 || p.asking {
		return
	}
	limit := p.fresh(p.capacity())
	n := max(1, limit*3/4) - p.ready.n
	if p.failures > 0 && p.open == 0 {
		few := fewAgain
		if p.e.halfFull() {
			few = 1 // that one gets the next attempt; others would only take room meanwhile
		}
		n = min(n, few-p.ready.n)
	}
	if n <= 0 || p.ready.n > 0 && p.ready.n >= limit/2 {
		return
	}
	if until := p.fruitless(); !until.IsZero() {
		p.wakeAt(until)
		return
	}
	domains, count := p.parked.some(n, p.wanted()), p.parked.count
	if len(domains) == 0 {
		return
	}
	p.asking = true
	p.e.settler.Call(func() {
		total, empty, err := p.e.settler.Unpark(domains, n)
		p.unparked(total, empty, count, err)
	})
}

// wanted tells which parked domains are of use; nil: all. p.mu is held.
func (p *path) wanted() func(string) bool {
	if p.e.pausing.active.Load() == 0 {
		return nil
	}
	return func(domain string) bool { return !p.e.pausing.covers(domain) }
}

// fewAgain is how many parked messages are fetched for a path on which the last connection failed.
const fewAgain = 10

// fruitless returns until when parked messages would only wait here as well, or be parked again; the zero time when
// they would not. p.mu is held.
func (p *path) fruitless() (until time.Time) {
	now := time.Now()
	if p.e.short() && p.stuck() {
		until = now.Add(askAgain)
	}
	if p.e.halfFull() {
		if t := p.stuckUntil(now); t.After(until) {
			until = t
		}
	}
	if p.open == 0 && p.offlineTo.After(until) {
		until = p.offlineTo
	}
	if p.expected > 0 && p.askTo.After(until) {
		until = p.askTo
	}
	if p.barred.After(until) {
		until = p.barred
	}
	if !until.After(now) {
		return time.Time{}
	}
	return until
}

// onTheWay is how long messages that were let go are waited for: some may have been finished on the way, or taken
// another.
const onTheWay = time.Second

// askAgain is the pause after the queue could not be asked for parked messages, or there was no room for them.
const askAgain = 5 * time.Second

// unparked notes how many messages are on their way, and which domains have no more.
func (p *path) unparked(n int, empty []string, count uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asking = false
	p.expected = max(0, p.expected+n)
	p.askTo = time.Now().Add(onTheWay)
	p.parked.forget(empty, count)
	if err != nil {
		p.barred = time.Now().Add(askAgain)
		p.e.Logger.Warn("fetching parked messages failed; trying again", "path", p.key.Path.String(), "error", err, "in",
			askAgain)
	}
	p.advance()
}
