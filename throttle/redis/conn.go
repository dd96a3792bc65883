package redis

import (
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// conn is the account of one connection: what the local throttler counts, and leases beside it.
type conn struct {
	throttle.Conn
	t             *Throttler
	path          throttle.Path
	pathAccount   *account
	targetAccount *account

	limits     *throttle.Limits
	generation uint64 // of the limits
	free       bool   // no limit of mails is shared
	found      bool   // lanes are those of the limits
	lanes      [4]*lane
	closed     bool
	sent       [maxSent]sentMail // the last ones, newest at sentAt
	sentAt     int
}

// maxSent is how many mails of a connection can still be cancelled.
const maxSent = 8

// sentMail is what a mail took of each of the lanes that limit mails.
type sentMail struct {
	size  int64
	set   bool
	lanes [4]*lane
	from  [4]lease
}

// bind makes limits those of the connection.
func (c *conn) bind(limits *throttle.Limits, generation uint64) {
	c.limits, c.generation, c.found = limits, generation, false
	c.free = limits.Domain.Messages <= 0 && limits.Domain.Bytes <= 0 && limits.Target.Messages <= 0 &&
		limits.Target.Bytes <= 0
}

// lock locks both accounts, always in this order.
func (c *conn) lock() {
	c.pathAccount.mu.Lock()
	c.targetAccount.mu.Lock()
}

func (c *conn) unlock() {
	c.targetAccount.mu.Unlock()
	c.pathAccount.mu.Unlock()
}

// longer makes the longer of two waits.
func (c *conn) longer(w throttle.Wait, wait time.Duration, limit string) throttle.Wait {
	if wait <= w.For {
		return w
	}
	rule := c.limits.Origin[limit]
	if rule == "" {
		rule = "configuration"
	}
	return throttle.Wait{For: wait, Limit: limit, Rule: rule}
}

// sides are the accounts with their limits.
func (c *conn) sides() [2]side {
	return [2]side{{c.pathAccount, &c.limits.Domain}, {c.targetAccount, &c.limits.Target}}
}

type side struct {
	a     *account
	rates *throttle.Rates
}

// mayConnect returns what holds up a connection. Both accounts are locked.
func (c *conn) mayConnect(share float64, now int64) (w throttle.Wait) {
	for _, s := range c.sides() {
		if s.rates.Connections > 0 {
			l := s.a.lane(laneSlots, int64(s.rates.Connections), now)
			w = c.longer(w, l.slotLacks(c.t, share, now, c.path), l.name)
		}
		if s.rates.Connects > 0 {
			l := s.a.lane(laneConnects, s.rates.Connects, now)
			w = c.longer(w, l.lacks(c.t, share, 1, now, c.path), l.name)
		}
	}
	return w
}

// connected counts a connection. Both accounts are locked.
func (c *conn) connected(share float64, now int64) (from [2]lease) {
	for i, s := range c.sides() {
		s.a.used++
		if s.rates.Connects > 0 {
			from[i] = s.a.lane(laneConnects, s.rates.Connects, now).take(c.t, share, 1, now)
		}
	}
	return from
}

// disconnect undoes connected.
func (c *conn) disconnect(from [2]lease, now int64) {
	c.lock()
	for i, s := range c.sides() {
		s.a.used--
		if s.rates.Connects > 0 {
			s.a.lane(laneConnects, s.rates.Connects, now).putBack(c.t, from[i], 1, now)
		}
	}
	c.unlock()
}

// Send: see throttle.Conn. Nothing is asked of the local throttler that cannot go anyway.
func (c *conn) Send(size int64) throttle.Wait {
	if generation := c.t.generation.Load(); generation != c.generation {
		c.bind(c.t.local.Limits(c.path), generation)
	}
	if c.free || c.closed {
		return c.Conn.Send(size)
	}
	size = max(size, 0)
	now, share := c.t.now(), c.t.share()
	c.lock()
	m := &c.sent[(c.sentAt+1)%maxSent]
	wait := c.reserve(m, share, size, now)
	c.unlock()
	if !wait.Zero() {
		return wait
	}
	if wait = c.Conn.Send(size); !wait.Zero() {
		c.putBack(m, now)
		return wait
	}
	c.sentAt = (c.sentAt + 1) % maxSent
	return wait
}

// find looks up the lanes that limit mails: messages and bytes of the path, then of the target. Both accounts are
// locked.
func (c *conn) find(now int64) {
	c.found = true
	for i, s := range c.sides() {
		c.lanes[2*i], c.lanes[2*i+1] = nil, nil
		if s.rates.Messages > 0 {
			c.lanes[2*i] = s.a.lane(laneMessages, s.rates.Messages, now)
		}
		if s.rates.Bytes > 0 {
			c.lanes[2*i+1] = s.a.lane(laneBytes, s.rates.Bytes, now)
		}
	}
}

// units is what a mail takes of the lane at a place.
func units(i int, size int64) int64 {
	if i%2 == 0 {
		return 1
	}
	return size
}

// reserve takes what a mail needs from all lanes, or from none. Both accounts are locked.
func (c *conn) reserve(m *sentMail, share float64, size, now int64) (w throttle.Wait) {
	if !c.found {
		c.find(now)
	}
	for i, l := range c.lanes {
		if l == nil {
			continue
		}
		if wait := l.lacks(c.t, share, units(i, size), now, c.path); wait > 0 {
			w = c.longer(w, wait, l.name)
		}
	}
	if !w.Zero() {
		return w
	}
	m.size, m.set, m.lanes = size, true, c.lanes
	for i, l := range c.lanes {
		if l != nil {
			m.from[i] = l.take(c.t, share, units(i, size), now)
		}
	}
	return w
}

// putBack undoes reserve.
func (c *conn) putBack(m *sentMail, now int64) {
	var tell throttle.PathSet
	c.lock()
	for i, l := range m.lanes {
		if l != nil && m.from[i].epoch != 0 {
			l.putBack(c.t, m.from[i], units(i, m.size), now)
			tell.Join(l.waiting.Take())
		}
	}
	c.unlock()
	m.set = false
	c.t.listen.Tell(tell)
}

// Cancel: see throttle.Conn. Of mails of the same size the last one is given back.
func (c *conn) Cancel(size int64) {
	size = max(size, 0)
	if !c.closed {
		for i := range maxSent {
			m := &c.sent[(c.sentAt-i+maxSent)%maxSent]
			if m.set && m.size == size {
				c.putBack(m, c.t.now())
				break
			}
		}
	}
	c.Conn.Cancel(size)
}

// Close: see throttle.Conn.
func (c *conn) Close() {
	if c.closed {
		return
	}
	c.closed = true
	now := c.t.now()
	var tell throttle.PathSet
	c.Conn.Close()
	c.lock()
	for _, a := range []*account{c.pathAccount, c.targetAccount} {
		a.used--
		for _, l := range a.lanes {
			if l.kind == kindSlots {
				tell.Join(l.closed(c.t, now))
			}
		}
	}
	c.unlock()
	c.t.accounts.drop(c.pathAccount, now)
	c.t.accounts.drop(c.targetAccount, now)
	c.t.listen.Tell(tell)
}
